//! One probe of one replica.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use floodway_system::Probe;

/// Whether the replica at `address` is well, within `limit`.
pub(super) async fn probe(kind: &Probe, address: SocketAddr, limit: Duration) -> bool {
    let outcome = tokio::time::timeout(limit, async {
        match kind {
            Probe::Tcp => TcpStream::connect(address).await.map(drop),
            Probe::Http(path) => ask(path, address).await,
        }
    });
    match outcome.await {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            tracing::debug!(%address, %error, "probe failed");
            false
        }
        Err(tokio::time::error::Elapsed { .. }) => {
            tracing::debug!(%address, ?limit, "probe took too long");
            false
        }
    }
}

async fn ask(path: &str, address: SocketAddr) -> io::Result<()> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    let request = http::Request::get(path)
        .header(http::header::HOST, address.to_string())
        .header(http::header::USER_AGENT, "floodway-probe")
        .header(http::header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(io::Error::other)?;
    let mut exchange = std::pin::pin!(sender.send_request(request));
    // The connection is driven here, so that it ends with the probe. It may end with the answer in hand.
    let response = tokio::select! {
        biased;
        response = &mut exchange => response,
        ended = connection => {
            ended.map_err(io::Error::other)?;
            exchange.await
        }
    };
    let response = response.map_err(io::Error::other)?;
    let status = response.status();
    if status.is_success() || status.is_redirection() {
        Ok(())
    } else {
        Err(io::Error::other(format!("answered {status}")))
    }
}
