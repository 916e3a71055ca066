//! The admin API: what `floodway status` and `floodway drain` talk to.
//!
//! ```text
//! GET  /healthz                            200 while the node runs
//! GET  /status                             NodeStatus as JSON
//! GET  /metrics                            counters as Prometheus reads them
//! POST /drain/{service}/{replica}[?stop]   200 once the replica is drained
//! POST /restart/{service}                  200 once each of its replicas has a fresh process
//! POST /purge?path=…                       200 with the number of responses taken out of the cache
//! DELETE /groups?topics=…&topic=…&group=…  200 once the group is forgotten; 409 while it subscribes
//! POST /reload                             200 once the system file was taken over; else 409 and why
//! POST /reload/certificates                200 once they are read anew
//! POST /upgrade                            202; the node drains and becomes its successor
//! POST /stop                               202; the node drains and ends
//! ```
//! It listens on loopback unless the file says otherwise, and then wants `Authorization: Bearer`. A
//! browser may reach loopback from any page, so a request with an `Origin`, or for a host name that is
//! not this machine's, is refused.

pub mod client;
mod groups;
mod purge;

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use floodway_api::Components;
use floodway_gateway::Workers;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::error::NodeError;
use crate::handover::Successor;
use crate::metrics;
use crate::reload::Reload;
use crate::status::Observer;
use crate::supervisor::{Handle, Then};

/// Connections at once; more wait to be accepted.
const CONNECTIONS_MAX: usize = 64;
/// Time for a request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// What the admin API tells and commands.
#[derive(Debug)]
pub struct Admin {
    /// Wanted from clients, where there is one.
    pub token: Option<String>,
    /// Tells how the node is.
    pub observer: Observer,
    /// Drains replicas.
    pub replicas: Handle,
    /// Have the HTTP cache.
    pub workers: Weak<Workers>,
    /// Have the groups of topics.
    pub(crate) components: Arc<Components>,
    /// Told when the node is to stop.
    pub stop: Arc<Notify>,
    /// Takes newer system files over.
    pub(crate) reload: Arc<Reload>,
    /// Told when the node is to give its place to its successor.
    pub upgrade: Arc<Notify>,
    /// Asked first whether it can.
    pub successor: Successor,
}

// === impl Admin ===

