//! From a connection that was taken to one that is served: the header of the PROXY protocol and the TLS
//! handshake, both under one deadline.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsStream};

use crate::connection::{self, Client, Phase};
use crate::listen::Listen;
use crate::peer::{Peer, Scheme};
use crate::proxy_protocol::{self, Source};
use crate::stream::Stream;
use crate::tls;
use crate::worker::Open;

/// Serves a connection once it is known who is at its other end. One that takes too long, or does not begin
/// as it must, is closed without a word.
pub(crate) async fn enter(mut open: Open, how: Listen, stream: TcpStream, from: SocketAddr) {
    let worker = Rc::clone(&open.worker);
    let timeout = worker.snapshot.limits.handshake_timeout;
    let entered = tokio::select! {
        biased;
        entered = tokio::time::timeout(timeout, identify(&mut open, &how, stream, from)) => entered,
        () = connection::reached(&worker.phase, Phase::Draining) => return,
    };
    match entered {
        Ok(Ok((peer, stream))) => connection::serve(Client::new(open, peer), stream).await,
        Ok(Err(error)) => tracing::debug!(%from, %error, "a connection did not begin as it must"),
        Err(_elapsed) => tracing::debug!(%from, ?timeout, "a connection took too long to begin"),
    }
}

async fn identify(
    open: &mut Open,
    how: &Listen,
    mut stream: TcpStream,
    from: SocketAddr,
) -> io::Result<(Peer, Stream)> {
    let worker = Rc::clone(&open.worker);
    let trusted = &worker.snapshot.trusted_proxies;
    let mut address = from.ip();
    if how.proxy_protocol {
        if !trusted.contains(address) {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is no trusted proxy"));
        }
        if let Source::Client { from, .. } = proxy_protocol::take(&mut stream).await? {
            address = from.ip();
        }
    }
    let is_trusted = trusted.contains(address);
    let mut peer = Peer { address, is_trusted, scheme: Scheme::Http, certificate: None };
    // Before the handshake, which is dear.
    if !open.is_of(&peer) {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "the client has too many connections"));
    }
    let Some(front) = &how.tls else { return Ok((peer, stream.into())) };
    let stream = TlsAcceptor::from(front.config()).accept(stream).await?;
    let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    peer.certificate = certificate.map(|certificate| tls::forwarded_certificate(certificate).into());
    peer.scheme = Scheme::Https;
    Ok((peer, TlsStream::Server(stream).into()))
}
