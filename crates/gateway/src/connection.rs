//! A client's connection: HTTP/1.1 or HTTP/2 by prior knowledge, its timers, its end.

mod activity;

use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use floodway_policy::snapshot::Limits;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::body::{ResponseBody, Tied};
use crate::forward::{forward, refuse_unread};
use crate::worker::{Phase, Worker};
use activity::{Activity, Underway, Watched};

pub(crate) use activity::Speaks;

/// How an HTTP/2 connection begins (RFC 9113 §3.4). No HTTP/1.1 method begins like it.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Streams of one HTTP/2 connection that may be open at once.
const STREAMS_MAX: u32 = 256;
/// How long a connection that we end is read on, so that its last answer arrives.
const LINGER: Duration = Duration::from_secs(2);

/// Whoever is at the other end, as long as a connection or what became of it is open.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) worker: Rc<Worker>,
    pub(crate) address: IpAddr,
    pub(crate) activity: Activity,
}

impl Client {
    pub(crate) fn new(worker: Rc<Worker>, address: IpAddr) -> Rc<Self> {
        worker.counters.connections.add_one();
        worker.counters.open_connections.add_one();
        Rc::new(Self { worker, address, activity: Activity::new() })
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.worker.counters.open_connections.subtract_one();
    }
}

/// Serves a connection until it ends, is idle or slow for too long, or the worker stops.
pub(crate) async fn serve(client: Rc<Client>, stream: TcpStream) {
    let limits = client.worker.snapshot.limits;
    let first = tokio::time::timeout(limits.header_timeout, is_http2(&stream));
    let is_http2 = tokio::select! {
        biased;
        first = first => first,
        () = reached(&client.worker, Phase::Draining) => return,
    };
    let Ok(Ok(is_http2)) = is_http2 else { return };
    client.activity.speaks(if is_http2 { Speaks::Http2 } else { Speaks::Http1 });
    let io = client.activity.stream(stream);
    let ended =
        async { if is_http2 { serve_http2(&client, io).await } else { serve_http1(&client, io).await } };
    tokio::select! {
        biased;
        ended = ended => {
            if let Err(error) = ended {
                tracing::debug!(%error, client = %client.address, "a client's connection broke");
            }
        }
        () = client.activity.watch(limits) => {
            tracing::debug!(client = %client.address, "a client was idle or slow for too long");
        }
        () = reached(&client.worker, Phase::Stopping) => {}
    }
}

async fn serve_http1(client: &Rc<Client>, io: Watched) -> hyper::Result<()> {
    let builder = http1_builder(client.worker.snapshot.limits);
    let answer = |request| answer(Rc::clone(client), request);
    let mut connection = builder.serve_connection(TokioIo::new(io), service_fn(answer)).with_upgrades();
    let ended = tokio::select! {
        biased;
        ended = &mut connection => ended,
        () = reached(&client.worker, Phase::Draining) => {
            Pin::new(&mut connection).graceful_shutdown();
            (&mut connection).await
        }
    };
    if let Some(parts) = connection.into_parts() {
        part_with(client, parts.io.into_inner()).await;
    }
    ended
}

async fn serve_http2(client: &Rc<Client>, io: Watched) -> hyper::Result<()> {
    let worker = &client.worker;
    let mut builder = http2::Builder::new(worker.tasks.clone());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(worker.snapshot.limits.header_bytes_max);
    let answer = |request| answer(Rc::clone(client), request);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(io), service_fn(answer)));
    tokio::select! {
        biased;
        ended = &mut connection => return ended,
        () = reached(worker, Phase::Draining) => {}
    }
    connection.as_mut().graceful_shutdown();
    connection.await
}

async fn answer(
    client: Rc<Client>,
    request: Request<Incoming>,
) -> Result<Response<Tied<ResponseBody, Underway>>, Infallible> {
    let underway = Underway::begin(&client);
    let response = forward(&client, request).await;
    let underway = underway.answered();
    Ok(response.map(|body| Tied::new(body, underway)))
}

async fn reached(worker: &Worker, phase: Phase) {
    let mut now = worker.phase.clone();
    // A sender that is gone means the same.
    drop(now.wait_for(|now| *now >= phase).await);
}

/// Says what is left to say to a client whose connection is served no more. Closing a socket with bytes
/// unread would reset it, and a client that is still sending would lose the answer (RFC 9112 §9.6).
async fn part_with(client: &Client, io: Watched) {
    let has_ended = io.has_ended();
    let mut stream = io.into_inner();
    let part = async {
        if let Some(status) = client.activity.held_back() {
            stream.write_all(&refuse_unread(&client.worker, status)).await?;
        }
        stream.shutdown().await?;
        if !has_ended {
            let mut unread = vec![0; 16 << 10];
            while stream.read(&mut unread).await? > 0 {}
        }
        Ok::<_, io::Error>(())
    };
    tokio::select! {
        parted = tokio::time::timeout(LINGER, part) => {
            if let Ok(Err(error)) = parted {
                tracing::debug!(%error, client = %client.address, "a client left before its last answer");
            }
        }
        () = reached(&client.worker, Phase::Draining) => {}
    }
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