impl Admin {
    /// Serves `listener` until it is dropped.
    pub async fn serve(self, listener: TcpListener) -> Infallible {
        let admin = Arc::new(self);
        let mut connections = JoinSet::new();
        loop {
            while connections.len() >= CONNECTIONS_MAX {
                connections.join_next().await;
            }
            match listener.accept().await {
                Ok((stream, _)) => {
                    let admin = Arc::clone(&admin);
                    connections.spawn(serve_connection(admin, TokioIo::new(stream)));
                }
                Err(error) => {
                    tracing::warn!(%error, "could not accept a connection to the admin API");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
            while connections.try_join_next().is_some() {}
        }
    }

    async fn answer(&self, request: &Request<Incoming>) -> Answer {
        let path = request.uri().path();
        match (request.method(), path) {
            _ if !is_local(request) => problem(StatusCode::FORBIDDEN, "this API is not for web pages"),
            (&Method::GET, "/healthz") => json(StatusCode::OK, &serde_json::json!({ "status": "ok" })),
            _ if !self.is_allowed(request) => {
                problem(StatusCode::UNAUTHORIZED, "the admin API wants its token: Authorization: Bearer …")
            }
            (&Method::GET, "/status") => json(StatusCode::OK, &self.observer.status().await),
            (&Method::GET, "/metrics") => {
                respond(StatusCode::OK, metrics::CONTENT_TYPE, self.observer.metrics().await.into())
            }
            (&Method::POST, "/stop") => {
                self.stop.notify_one();
                json(StatusCode::ACCEPTED, &serde_json::json!({ "status": "stopping" }))
            }
            (&Method::POST, "/upgrade") => match self.successor.check().await {
                Ok(()) => {
                    self.upgrade.notify_one();
                    json(StatusCode::ACCEPTED, &serde_json::json!({ "status": "upgrading" }))
                }
                Err(error) => refusal(&error),
            },
            (&Method::POST, "/purge") => self.purge(request),
            (&Method::DELETE, "/groups") => {
                groups::forget(&self.components, request.uri().query().unwrap_or_default()).await
            }
            (&Method::POST, "/reload") => match self.reload.reload().await {
                Ok(()) => json(StatusCode::OK, &serde_json::json!({ "status": "reloaded" })),
                Err(error) => refusal(&error),
            },
            (&Method::POST, "/reload/certificates") => self.reload_certificates().await,
            (&Method::POST, _) if path.starts_with("/drain/") => self.drain(request).await,
            (&Method::POST, _) if path.starts_with("/restart/") => self.restart(path).await,
            _ => problem(
                StatusCode::NOT_FOUND,
                "there is GET /status, GET /metrics, POST /drain/{service}/{replica}, \
                 POST /restart/{service}, POST /purge, DELETE /groups, \
                 POST /reload, POST /reload/certificates, POST /upgrade, POST /stop",
            ),
        }
    }

    async fn drain(&self, request: &Request<Incoming>) -> Answer {
        let mut words = request.uri().path().split('/').skip(2);
        let (Some(service), Some(Ok(slot)), None) =
            (words.next(), words.next().map(str::parse), words.next())
        else {
            return problem(StatusCode::BAD_REQUEST, "expected /drain/{service}/{replica}");
        };
        let then = if request.uri().query() == Some("stop") { Then::StayOut } else { Then::StartAgain };
        match self.replicas.drain(service, slot, then).await {
            Ok(()) => json(StatusCode::OK, &serde_json::json!({ "status": "drained" })),
            Err(error) => refusal(&error),
        }
    }

    async fn restart(&self, path: &str) -> Answer {
        let service = path.rsplit('/').next().unwrap_or_default();
        match self.replicas.restart(service).await {
            Ok(replicas) => json(StatusCode::OK, &serde_json::json!({ "restarted": replicas })),
            Err(error) => refusal(&error),
        }
    }

    fn purge(&self, request: &Request<Incoming>) -> Answer {
        match purge::parse(request.uri().query().unwrap_or_default()) {
            Ok(purge) => {
                let purged = self.workers.upgrade().map_or(0, |workers| workers.purge(&purge));
                json(StatusCode::OK, &serde_json::json!({ "purged": purged }))
            }
            Err(expected) => problem(StatusCode::BAD_REQUEST, expected),
        }
    }

    /// The node reads them on its own once they change; this says at once whether they can be used.
    async fn reload_certificates(&self) -> Answer {
        let workers = self.workers.clone();
        let reload = move || workers.upgrade().map_or(Ok(()), |workers| workers.reload_certificates());
        match tokio::task::spawn_blocking(reload).await {
            Ok(Ok(())) => json(StatusCode::OK, &serde_json::json!({ "status": "reloaded" })),
            Ok(Err(error)) => problem(StatusCode::CONFLICT, &format!("{error}; {}", error.mend())),
            Err(error) => problem(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
        }
    }

    fn is_allowed(&self, request: &Request<Incoming>) -> bool {
        let Some(token) = &self.token else { return true };
        let given = request.headers().get(header::AUTHORIZATION).map(http::HeaderValue::as_bytes);
        given
            .and_then(|given| given.strip_prefix(b"Bearer "))
            .is_some_and(|given| equal(given, token.as_bytes()))
    }
}

type Answer = Response<Full<Bytes>>;

async fn serve_connection(admin: Arc<Admin>, io: TokioIo<tokio::net::TcpStream>) {
    let service = service_fn(|request: Request<Incoming>| {
        let admin = Arc::clone(&admin);
        async move { Ok::<_, Infallible>(admin.answer(&request).await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(io, service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection to the admin API broke off");
    }
}

/// Whether a request comes from a program rather than from a web page of someone else.
fn is_local(request: &Request<Incoming>) -> bool {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let is_address = host.parse::<SocketAddr>().is_ok() || host.parse::<IpAddr>().is_ok();
    let is_localhost = host == "localhost" || host.starts_with("localhost:");
    (is_address || is_localhost) && !request.headers().contains_key(header::ORIGIN)
}

/// Compares without telling by its time where the difference is.
fn equal(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

fn json(status: StatusCode, value: &impl serde::Serialize) -> Answer {
    match serde_json::to_vec(value) {
        Ok(body) => respond(status, "application/json", body),
        Err(error) => respond(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", error.to_string().into()),
    }
}

fn refusal(error: &NodeError) -> Answer {
    match error {
        NodeError::Refused { detail } => problem(StatusCode::CONFLICT, detail),
        error @ NodeError::NeedsRestart { .. } => {
            problem(StatusCode::CONFLICT, &format!("{error} [{}]; {}", error.code(), error.mend()))
        }
        error => problem(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

/// RFC 9457.
fn problem(status: StatusCode, detail: &str) -> Answer {
    let title = status.canonical_reason().unwrap_or_default();
    let value = serde_json::json!({ "title": title, "status": status.as_u16(), "detail": detail });
    respond(status, "application/problem+json", value.to_string().into())
}

fn respond(status: StatusCode, kind: &'static str, body: Vec<u8>) -> Answer {
    let mut answer = Response::new(Full::from(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    answer
}
