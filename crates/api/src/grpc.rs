//! The same API over gRPC: one HTTP/2 port for each replica, beside its HTTP port.
//!
//! ```text
//! connection ─▶ Port ─┬─ /dapr.proto.runtime.v1.Dapr/…  ─▶ Service ─▶ state, publish, lock, …
//!                     └─ anything else                  ─▶ a call to the app that metadata names
//! ```
//! Dapr's generated server wants handlers that may move between threads; a call to another app cannot, so it is
//! handed to a task beside them ([`calls`]).

pub(crate) mod calls;
mod proxy;
mod service;
mod status;
mod subscribe;

use std::convert::Infallible;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;

use dapr::dapr::proto::runtime::v1::dapr_server::{DaprServer, SERVICE_NAME};
use floodway_blocks::invoke::{Body, Invoke};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::Status;
use tower::ServiceExt as _;

use crate::components::Components;
use crate::configuration::grpc::Open;
use crate::configuration::http::Watches;
use crate::server::{Api, Blocks, Caller, HEAD_BYTES_MAX, ServerOptions};
use crate::{listen, permissions};
use calls::Calls;
pub(crate) use service::Service;

/// Requests at once on one connection.
const STREAMS_MAX: u32 = 1_024;

/// Where a request comes from, among its extensions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct From(pub(crate) IpAddr);

/// What answers the requests of one port.
struct Port {
    api: Rc<Api>,
    dapr: DaprServer<Service>,
    /// A task each, beside their connections.
    streams: TaskTracker,
}

/// Serves one replica's gRPC port on this worker's thread until `shutdown`; then requests under way are
/// finished within [`ServerOptions::grace`]. Must run in a `LocalSet`.
pub async fn serve(
    listener: TcpListener,
    caller: Caller,
    components: Arc<Components>,
    invoke: Rc<dyn Invoke>,
    options: ServerOptions,
    shutdown: CancellationToken,
) {
    let (most, grace, body_max) = (options.connections_max, options.grace, options.body_max);
    let api = Rc::new(Api {
        blocks: Arc::new(Blocks { caller, components, options }),
        invoke,
        watches: Watches::default(),
    });
    let (calls, asked) = Calls::new();
    let dapr = DaprServer::new(Service { blocks: Arc::clone(&api.blocks), calls, watches: Open::default() })
        .max_decoding_message_size(body_max)
        .max_encoding_message_size(usize::MAX);
    let port = Rc::new(Port { api: Rc::clone(&api), dapr, streams: TaskTracker::new() });
    let serve = |stream, peer| connection(Rc::clone(&port), stream, peer, shutdown.clone());
    tokio::select! {
        () = listen::serve(listener, most, grace, &shutdown, serve) => {}
        () = calls::perform(api, asked) => {}
    }
}

async fn connection(port: Rc<Port>, stream: TcpStream, peer: SocketAddr, shutdown: CancellationToken) {
    let mut builder = http2::Builder::new(ThisThread(port.streams.clone()));
    builder.timer(TokioTimer::new()).max_concurrent_streams(STREAMS_MAX);
    builder.max_header_list_size(u32::try_from(HEAD_BYTES_MAX).unwrap_or(u32::MAX));
    let service = service_fn(|request| {
        let port = Rc::clone(&port);
        async move { Ok::<_, Infallible>(port.answer(request, peer.ip()).await) }
    });
    listen::drive(builder.serve_connection(TokioIo::new(stream), service), &shutdown).await;
}

// === impl Port ===

impl Port {
    async fn answer(&self, mut request: Request<Incoming>, peer: IpAddr) -> Response<Body> {
        if !self.api.has_token(request.headers()) {
            return refused(&Status::unauthenticated("invalid api token"));
        }
        let path = request.uri().path();
        let service =
            path.strip_prefix('/').and_then(|path| path.split_once('/')).map(|(service, _)| service);
        if service != Some(SERVICE_NAME) {
            return proxy::call(&self.api, request, peer).await.unwrap_or_else(|status| refused(&status));
        }
        let method = path.rsplit('/').next().unwrap_or_default();
        let rules = &self.api.components.permissions.api;
        if !rules.is_empty() && !permissions::allows_grpc(rules, method) {
            return refused(&Status::unimplemented(permissions::NOT_AVAILABLE));
        }
        request.extensions_mut().insert(From(peer));
        let Ok(response) = self.dapr.clone().oneshot(request).await;
        response.map(Body::new)
    }
}

/// An answer that has nothing but a status.
fn refused(status: &Status) -> Response<Body> {
    status.clone().into_http::<tonic::body::Body>().map(Body::new)
}

/// Runs the tasks of connections on the thread that they are on.
#[derive(Debug, Clone)]
struct ThisThread(TaskTracker);

impl<F: Future<Output: 'static> + 'static> Executor<F> for ThisThread {
    fn execute(&self, task: F) {
        self.0.spawn_local(task);
    }
}
