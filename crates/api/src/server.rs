//! The listener of one replica's port, and the way from a request to its block.

use std::convert::Infallible;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use floodway_blocks::invoke::{Body, Invoke};
use http::header::HeaderName;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::components::Components;
use crate::error::{ApiError, respond};
use crate::path::{self, Metadata};
use crate::{invoke, lock, metadata, publish, state};

pub(crate) const API_TOKEN: HeaderName = HeaderName::from_static("dapr-api-token");

/// Who calls: the app whose port it is.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The service's name.
    pub app: String,
}

/// How the API answers.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// Required of every request but health checks, where it is set.
    pub token: Option<String>,
    /// Largest request body in bytes.
    pub body_max: usize,
    /// Status of a transaction that lost a race. Dapr answers 500, which cannot be told from an outage.
    pub transaction_mismatch: StatusCode,
}

/// What a request's answer may need.
#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) caller: Caller,
    pub(crate) components: Arc<Components>,
    pub(crate) invoke: Rc<dyn Invoke>,
    pub(crate) options: ServerOptions,
}

/// A request whose path was read.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) request: Request<Incoming>,
    /// All parameters of the query.
    pub(crate) query: std::collections::BTreeMap<String, String>,
    /// Those that are request metadata.
    pub(crate) metadata: Metadata,
}

// === impl ServerOptions ===

impl Default for ServerOptions {
    /// No token, 4 MiB, 409.
    fn default() -> Self {
        Self { token: None, body_max: 4 << 20, transaction_mismatch: StatusCode::CONFLICT }
    }
}

/// Serves one replica's port on this worker's thread until `shutdown`; then requests under way are
/// finished. Must run in a `LocalSet`.
pub async fn serve(
    listener: TcpListener,
    caller: Caller,
    components: Arc<Components>,
    invoke: Rc<dyn Invoke>,
    options: ServerOptions,
    shutdown: CancellationToken,
) {
    let api = Rc::new(Api { caller, components, invoke, options });
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn_local(connection(Rc::clone(&api), stream, shutdown.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection to the API could not be taken");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(ended) = connections.join_next() => log_panic(ended),
            () = shutdown.cancelled() => break,
        }
    }
    while let Some(ended) = connections.join_next().await {
        log_panic(ended);
    }
}

/// Out of descriptors or memory: what is open goes on, and may end soon.
const ACCEPT_PAUSE: std::time::Duration = std::time::Duration::from_millis(50);

pub(crate) fn log_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "a task of the API panicked");
    }
}

async fn connection(api: Rc<Api>, stream: TcpStream, shutdown: CancellationToken) {
    if let Err(error) = stream.set_nodelay(true) {
        return tracing::debug!(%error, "a connection was gone at once");
    }
    let service = service_fn(|request| {
        let api = Rc::clone(&api);
        async move { Ok::<_, Infallible>(api.answer(request).await) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(None);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection to the API broke");
    }
}

// === impl Api ===

impl Api {
    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        match self.try_answer(request).await {
            Ok(response) => response,
            Err(error) => error.into_response(),
        }
    }

    async fn try_answer(&self, request: Request<Incoming>) -> Result<Response<Body>, ApiError> {
        if !self.may_call(&request) {
            let text = Bytes::from_static(b"invalid api token");
            return Ok(respond(StatusCode::UNAUTHORIZED, "text/plain; charset=utf-8", text));
        }
        if let Some(target) = invoke::target_by_header(request.headers()) {
            return invoke::invoke(self, &target, None, request).await;
        }
        if let Some((target, method)) = invoke::target_by_path(request.uri().path())? {
            return invoke::invoke(self, &target, Some(method), request).await;
        }
        let segments = path::segments(request.uri().path())?;
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let query = path::query(request.uri())?;
        let metadata = path::metadata(&query);
        self.route(&segments, Call { request, query, metadata }).await
    }

    async fn route(&self, segments: &[&str], call: Call) -> Result<Response<Body>, ApiError> {
        let method = call.request.method().clone();
        let writes = method == Method::POST || method == Method::PUT;
        match segments {
            ["v1.0", "healthz"] if method == Method::GET => metadata::health(self, &call),
            ["v1.0", "healthz", "outbound"] if method == Method::GET => Ok(crate::error::no_content()),
            ["v1.0", "metadata"] if method == Method::GET => Ok(metadata::metadata(self)),
            ["v1.0", "state", store] if writes => state::save(self, store, call).await,
            ["v1.0", "state", store, "bulk"] if writes => state::bulk(self, store, call).await,
            ["v1.0", "state", store, "transaction"] if writes => state::transaction(self, store, call).await,
            ["v1.0", "state", store, key] if method == Method::GET => state::get(self, store, key).await,
            ["v1.0", "state", store, key] if method == Method::DELETE => {
                state::delete(self, store, key, &call).await
            }
            ["v1.0" | "v1.0-alpha1", "publish", "bulk", topics, topic @ ..] if writes => {
                publish::bulk(self, topics, &topic.join("/"), call).await
            }
            ["v1.0", "publish", topics, topic @ ..] if writes => {
                publish::publish(self, topics, &topic.join("/"), call).await
            }
            ["v1.0-alpha1", "lock", store] if writes => lock::lock(self, store, call).await,
            ["v1.0-alpha1", "unlock", store] if writes => lock::unlock(self, store, call).await,
            _ => Err(invoke::no_target()),
        }
    }

    /// Whether the request has the token, where one is asked for. Takes the same time for every wrong one
    /// of the right length.
    fn may_call(&self, request: &Request<Incoming>) -> bool {
        let Some(token) = &self.options.token else { return true };
        let path = request.uri().path();
        if request.method() == Method::GET && (path == "/v1.0/healthz" || path == "/v1.0/healthz/outbound") {
            return true;
        }
        let given = request.headers().get(API_TOKEN).map_or(&b""[..], |given| given.as_bytes());
        let differences = given.iter().zip(token.as_bytes()).fold(0, |sum, (a, b)| sum | (a ^ b));
        given.len() == token.len() && differences == 0
    }

    /// A request's whole body, up to the limit.
    pub(crate) async fn body(&self, request: Request<Incoming>) -> Result<Bytes, ApiError> {
        let limit = self.options.body_max;
        match Limited::new(request.into_body(), limit).collect().await {
            Ok(body) => Ok(body.to_bytes()),
            Err(error) if error.is::<http_body_util::LengthLimitError>() => {
                let message = format!("the request body is larger than {limit} B");
                Err(ApiError { status: StatusCode::PAYLOAD_TOO_LARGE, ..ApiError::malformed(message) })
            }
            Err(error) => Err(ApiError::malformed(format!("the request body broke off: {error}"))),
        }
    }
}
