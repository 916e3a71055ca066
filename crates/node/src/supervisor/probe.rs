//! One probe of one replica.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use floodway_gateway::Back;
use floodway_policy::snapshot::Protocol;
use floodway_system::Probe;
use http::Response;
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// How a replica is asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) probe: &'a Probe,
    pub(super) protocol: Protocol,
    pub(super) tls: Option<&'a Back>,
}

/// Whether the replica at `address` is well, within `limit`.
pub(super) async fn probe(asked: Asked<'_>, address: SocketAddr, limit: Duration) -> bool {
    let outcome = tokio::time::timeout(limit, async {
        let stream = TcpStream::connect(address).await?;
        match (asked.probe, asked.tls) {
            (Probe::Tcp, _) => Ok(()),
            (Probe::Http(path), None) => ask(path, address, stream, asked.protocol).await,
            (Probe::Http(path), Some(tls)) => {
                let stream = tls.connect(stream, address.ip()).await?;
                ask(path, address, stream, asked.protocol).await
            }
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

async fn ask(
    path: &str,
    address: SocketAddr,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    protocol: Protocol,
) -> io::Result<()> {
    let request = http::Request::get(format!("http://{address}{path}"))
        .header(http::header::USER_AGENT, "floodway-probe");
    match protocol {
        Protocol::Http1 => {
            let (mut sender, connection) =
                http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
            let request = request
                .uri(path)
                .header(http::header::HOST, address.to_string())
                .header(http::header::CONNECTION, "close")
                .body(Empty::<Bytes>::new())
                .map_err(io::Error::other)?;
            judge(sender.send_request(request), connection).await
        }
        Protocol::Http2 => {
            // What it runs on the side ends with the probe.
            let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                .await
                .map_err(io::Error::other)?;
            let request = request.body(Empty::<Bytes>::new()).map_err(io::Error::other)?;
            judge(sender.send_request(request), connection).await
        }
    }
}

/// Waits for the answer and says whether it is a good one.
async fn judge(
    exchange: impl Future<Output = hyper::Result<Response<Incoming>>>,
    connection: impl Future<Output = hyper::Result<()>>,
) -> io::Result<()> {
    let mut exchange = std::pin::pin!(exchange);
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
