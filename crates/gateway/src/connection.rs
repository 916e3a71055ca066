//! A client's connection: HTTP/1.1 or HTTP/2 by prior knowledge, its timers, its end.

use std::cell::Cell;
use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use floodway_policy::snapshot::Limits;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::body::ResponseBody;
use crate::forward::forward;
use crate::worker::{Phase, Worker};

/// How an HTTP/2 connection begins (RFC 9113 §3.4). No HTTP/1.1 method begins like it.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Streams of one HTTP/2 connection that may be open at once.
const STREAMS_MAX: u32 = 256;

/// Serves a connection until it ends, is idle or slow for too long, or the worker stops.
pub(crate) async fn serve(worker: Rc<Worker>, stream: TcpStream, client: IpAddr) {
    let limits = worker.snapshot.limits;
    let peeked = tokio::time::timeout(limits.header_timeout, is_http2(&stream)).await;
    let Ok(Ok(is_http2)) = peeked else { return };
    let activity = Rc::new(Activity::new());
    let io = Watched { stream, moved: Arc::clone(&activity.moved) };
    let mut phase = worker.phase.clone();
    let ended = async {
        if is_http2 {
            serve_http2(&worker, io, client, &activity).await
        } else {
            serve_http1(&worker, io, client, &activity).await
        }
    };
    tokio::select! {
        biased;
        ended = ended => {
            if let Err(error) = ended {
                tracing::debug!(%error, %client, "a client's connection broke");
            }
        }
        () = activity.watch(limits) => tracing::debug!(%client, "a client was idle or slow for too long"),
        _ = phase.wait_for(|phase| *phase == Phase::Stopping) => {}
    }
}

async fn serve_http1(
    worker: &Rc<Worker>,
    io: Watched,
    client: IpAddr,
    activity: &Rc<Activity>,
) -> hyper::Result<()> {
    let answer = |request| answer(Rc::clone(worker), client, Rc::clone(activity), request);
    let builder = http1_builder(worker.snapshot.limits);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(io), service_fn(answer)).with_upgrades());
    tokio::select! {
        biased;
        ended = &mut connection => return ended,
        () = draining(worker) => {}
    }
    connection.as_mut().graceful_shutdown();
    connection.await
}

async fn serve_http2(
    worker: &Rc<Worker>,
    io: Watched,
    client: IpAddr,
    activity: &Rc<Activity>,
) -> hyper::Result<()> {
    let answer = |request| answer(Rc::clone(worker), client, Rc::clone(activity), request);
    let mut builder = http2::Builder::new(worker.tasks.clone());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(worker.snapshot.limits.header_bytes_max);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(io), service_fn(answer)));
    tokio::select! {
        biased;
        ended = &mut connection => return ended,
        () = draining(worker) => {}
    }
    connection.as_mut().graceful_shutdown();
    connection.await
}

async fn answer(
    worker: Rc<Worker>,
    client: IpAddr,
    activity: Rc<Activity>,
    request: Request<Incoming>,
) -> Result<Response<ResponseBody>, Infallible> {
    let _serving = activity.begin();
    Ok(forward(&worker, client, request).await)
}

async fn draining(worker: &Worker) {
    let mut phase = worker.phase.clone();
    // A sender that is gone means the same.
    drop(phase.wait_for(|phase| *phase >= Phase::Draining).await);
}

fn http1_builder(limits: Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    // Its own timer would count the pause between two requests as a slow head: see `Activity`.
    builder
        .header_read_timeout(None)
        .max_headers(usize::from(limits.headers_max))
        .max_header_size(limits.header_bytes_max as usize)
        .max_buf_size((limits.header_bytes_max as usize).max(8 << 10));
    builder
}

/// Whether the first bytes are those of HTTP/2. Takes nothing from the stream.
async fn is_http2(stream: &TcpStream) -> io::Result<bool> {
    const PAUSE: Duration = Duration::from_millis(1);
    let mut first = [0; PREFACE.len()];
    loop {
        let len = stream.peek(&mut first).await?;
        if len == 0 || !PREFACE.starts_with(&first[..len]) {
            return Ok(false);
        }
        if len == PREFACE.len() {
            return Ok(true);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Whether a connection moves, and whether a request is being served on it. A watchdog looks at it a few
/// times per timeout, so that the stream itself never reads a clock.
struct Activity {
    moved: Arc<Moved>,
    serving: Cell<u32>,
}

/// What happened since the watchdog last looked. The stream must be free to move between threads for
/// upgrades, so these are atomics, though one thread uses them.
#[derive(Debug, Default)]
struct Moved {
    /// Bytes were read or written.
    any: AtomicBool,
    /// Bytes were read that belong to no request that was served.
    head: AtomicBool,
}

/// A request being served; dropped when its response head is handed over.
struct Serving(Rc<Activity>);

/// How often per timeout the watchdog looks: a timeout is kept to within this part of it.
const LOOKS: u32 = 8;

impl Activity {
    fn new() -> Self {
        Self { moved: Arc::default(), serving: Cell::new(0) }
    }

    fn begin(self: &Rc<Self>) -> Serving {
        self.serving.set(self.serving.get() + 1);
        Serving(Rc::clone(self))
    }

    /// Ends when the connection has taken too long over a head, or has not moved for too long.
    async fn watch(&self, limits: Limits) {
        let pause = (limits.header_timeout.min(limits.idle_timeout) / LOOKS).max(Duration::from_millis(10));
        let (mut idle, mut in_head) = (Duration::ZERO, Duration::ZERO);
        loop {
            tokio::time::sleep(pause).await;
            let is_serving = self.serving.get() > 0;
            let moved = self.moved.any.swap(false, Ordering::Relaxed);
            let is_in_head = !is_serving && self.moved.head.load(Ordering::Relaxed);
            idle = if moved || is_serving { Duration::ZERO } else { idle + pause };
            in_head = if is_in_head { in_head + pause } else { Duration::ZERO };
            if idle >= limits.idle_timeout || in_head >= limits.header_timeout {
                return;
            }
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let Activity { moved, serving } = &*self.0;
        serving.set(serving.get() - 1);
        moved.head.store(false, Ordering::Relaxed);
    }
}

/// A stream that says when it moves.
#[derive(Debug)]
struct Watched {
    stream: TcpStream,
    moved: Arc<Moved>,
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if polled.is_ready() {
            self.moved.any.store(true, Ordering::Relaxed);
            self.moved.head.store(true, Ordering::Relaxed);
        }
        polled
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.wrote(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.wrote(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl Watched {
    fn wrote(&self, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if polled.is_ready() {
            self.moved.any.store(true, Ordering::Relaxed);
        }
        polled
    }
}
