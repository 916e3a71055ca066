//! Spans on their way to a collector: OTLP/HTTP in protobuf, with OpenTelemetry's own messages
//! (<https://opentelemetry.io/docs/specs/otlp/#otlphttp>). Attributes are named as the semantic conventions for
//! HTTP have it.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use floodway_gateway::telemetry::{Note, Way};
use floodway_policy::Time;
use floodway_policy::fallback::StandIn;
use http::{Request, StatusCode, header};
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode as SpanStatus;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message as _;
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

#[derive(Debug)]
pub(super) struct Exporter {
    to: SocketAddr,
    runtime: Runtime,
    resource: Resource,
    spans: Vec<Span>,
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
        let attributes = attributes.map(|(key, value)| text(key, value)).to_vec();
        let resource = Resource { attributes, ..Resource::default() };
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
            let sent = self.spans.len().min(BATCH);
            let body = self.request(sent).encode_to_vec();
            let posted = self.runtime.block_on(async {
                match tokio::time::timeout(TIMEOUT, post(self.to, body.into())).await {
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

    /// The oldest spans, as many as `count`.
    fn request(&self, count: usize) -> ExportTraceServiceRequest {
        let scope = InstrumentationScope {
            name: "floodway".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..InstrumentationScope::default()
        };
        let spans = self.spans.iter().take(count).cloned().collect();
        let of_scope = ScopeSpans { scope: Some(scope), spans, ..ScopeSpans::default() };
        let of_node = ResourceSpans {
            resource: Some(self.resource.clone()),
            scope_spans: vec![of_scope],
            ..ResourceSpans::default()
        };
        ExportTraceServiceRequest { resource_spans: vec![of_node] }
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
        .header(header::CONTENT_TYPE, "application/x-protobuf")
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

fn span(note: &Note, names: &Names) -> Option<Span> {
    let hop = note.hop.filter(|hop| hop.is_recorded)?;
    let (kind, name) = match note.asked.way {
        Way::In { .. } => (SpanKind::Server, names.route(note).unwrap_or(&note.asked.method)),
        Way::Call(_) => (SpanKind::Client, names.service(note).unwrap_or_default()),
    };
    let is_failed = note.status == 0 || note.status >= 500;
    let code = if is_failed { SpanStatus::Error } else { SpanStatus::Unset };
    Some(Span {
        trace_id: hop.told.trace_id.to_be_bytes().to_vec(),
        span_id: hop.told.span_id.to_be_bytes().to_vec(),
        parent_span_id: hop.parent.map(|parent| parent.span_id.to_be_bytes().to_vec()).unwrap_or_default(),
        name: name.to_owned(),
        kind: kind.into(),
        start_time_unix_nano: nanoseconds(note.began),
        end_time_unix_nano: nanoseconds(note.began + note.took),
        attributes: attributes(note, names),
        status: Some(Status { code: code.into(), ..Status::default() }),
        ..Span::default()
    })
}

fn attributes(note: &Note, names: &Names) -> Vec<KeyValue> {
    let mut attributes =
        vec![text("http.request.method", &note.asked.method), text("url.path", &note.asked.path)];
    let mut add = |key, value: Option<&str>| attributes.extend(value.map(|value| text(key, value)));
    if let Way::In { peer, protocol, .. } = note.asked.way {
        add("client.address", Some(&peer.to_canonical().to_string()));
        add("network.protocol.version", protocol.strip_prefix("HTTP/"));
    }
    add("http.route", names.route(note));
    add("server.address", note.asked.host.as_deref());
    add("floodway.request_id", Some(note.request_id.as_str()).filter(|id| !id.is_empty()));
    add("floodway.service", names.service(note));
    add("floodway.replica", names.replica(note).as_deref());
    add("error.type", note.error);
    add("floodway.fallback", note.stand_in.map(StandIn::as_str));
    if note.status != 0 {
        attributes.push(attribute("http.response.status_code", Value::IntValue(note.status.into())));
    }
    attributes
}

/// Since 1970; enough for 584 years.
fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, Value::StringValue(value.to_owned()))
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}
