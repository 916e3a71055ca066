//! The sockets that workers listen on.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};

use socket2::{Domain, Protocol, Socket, Type};

use super::StartError;
use crate::listen::Listen;

/// Connections that wait to be taken.
const BACKLOG: i32 = 4096;

/// One worker's socket for an address.
#[derive(Debug)]
pub(super) struct Listener {
    /// Which of the addresses it is.
    pub(super) place: usize,
    pub(super) socket: StdListener,
}

/// What is listened on.
pub(super) struct Bound {
    pub(super) addresses: Vec<SocketAddr>,
    pub(super) sockets: Vec<StdListener>,
    /// By worker.
    pub(super) listeners: Vec<Vec<Listener>>,
}

/// At least one listener per address and worker, on the same port. Each socket that was inherited for an
/// address is given to a worker, for it may have connections in its queue.
pub(super) fn bind(
    listen: &[Listen],
    count: usize,
    mut inherited: Vec<StdListener>,
) -> Result<Bound, StartError> {
    let mut bound = Bound {
        addresses: Vec::with_capacity(listen.len()),
        sockets: Vec::new(),
        listeners: (0..count).map(|_| Vec::new()).collect(),
    };
    for (place, how) in listen.iter().enumerate() {
        let failed = |source| StartError::Listen { address: how.address, source };
        let mut sockets = take_inherited(&mut inherited, how.address);
        if sockets.is_empty() {
            check_free(how.address).map_err(failed)?;
            sockets.push(bind_one(how.address).map_err(failed)?);
        }
        let address = sockets[0].local_addr().map_err(failed)?;
        while sockets.len() < count {
            sockets.push(bind_one(address).map_err(failed)?);
        }
        for (index, socket) in sockets.into_iter().enumerate() {
            bound.sockets.push(socket.try_clone().map_err(failed)?);
            bound.listeners[index % count].push(Listener { place, socket });
        }
        bound.addresses.push(address);
    }
    Ok(bound)
}

/// Those of them that listen on an address; with port 0, on any one port of it.
fn take_inherited(inherited: &mut Vec<StdListener>, wanted: SocketAddr) -> Vec<StdListener> {
    let is_it = |socket: &StdListener| {
        let is = socket.local_addr().ok()?;
        let is_wanted = is == wanted || (wanted.port() == 0 && is.ip() == wanted.ip());
        is_wanted.then_some(is)
    };
    let Some(address) = inherited.iter().find_map(is_it) else { return Vec::new() };
    inherited.extract_if(.., |socket| socket.local_addr().is_ok_and(|is| is == address)).collect()
}

fn bind_one(address: SocketAddr) -> io::Result<StdListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Fails where somebody listens already: sharing a port is for the workers of one node only, and two
/// nodes that share one by mistake would each get half of the requests.
fn check_free(address: SocketAddr) -> io::Result<()> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(1)
}
