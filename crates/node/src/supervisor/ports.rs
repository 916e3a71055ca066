//! Free ports for replicas.

use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Mutex;

/// Ports that were handed out and may not be listened on yet. A port is free when it is picked; between
/// then and the replica's `listen` someone else may take it, which the replica's death shows.
#[derive(Debug, Default)]
pub(super) struct Ports {
    lent: Mutex<BTreeSet<u16>>,
}

/// Where one caller finds the block API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApiPorts {
    /// Over HTTP.
    pub http: u16,
    /// Over gRPC.
    pub grpc: u16,
}

// === impl ApiPorts ===

impl ApiPorts {
    /// As SDKs look for them.
    pub(crate) fn env(self) -> [(&'static str, String); 2] {
        [("DAPR_HTTP_PORT", self.http.to_string()), ("DAPR_GRPC_PORT", self.grpc.to_string())]
    }
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
}
