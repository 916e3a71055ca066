//! The listener of one replica's port, and the way from a request to its block.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use floodway_blocks::invoke::{Body, Invoke};
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::components::Components;
use crate::configuration::http::Watches;
use crate::error::{ApiError, no_content, respond};
use crate::path::{self, Metadata};
use crate::{
    bindings, configuration, invoke, jobs, listen, lock, metadata, permissions, publish, secrets, state,
    tasks,
};

pub(crate) const API_TOKEN: HeaderName = HeaderName::from_static("dapr-api-token");

/// Who calls: the app whose port it is.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The service's name.
    pub app: String,
}

/// How the API answers.
#[derive(Clone)]
pub struct ServerOptions {
    /// Required of every request but health checks, where it is set.
    pub token: Option<String>,
    /// Largest request body in bytes.
    pub body_max: usize,
    /// Operations of one transaction. A store's own bound counts its changes and messages together.
    pub operations_max: usize,
    /// Open connections of the port; more wait until one ends.
    pub connections_max: usize,
    /// Time that requests under way have to end in at shutdown; then their connections are cut.
    pub grace: Duration,
    /// Status of a transaction that lost a race. Dapr answers 500, which cannot be told from an outage.
    pub transaction_mismatch: StatusCode,
}

/// What the operations of blocks need, by whatever protocol they are asked for.
#[derive(Debug)]
pub(crate) struct Blocks {
    pub(crate) caller: Caller,
    pub(crate) components: Arc<Components>,
    pub(crate) options: ServerOptions,
}

/// What a request's answer may need.
#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) blocks: Arc<Blocks>,
    pub(crate) invoke: Rc<dyn Invoke>,
    pub(crate) watches: Watches,
}

/// A request whose path was read.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) request: Request<Incoming>,
    /// All parameters of the query.
    pub(crate) query: BTreeMap<String, String>,
    /// Those that are request metadata.
    pub(crate) metadata: Metadata,
}

// === impl ServerOptions ===

impl Default for ServerOptions {
    /// No token, 4 MiB, 5,000 operations, 4,096 connections, 10 s, 409.
    fn default() -> Self {
        Self {
            token: None,
            body_max: 4 << 20,
            operations_max: 5_000,
            connections_max: 4_096,
            grace: Duration::from_secs(10),
            transaction_mismatch: StatusCode::CONFLICT,
        }
    }
}

impl fmt::Debug for ServerOptions {
    /// Without the token, which is a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("ServerOptions");
        fields.field("has_token", &self.token.is_some()).field("body_max", &self.body_max);
        fields.finish_non_exhaustive()
    }
}

/// Serves one replica's port on this worker's thread until `shutdown`; then requests under way are
/// finished within [`ServerOptions::grace`]. Must run in a `LocalSet`.
pub async fn serve(
    listener: TcpListener,
    caller: Caller,
    components: Arc<Components>,
    invoke: Rc<dyn Invoke>,
    options: ServerOptions,
    shutdown: CancellationToken,
) {
    let api = Rc::new(Api {
        blocks: Arc::new(Blocks { caller, components, options }),
        invoke,
        watches: Watches::default(),
    });
    let (most, grace) = (api.options.connections_max, api.options.grace);
    let serve = |stream, peer| connection(Rc::clone(&api), stream, peer, shutdown.clone());
    listen::serve(listener, most, grace, &shutdown, serve).await;
    api.watches.close().await;
}

/// A request's line and headers together are refused when they go on beyond this size (as much as one read
/// brings more is taken), or when there are more headers.
pub(crate) const HEAD_BYTES_MAX: usize = 64 << 10;
const HEADERS_MAX: usize = 100;
async fn connection(api: Rc<Api>, stream: TcpStream, peer: SocketAddr, shutdown: CancellationToken) {
    let service = service_fn(|request| {
        let api = Rc::clone(&api);
        async move { Ok::<_, Infallible>(api.answer(request, peer.ip()).await) }
    });
    let mut builder = http1::Builder::new();
    // A connection may be idle for as long as its caller likes: closing it could cross with a request.
    builder.timer(TokioTimer::new()).header_read_timeout(None);
    builder.max_buf_size(HEAD_BYTES_MAX).max_headers(HEADERS_MAX);
    listen::drive(builder.serve_connection(TokioIo::new(stream), service), &shutdown).await;
}

// === impl Blocks ===

impl Blocks {
    /// Whether a request has the token, where one is asked for. Takes the same time for every wrong one of the
    /// right length.
    pub(crate) fn has_token(&self, headers: &HeaderMap) -> bool {
        let Some(token) = &self.options.token else { return true };
        let given = headers.get(API_TOKEN).map_or(&b""[..], HeaderValue::as_bytes);
        let differences = given.iter().zip(token.as_bytes()).fold(0, |sum, (a, b)| sum | (a ^ b));
        given.len() == token.len() && differences == 0
    }
}

// === impl Api ===

impl Deref for Api {
    type Target = Blocks;

    fn deref(&self) -> &Blocks {
        &self.blocks
    }
}

impl Api {
    async fn answer(&self, request: Request<Incoming>, peer: IpAddr) -> Response<Body> {
        if !self.may_call(&request) {
            let text = Bytes::from_static(b"invalid api token");
            return respond(StatusCode::UNAUTHORIZED, "text/plain; charset=utf-8", text);
        }
        let answer = self.route(request, peer).await;
        answer.unwrap_or_else(ApiError::into_response)
    }

