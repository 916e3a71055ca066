//! A small HTTP server whose answers a test decides.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// Its place among all requests, from 0.
    pub(crate) index: u64,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) key: String,
    pub(crate) host: String,
    pub(crate) body: String,
}

/// What has arrived so far.
#[derive(Debug, Default)]
struct Counts {
    requests: Mutex<Vec<Seen>>,
    connections: AtomicU64,
    open: AtomicU64,
    in_flight: AtomicU64,
    in_flight_max: AtomicU64,
}

/// A server; it stops when this is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    counts: Arc<Counts>,
    _tasks: JoinSet<()>,
}

pub(crate) type Reply = Response<Full<Bytes>>;

pub(crate) fn reply(status: u16, body: &str) -> Reply {
    Response::builder().status(status).body(Full::new(Bytes::copy_from_slice(body.as_bytes()))).unwrap()
}

impl Server {
    /// Answers each request as `answer` says; `None` breaks the connection off.
    pub(crate) async fn start<A, F>(answer: A) -> Self
    where
        A: Fn(Seen) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Option<Reply>> + Send,
    {
        Self::on(TcpListener::bind("127.0.0.1:0").await.unwrap(), answer)
    }

    pub(crate) fn on<A, F>(listener: TcpListener, answer: A) -> Self
    where
        A: Fn(Seen) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Option<Reply>> + Send,
    {
        let address = listener.local_addr().unwrap();
        let counts = Arc::new(Counts::default());
        let mut tasks = JoinSet::new();
        let shared = Arc::clone(&counts);
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                shared.connections.fetch_add(1, Ordering::SeqCst);
                shared.open.fetch_add(1, Ordering::SeqCst);
                let counts = Arc::clone(&shared);
                let (shared, answer) = (Arc::clone(&shared), answer.clone());
                let service = service_fn(move |request| take(Arc::clone(&shared), answer.clone(), request));
                let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                // A connection that a test breaks off ends with an error.
                connections.spawn(async move {
                    drop(connection.await);
                    counts.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { address, counts, _tasks: tasks }
    }

    /// Says these bytes to whoever has sent a request, then closes the connection without notice.
    pub(crate) async fn raw(bytes: &'static [u8]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let counts = Arc::new(Counts::default());
        let mut tasks = JoinSet::new();
        let shared = Arc::clone(&counts);
        tasks.spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                shared.connections.fetch_add(1, Ordering::SeqCst);
                let mut request = vec![0; 4_096];
                assert!(stream.read(&mut request).await.unwrap() > 0, "a request fits in one read");
                stream.write_all(bytes).await.unwrap();
            }
        });
        Self { address, counts, _tasks: tasks }
    }

    pub(crate) fn requests(&self) -> Vec<Seen> {
        self.counts.requests.lock().unwrap().clone()
    }

    pub(crate) fn in_flight_max(&self) -> u64 {
        self.counts.in_flight_max.load(Ordering::SeqCst)
    }

    /// Connections that are open now.
    pub(crate) fn open(&self) -> u64 {
        self.counts.open.load(Ordering::SeqCst)
    }

    /// Connections that were ever made.
    pub(crate) fn connections(&self) -> u64 {
        self.counts.connections.load(Ordering::SeqCst)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("broken off")]
struct BrokenOff;

async fn take<A, F>(counts: Arc<Counts>, answer: A, request: Request<Incoming>) -> Result<Reply, BrokenOff>
where
    A: Fn(Seen) -> F,
    F: Future<Output = Option<Reply>>,
{
    let in_flight = counts.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
    counts.in_flight_max.fetch_max(in_flight, Ordering::SeqCst);
    let (head, body) = request.into_parts();
    let header =
        |name| head.headers.get(name).map_or("", |value: &http::HeaderValue| value.to_str().unwrap());
    let mut seen = Seen {
        index: 0,
        method: head.method.to_string(),
        path: head.uri.to_string(),
        key: header("idempotency-key").to_owned(),
        host: header("host").to_owned(),
        body: String::new(),
    };
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    seen.body = String::from_utf8(body.to_vec()).unwrap();
    {
        let mut requests = counts.requests.lock().unwrap();
        seen.index = requests.len() as u64;
        requests.push(seen.clone());
    }
    let reply = answer(seen).await;
    counts.in_flight.fetch_sub(1, Ordering::SeqCst);
    reply.ok_or(BrokenOff)
}

/// Answers all requests alike.
pub(crate) fn always(
    status: u16,
) -> impl Fn(Seen) -> std::future::Ready<Option<Reply>> + Clone + Send + Sync + 'static {
    move |_| std::future::ready(Some(reply(status, "ok")))
}
