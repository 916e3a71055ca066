//! From a connection that was taken to one that is served: the header of the PROXY protocol, all under one
//! deadline.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use tokio::net::TcpStream;

use crate::connection::{self, Client, Phase};
use crate::listen::Listen;
use crate::peer::{Peer, Scheme};
use crate::proxy_protocol::{self, Source};
use crate::worker::{Open, Worker};

/// Serves a connection once it is known who is at its other end. One that takes too long, or does not begin
/// as it must, is closed without a word.
pub(crate) async fn enter(open: Open, how: Rc<Listen>, stream: TcpStream, from: SocketAddr) {
    let worker = Rc::clone(&open.worker);
    let timeout = worker.snapshot.limits.handshake_timeout;
    let entered = tokio::select! {
        biased;
        entered = tokio::time::timeout(timeout, identify(&worker, &how, stream, from)) => entered,
        () = connection::reached(&worker.phase, Phase::Draining) => return,
    };
    match entered {
        Ok(Ok((peer, stream))) => connection::serve(Client::new(open, peer), stream).await,
        Ok(Err(error)) => tracing::debug!(%from, %error, "a connection did not begin as it must"),
        Err(_elapsed) => tracing::debug!(%from, ?timeout, "a connection took too long to begin"),
    }
}

async fn identify(
    worker: &Worker,
    how: &Listen,
    mut stream: TcpStream,
    from: SocketAddr,
) -> io::Result<(Peer, TcpStream)> {
    let mut address = from.ip();
    if how.proxy_protocol {
        if !worker.snapshot.trusted_proxies.contains(address) {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is no trusted proxy"));
        }
        if let Source::Client { from, .. } = proxy_protocol::take(&mut stream).await? {
            address = from.ip();
        }
    }
    let is_trusted = worker.snapshot.trusted_proxies.contains(address);
    Ok((Peer { address, is_trusted, scheme: Scheme::Http }, stream))
}
