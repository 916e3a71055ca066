//! The access log and spans of a real node, and the collector that takes them.

use std::sync::Arc;

use floodway_kit::{Reply, Upstream, http};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prost::Message as _;

use crate::support::{eventually, system, web};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// The spans that a collector took: those of requests that it answered with 200.
fn spans(collector: &Upstream, refused: usize) -> Vec<Span> {
    let seen = collector.seen().split_off(refused.min(collector.seen().len()));
    let requests =
        seen.iter().map(|seen| ExportTraceServiceRequest::decode(seen.body.as_ref()).expect("a request"));
    let of_nodes = requests.flat_map(|request| request.resource_spans);
    of_nodes.flat_map(|of_node| of_node.scope_spans).flat_map(|of_scope| of_scope.spans).collect()
}

fn attribute(span: &Span, key: &str) -> Option<Value> {
    span.attributes.iter().find(|attribute| attribute.key == key)?.value.clone()?.value
}

#[test]
fn logs_requests_as_lines_of_json() {
    let place = web("replicas: 1");
    place.add("telemetry: { access-log: { to: access.log } }\n");
    let node = place.up_and_ready();
    node.get("/who");
    node.get("/..");
    let lines = || -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(node.place.path("access.log")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    };
    eventually("both requests are logged", || lines().len() == 2);
    let lines = lines();
    assert_eq!((&lines[0]["path"], &lines[0]["status"]), (&"/who".into(), &200.into()));
    assert_eq!((&lines[0]["route"], &lines[0]["replica"]), (&"/*".into(), &"web/0".into()));
    assert_eq!((&lines[1]["status"], &lines[1]["error"]), (&400.into(), &"FW-3400".into()));
    assert!(lines[0]["duration_ms"].as_f64().is_some_and(|ms| ms > 0.0), "{}", lines[0]);
    assert!(lines[0]["time"].as_str().is_some_and(|time| time.starts_with("20") && time.ends_with('Z')));
    node.stop();
}

#[test]
fn sends_spans_to_a_collector() {
    let collector = Arc::new(Upstream::start(|_| Reply::now(200, "{}")));
    let place = web("replicas: 1");
    place.add(&format!("telemetry: {{ traces: {{ otlp: \"{}\", sample: 100% }} }}\n", collector.address()));
    let node = place.up_and_ready();
    node.get("/who");
    node.get("/..");
    eventually("both spans arrive", || spans(&collector, 0).len() == 2);
    let seen = &collector.seen()[0];
    assert_eq!((seen.head.method.as_str(), seen.head.uri.path()), ("POST", "/v1/traces"));
    assert_eq!(seen.header("content-type"), Some("application/x-protobuf"));
    let spans = spans(&collector, 0);
    assert_eq!((spans[0].name.as_str(), spans[0].kind()), ("/*", SpanKind::Server));
    assert_eq!((spans[0].trace_id.len(), spans[0].span_id.len()), (16, 8));
    assert!(spans[0].start_time_unix_nano < spans[0].end_time_unix_nano);
    let status = |span| attribute(span, "http.response.status_code");
    assert_eq!(status(&spans[0]), Some(Value::IntValue(200)));
    assert_eq!(status(&spans[1]), Some(Value::IntValue(400)));
    let replica = attribute(&spans[0], "floodway.replica");
    assert_eq!(replica, Some(Value::StringValue("web/0".to_owned())));
    node.stop();
}

#[test]
fn a_trace_goes_on_from_client_to_service_and_collector() {
    // Refuses at first: what it refused comes again.
    let collector = Upstream::start(|seen| Reply::now(if seen.index == 0 { 503 } else { 200 }, "{}"));
    let service = Upstream::always(200, "well");
    let place = system(&format!("services:\n  web: {{ at: [\"{}\"] }}\n", service.address()));
    place.add(&format!("telemetry: {{ traces: {{ otlp: \"{}\", sample: 100% }} }}\n", collector.address()));
    let node = place.up_and_ready();
    let parent = [("traceparent", &*format!("00-{TRACE}-{PARENT}-01"))];
    http::send(node.gateway(), "GET", "/child", &parent, b"").expect("an answer");
    http::send(node.gateway(), "GET", "/root", &[], b"").expect("an answer");
    eventually("both spans arrive", || spans(&collector, 1).len() == 2);
    let told: Vec<_> =
        service.seen().iter().filter_map(|seen| seen.header("traceparent")).map(parts).collect();
    let spans = spans(&collector, 1);
    assert_eq!((&spans[0].trace_id, &spans[0].parent_span_id), (&bytes(TRACE), &bytes(PARENT)));
    assert!(spans[1].parent_span_id.is_empty());
    assert_ne!(spans[1].trace_id, bytes(TRACE));
    for (span, (trace, told)) in spans.iter().zip(&told) {
        assert_eq!((&span.trace_id, &span.span_id), (&bytes(trace), &bytes(told)));
    }
    assert_eq!(told.len(), 2);
    node.stop();
}

/// Trace and span of a `traceparent`.
fn parts(traceparent: &str) -> (String, String) {
    let parts: Vec<_> = traceparent.split('-').collect();
    assert_eq!((parts.len(), parts[3]), (4, "01"), "{traceparent}");
    (parts[1].to_owned(), parts[2].to_owned())
}

/// The bytes of `00f0…`.
fn bytes(hex: &str) -> Vec<u8> {
    let number = u128::from_str_radix(hex, 16).expect("hexadecimal");
    number.to_be_bytes()[16 - hex.len() / 2..].to_vec()
}
