//! Spans on their way to a collector: OTLP/HTTP, JSON encoding
//! (<https://opentelemetry.io/docs/specs/otlp/#otlphttp>). Attributes are named as the semantic conventions for
//! HTTP have it.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use floodway_gateway::telemetry::{Note, Way};
use floodway_policy::Time;
use http::{Request, StatusCode, header};
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};

use super::Names;
use crate::clock::Clock;

/// Spans of one request to the collector.
const BATCH: usize = 512;
/// Spans that are kept while the collector does not answer; the newest are left out then.
const WAITING_MAX: usize = 8 * BATCH;
/// Time for the collector's answer.
const TIMEOUT: Duration = Duration::from_secs(5);
/// `SPAN_KIND_SERVER` and `SPAN_KIND_CLIENT`, `STATUS_CODE_ERROR`.
const SERVER: u8 = 2;
const CLIENT: u8 = 3;
const ERROR: u8 = 2;

#[derive(Debug)]
pub(super) struct Exporter {
    to: SocketAddr,
    runtime: Runtime,
    resource: Value,
    spans: Vec<Value>,
    clock: Clock,
    sent_at: Time,
    /// The last attempt failed, and that was said.
    is_broken: bool,
    lost: u64,
}

type AnyError = Box<dyn std::error::Error + Send + Sync>;

impl Exporter {
    pub(super) fn new(to: SocketAddr, system: &str) -> io::Result<Self> {
        let attributes = [("service.name", "floodway"), ("service.namespace", system)];
        let resource = json!({ "attributes": attributes.map(|(key, value)| text(key, value)) });
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let clock = Clock::start();
        let sent_at = clock.now();
        Ok(Self { to, runtime, resource, spans: Vec::new(), clock, sent_at, is_broken: false, lost: 0 })
    }

    /// Takes a request that is recorded.
    pub(super) fn take(&mut self, note: &Note, names: &Names) {
        if self.spans.len() >= WAITING_MAX {
            self.lost += 1;
        } else {
            self.spans.extend(span(note, names));
        }
    }

    /// Sends what waits, if it is a batch, or has waited so long, or nothing more will come.
    pub(super) fn send(&mut self, gather: Duration, is_last: bool) {
        let is_due = is_last || self.spans.len() >= BATCH || self.clock.now().since(self.sent_at) >= gather;
        while is_due && !self.spans.is_empty() {
            let batch: Vec<_> = self.spans.iter().take(BATCH).cloned().collect();
            let sent = self.spans.len().min(BATCH);
            let scope = json!({ "name": "floodway", "version": env!("CARGO_PKG_VERSION") });
            let of_scope = json!([{ "scope": scope, "spans": batch }]);
            let body = json!({ "resourceSpans": [{ "resource": self.resource, "scopeSpans": of_scope }] });
            let posted = self.runtime.block_on(async {
                match tokio::time::timeout(TIMEOUT, post(self.to, body.to_string().into())).await {
                    Ok(posted) => posted,
                    Err(elapsed) => Err(elapsed.into()),
                }
            });
            self.sent_at = self.clock.now();
            match posted {
                Ok(()) => {
                    self.spans.drain(..sent);
                    self.is_broken = false;
                }
                Err(error) => return self.failed(error.as_ref(), is_last),
            }
        }
    }

    /// What could not be sent waits for the next attempt.
    fn failed(&mut self, error: &(dyn std::error::Error + 'static), is_last: bool) {
        let waiting = self.spans.len();
        if !self.is_broken || is_last {
            tracing::warn!(%error, collector = %self.to, waiting, lost = self.lost, "spans could not be sent");
        }
        self.is_broken = true;
    }
}

async fn post(to: SocketAddr, body: Bytes) -> Result<(), AnyError> {
    let stream = TcpStream::connect(to).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::post("/v1/traces")
        .header(header::HOST, to.to_string())
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(body))?;
    let status = tokio::select! {
        biased;
        answer = sender.send_request(request) => answer?.status(),
        ended = connection => {
            ended?;
            return Err("the collector closed without an answer".into());
        }
    };
    match status {
        StatusCode::OK | StatusCode::ACCEPTED => Ok(()),
        status => Err(format!("the collector answered {status}").into()),
    }
}

fn span(note: &Note, names: &Names) -> Option<Value> {
    let hop = note.hop.filter(|hop| hop.is_recorded)?;
    let mut attributes =
        vec![text("http.request.method", &note.asked.method), text("url.path", &note.asked.path)];
    let mut add = |key, value: Option<&str>| attributes.extend(value.map(|value| text(key, value)));
    let (kind, name) = match note.asked.way {
        Way::In { peer, protocol, .. } => {
            add("client.address", Some(&peer.to_canonical().to_string()));
            add("network.protocol.version", protocol.strip_prefix("HTTP/"));
            (SERVER, names.route(note).unwrap_or(&note.asked.method))
        }
        Way::Call(_) => (CLIENT, names.service(note).unwrap_or_default()),
    };
    add("http.route", names.route(note));
    add("server.address", note.asked.host.as_deref());
    add("floodway.request_id", Some(note.request_id.as_str()).filter(|id| !id.is_empty()));
    add("floodway.service", names.service(note));
    add("floodway.replica", names.replica(note).as_deref());
    add("error.type", note.error);
    if note.status != 0 {
        let status = json!({ "intValue": note.status.to_string() });
        attributes.push(json!({ "key": "http.response.status_code", "value": status }));
    }
    let is_failed = note.status == 0 || note.status >= 500;
    let mut span = json!({
        "traceId": format!("{:032x}", hop.told.trace_id),
        "spanId": format!("{:016x}", hop.told.span_id),
        "name": name,
        "kind": kind,
        "startTimeUnixNano": note.began.as_nanos().to_string(),
        "endTimeUnixNano": (note.began + note.took).as_nanos().to_string(),
        "attributes": attributes,
        "status": if is_failed { json!({ "code": ERROR }) } else { json!({}) },
    });
    if let Some(parent) = hop.parent {
        span["parentSpanId"] = format!("{:016x}", parent.span_id).into();
    }
    Some(span)
}

fn text(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}