    /// Finds the block that a path names. All other paths are calls to services, so a service's own path
    /// that looks like a block's is reached only by `/v1.0/invoke`.
    async fn route(&self, request: Request<Incoming>, peer: IpAddr) -> Result<Response<Body>, ApiError> {
        let path = request.uri().path();
        let rules = &self.components.permissions.api;
        let is_there = rules.is_empty() || permissions::allows_http(rules, path);
        if !is_there && !permissions::allows_calls(rules) {
            return Err(ApiError::new(
                StatusCode::NOT_FOUND,
                "ERR_DIRECT_INVOKE",
                permissions::NOT_AVAILABLE,
            ));
        }
        // As in Dapr, a path of a part that is not there may be a service's.
        if invoke::is_named(path) || !is_there {
            return invoke::invoke(self, request, peer).await;
        }
        let segments = path::segments(path).unwrap_or_default();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let method = request.method();
        let (reads, writes) = (method == Method::GET, method == Method::POST || method == Method::PUT);
        let (posts, puts) = (method == Method::POST, method == Method::PUT);
        let deletes = method == Method::DELETE;
        let query = path::query(request.uri());
        let metadata = path::metadata(&query);
        let call = Call { request, query, metadata };
        match segments[..] {
            ["v1.0", "healthz"] if reads => metadata::health(self, &call),
            ["v1.0", "healthz", "outbound"] if reads => Ok(no_content()),
            ["v1.0", "metadata"] if reads => Ok(metadata::metadata(self)),
            ["v1.0", "metadata", key] if puts => metadata::extend(self, key, call).await,
            ["v1.0", "state", store] if writes => state::http::save(self, store, call).await,
            ["v1.0", "state", store, "bulk"] if writes => state::http::bulk(self, store, call).await,
            ["v1.0", "state", store, "transaction"] if writes => {
                state::http::transact(self, store, call).await
            }
            ["v1.0", "state", store, key] if reads => state::http::read(self, store, key).await,
            ["v1.0", "state", store, key] if deletes => state::http::delete(self, store, key, &call).await,
            ["v1.0" | "v1.0-alpha1", "publish", "bulk", topics, ref topic @ ..] if writes => {
                publish::http::bulk(self, topics, &topic.join("/"), call).await
            }
            ["v1.0", "publish", topics, ref topic @ ..] if writes => {
                publish::http::publish(self, topics, &topic.join("/"), call).await
            }
            ["v1.0-floodway", "tasks", topics, queue, id] if reads => {
                tasks::result(self, topics, queue, id).await
            }
            ["v1.0" | "v1.0-alpha1", "jobs", name] if posts => jobs::http::post(self, name, call).await,
            ["v1.0" | "v1.0-alpha1", "jobs", name] if reads => jobs::http::get(self, name).await,
            ["v1.0" | "v1.0-alpha1", "jobs", name] if deletes => jobs::http::delete(self, name).await,
            ["v1.0", "secrets", store, "bulk"] if reads => secrets::http_all(self, store).await,
            ["v1.0", "secrets", store, name] if reads => secrets::http_get(self, store, name).await,
            ["v1.0" | "v1.0-alpha1", "configuration", store] if reads => {
                configuration::http::get(self, store, &call).await
            }
            ["v1.0" | "v1.0-alpha1", "configuration", store, "subscribe"] if reads => {
                configuration::http::subscribe(self, store, &call).await
            }
            ["v1.0" | "v1.0-alpha1", "configuration", store, id, "unsubscribe"] if reads => {
                configuration::http::unsubscribe(self, store, id)
            }
            ["v1.0", "bindings", name] if writes => bindings::http_invoke(self, name, call).await,
            ["v1.0-alpha1", "lock", store] if posts => lock::http::lock(self, store, call).await,
            ["v1.0-floodway", "lock", store, "renew"] if posts => lock::http::renew(self, store, call).await,
            ["v1.0-alpha1", "unlock", store] if posts => lock::http::unlock(self, store, call).await,
            _ => invoke::invoke(self, call.request, peer).await,
        }
    }

    /// Whether the request has the token, where one is asked for.
    fn may_call(&self, request: &Request<Incoming>) -> bool {
        let path = request.uri().path().trim_matches('/');
        let is_probe = path == "v1.0/healthz" || path == "v1.0/healthz/outbound";
        (request.method() == Method::GET && is_probe) || self.has_token(request.headers())
    }

    /// A request's whole body, up to the limit.
    pub(crate) async fn body(&self, request: Request<Incoming>) -> Result<Bytes, ApiError> {
        let limit = self.options.body_max;
        let mut body = request.into_body();
        match Limited::new(&mut body, limit).collect().await {
            Ok(body) => Ok(body.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => {
                discard(body, limit).await;
                let message = format!("the request body is larger than {limit} B");
                Err(ApiError::malformed(message).with_status(StatusCode::PAYLOAD_TOO_LARGE))
            }
            Err(error) => Err(ApiError::malformed(format!("the request body broke off: {error}"))),
        }
    }
}

/// Reads what is left of a body that is refused, up to `most` bytes more: a caller that still sends when
/// its connection ends may never see the answer.
pub(crate) async fn discard(mut body: Incoming, most: usize) {
    let mut left = most;
    while let Some(Ok(frame)) = body.frame().await {
        match left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}
