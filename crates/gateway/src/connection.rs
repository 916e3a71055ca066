//! A client's connection: HTTP/1.1, HTTP/2 by prior knowledge, or what it was upgraded to; its end.

mod activity;

use std::convert::Infallible;
use std::pin::pin;
use std::rc::Rc;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::watch;

use crate::body::{ResponseBody, Tied};
use crate::forward::forward;
use crate::http1::{self, End, Side};
use crate::in_flight::InFlight;
use crate::peer::Peer;
use crate::stream::Stream;
use crate::tunnel::Tunnel;
use crate::worker::{Open, Worker};
use activity::{Activity, Speaks, Underway};

pub(crate) use crate::worker::Phase;
pub(crate) use activity::Watched;

/// How an HTTP/2 connection begins (RFC 9113 §3.4). No HTTP/1.1 method begins like it.
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Streams of one HTTP/2 connection that may be open at once.
const STREAMS_MAX: u32 = 256;
/// Whoever is at the other end, as long as a connection or what became of it is open.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) worker: Rc<Worker>,
    pub(crate) peer: Peer,
    /// The headers by which a service learns who asks, where that is the peer.
    pub(crate) introduction: Box<[u8]>,
    activity: Activity,
    _open: Open,
}

impl Client {
    pub(crate) fn new(open: Open, peer: Peer) -> Rc<Self> {
        let (worker, introduction) = (Rc::clone(&open.worker), peer.introduction());
        Rc::new(Self { worker, peer, introduction, activity: Activity::new(), _open: open })
    }
}

/// Serves a connection until it ends, or is idle or slow for too long. What is left when the worker stops is cut off
/// with its thread.
pub(crate) async fn serve(client: Rc<Client>, stream: Stream) {
    match http1::serve(Rc::clone(&client), stream).await {
        End::Over => {}
        End::Http2(side) => Box::pin(serve_http2(&client, side)).await,
        End::Upgraded(side, tunnel) => Box::pin(serve_tunnel(&client, side, tunnel)).await,
    }
}

async fn serve_tunnel(client: &Client, side: Side, tunnel: Box<Tunnel>) {
    client.activity.speaks(Speaks::Other);
    let io = client.activity.watched(side);
    tokio::select! {
        () = tunnel.join(io) => {}
        () = client.activity.watch(client.worker.snapshot.limits) => {
            tracing::debug!(client = %client.peer.address, "an upgraded connection was idle for too long");
        }
    }
}

async fn serve_http2(client: &Rc<Client>, side: Side) {
    client.activity.speaks(Speaks::Http2);
    let io = client.activity.watched(side);
    tokio::select! {
        biased;
        ended = serve_streams(client, io) => {
            if let Err(error) = ended {
                tracing::debug!(%error, client = %client.peer.address, "a client's connection broke");
            }
        }
        () = client.activity.watch(client.worker.snapshot.limits) => {
            tracing::debug!(client = %client.peer.address, "a client was idle or slow for too long");
        }
    }
}

async fn serve_streams(client: &Rc<Client>, io: Watched) -> hyper::Result<()> {
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
        () = worker.retired.cancelled() => {}
        () = reached(&worker.phase, Phase::Draining) => {}
    }
    connection.as_mut().graceful_shutdown();
    connection.await
}

async fn answer(
    client: Rc<Client>,
    request: Request<Incoming>,
) -> Result<Response<Tied<ResponseBody, (Underway, InFlight)>>, Infallible> {
    let underway = Underway::begin(&client);
    let (response, in_flight) = forward(&client, request).await;
    let underway = underway.answered();
    Ok(response.map(|body| Tied::new(body, (underway, in_flight))))
}

pub(crate) async fn reached(phase: &watch::Receiver<Phase>, wanted: Phase) {
    // A sender that is gone means the same.
    drop(phase.clone().wait_for(|now| *now >= wanted).await);
}
