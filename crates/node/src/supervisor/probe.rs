//! One probe of one replica.

mod grpc;

use std::error::Error;
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

/// Whether the replica at `address` is well, within `limit`; why not, if not.
pub(super) async fn probe(asked: Asked<'_>, address: SocketAddr, limit: Duration) -> io::Result<()> {
    let outcome = tokio::time::timeout(limit, async {
        let stream = TcpStream::connect(address).await?;
        match (asked.probe, asked.tls) {
            (Probe::Tcp, _) => Ok(()),
            (probe, None) => ask(probe, address, stream, asked.protocol).await,
            (probe, Some(tls)) => {
                let stream = tls.connect(stream, address.ip()).await?;
                ask(probe, address, stream, asked.protocol).await
            }
        }
    });
    let too_late = |_elapsed| Err(io::Error::new(io::ErrorKind::TimedOut, format!("no answer in {limit:?}")));
    let outcome = outcome.await.unwrap_or_else(too_late);
    outcome.inspect_err(|error| tracing::debug!(%address, %error, "a probe failed"))
}

async fn ask(
    probe: &Probe,
    address: SocketAddr,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    protocol: Protocol,
) -> io::Result<()> {
    match probe {
        Probe::Http(path) => get(path, address, stream, protocol).await,
        Probe::Grpc(service) => grpc::check(service, address, stream).await,
        Probe::Tcp => Ok(()),
    }
}

async fn get(
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

/// Drives the connection until the exchange is over, so that it ends with the probe. It may end with the
/// answer in hand.
async fn driven<T, E: Into<Box<dyn Error + Send + Sync>>>(
    exchange: impl Future<Output = Result<T, E>>,
    connection: impl Future<Output = hyper::Result<()>>,
) -> io::Result<T> {
    let mut exchange = std::pin::pin!(exchange);
    let outcome = tokio::select! {
        biased;
        outcome = &mut exchange => outcome,
        ended = connection => {
            ended.map_err(io::Error::other)?;
            exchange.await
        }
    };
    outcome.map_err(io::Error::other)
}

/// Waits for the answer and says whether it is a good one.
async fn judge(
    exchange: impl Future<Output = hyper::Result<Response<Incoming>>>,
    connection: impl Future<Output = hyper::Result<()>>,
) -> io::Result<()> {
    let status = driven(exchange, connection).await?.status();
    if status.is_success() || status.is_redirection() {
        Ok(())
    } else {
        Err(io::Error::other(format!("answered {status}")))
    }
}
