//! Free ports for replicas.

use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Mutex;

use socket2::{Domain, Socket, Type};

/// Ports that were handed out and may not be listened on yet. A port is free when it is picked; between
/// then and the replica's `listen` someone else may take it, which the replica's death shows.
#[derive(Debug, Default)]
pub(super) struct Ports {
    lent: Mutex<BTreeSet<u16>>,
}

/// A port that is kept from everyone without anyone listening on it.
#[derive(Debug)]
pub(super) struct Reserved {
    pub(super) port: u16,
    _socket: Socket,
}

// === impl Ports ===

impl Ports {
    /// A free port that no other replica was given.
    pub(super) fn lend(&self) -> io::Result<u16> {
        // Each listener is kept until one fits, so that the kernel cannot offer the same port again.
        let mut refused = Vec::new();
        for _ in 0..64 {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            let port = listener.local_addr()?.port();
            if self.lent().insert(port) {
                return Ok(port);
            }
            refused.push(listener);
        }
        Err(io::Error::new(io::ErrorKind::AddrInUse, "the kernel offers no port that is not lent"))
    }

    /// Takes a port back.
    pub(super) fn give_back(&self, port: u16) {
        self.lent().remove(&port);
    }

    fn lent(&self) -> std::sync::MutexGuard<'_, BTreeSet<u16>> {
        self.lent.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Whether someone listens on a port that a replica was to have.
pub(super) fn is_taken(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_err()
}

/// Keeps a port for later use.
pub(super) fn reserve() -> io::Result<Reserved> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
    let port = socket.local_addr()?.as_socket_ipv4().map_or(0, |address| address.port());
    Ok(Reserved { port, _socket: socket })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lends_no_port_twice() {
        let ports = Ports::default();
        let mut lent: Vec<_> = (0..200).map(|_| ports.lend().unwrap()).collect();
        lent.sort_unstable();
        lent.dedup();
        assert_eq!(lent.len(), 200);
    }

    #[test]
    fn a_reserved_port_is_taken_but_refuses_connections() {
        let reserved = reserve().unwrap();
        assert!(is_taken(reserved.port));
        assert!(std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, reserved.port)).is_err());
    }
}
