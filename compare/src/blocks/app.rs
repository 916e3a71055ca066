//! The service that Floodway runs for the comparison: it tells its ports, takes messages and counts them, and
//! answers calls.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::servers::floodway::TOPICS;

/// The topic whose messages come by requests.
pub(super) const ROUTED: &str = "routed";
/// The path that counts what was taken.
pub(super) const COUNT: &str = "/count";

/// Serves until it is ended.
pub(crate) fn run() -> Result<()> {
    let port = |name: &str| -> Result<u16> {
        let text =
            std::env::var(name).with_context(|| format!("{name} is not set: `floodway up` sets it"))?;
        text.parse().with_context(|| format!("{name} is no port: {text}"))
    };
    let own = port("PORT")?;
    let ports = serde_json::to_string(&[port("DAPR_HTTP_PORT")?, port("DAPR_GRPC_PORT")?, own])?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(serve(SocketAddr::from(([127, 0, 0, 1], own)), ports.into()))
}

async fn serve(address: SocketAddr, ports: Arc<str>) -> Result<()> {
    let listener = TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
    let taken = Arc::new(AtomicU64::new(0));
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, _) = accepted.context("cannot take a connection")?;
                stream.set_nodelay(true)?;
                connections.spawn(connection(stream, Arc::clone(&ports), Arc::clone(&taken)));
            }
            Some(ended) = connections.join_next() => ended.context("a connection panicked")?,
        }
    }
}

/// One that breaks is its caller's affair.
async fn connection(stream: TcpStream, ports: Arc<str>, taken: Arc<AtomicU64>) {
    let service = service_fn(|request| {
        let (ports, taken) = (Arc::clone(&ports), Arc::clone(&taken));
        async move { Ok::<_, Infallible>(answer(request, &ports, &taken).await) }
    });
    http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.ok();
}

async fn answer(request: Request<Incoming>, ports: &str, taken: &AtomicU64) -> Response<Full<Bytes>> {
    let path = request.uri().path().to_owned();
    let whole = request.into_body().collect().await;
    let body = match (path.as_str(), whole) {
        ("/dapr/subscribe", _) => {
            format!("[{{\"pubsubname\":\"{TOPICS}\",\"topic\":\"{ROUTED}\",\"route\":\"/message\"}}]")
        }
        ("/message", Ok(_)) => {
            taken.fetch_add(1, Ordering::Relaxed);
            String::new()
        }
        (COUNT, _) => taken.load(Ordering::Relaxed).to_string(),
        ("/ports", _) => ports.to_owned(),
        ("/healthz" | "/hello", _) => "hello".to_owned(),
        _ => {
            let mut response = Response::new(Full::default());
            *response.status_mut() = http::StatusCode::NOT_FOUND;
            return response;
        }
    };
    Response::new(Full::from(body))
}
