//! The access log and spans of a real node, and the collector that takes them.

use std::sync::Arc;

use floodway_kit::{Reply, Upstream, http};
use serde_json::Value;

use crate::support::{eventually, system, web};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// The spans that a collector took: those of requests that it answered with 200.
fn spans(collector: &Upstream, refused: usize) -> Vec<Value> {
    let seen = collector.seen().split_off(refused.min(collector.seen().len()));
    let bodies = seen.iter().map(|seen| serde_json::from_slice::<Value>(&seen.body).expect("JSON"));
    let spans = bodies.map(|body| body["resourceSpans"][0]["scopeSpans"][0]["spans"].clone());
    spans.flat_map(|spans| spans.as_array().cloned().unwrap_or_default()).collect()
}

#[test]
fn logs_requests_as_lines_of_json() {
    let place = web("replicas: 1");
    place.add("telemetry: { access-log: { to: access.log } }\n");
    let node = place.up_and_ready();
    node.get("/who");
    node.get("/..");
    let lines = || -> Vec<Value> {
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
    assert_eq!(seen.header("content-type"), Some("application/json"));
    let spans = spans(&collector, 0);
    assert_eq!((&spans[0]["name"], &spans[0]["kind"]), (&"/*".into(), &2.into()));
    assert_eq!(spans[0]["traceId"].as_str().map(str::len), Some(32));
    assert_eq!(spans[0]["spanId"].as_str().map(str::len), Some(16));
    let nanos =
        |key: &str| spans[0][key].as_str().and_then(|text| text.parse::<u64>().ok()).expect("nanoseconds");
    assert!(nanos("startTimeUnixNano") < nanos("endTimeUnixNano"));
    let attribute = |span: &Value, key: &str| {
        let attributes = span["attributes"].as_array().expect("a list").clone();
        attributes
            .into_iter()
            .find(|attribute| attribute["key"] == key)
            .map(|attribute| attribute["value"].clone())
    };
    let status = |span| attribute(span, "http.response.status_code").expect("a status")["intValue"].clone();
    assert_eq!((status(&spans[0]), status(&spans[1])), ("200".into(), "400".into()));
    let replica = attribute(&spans[0], "floodway.replica").expect("who answered");
    assert_eq!(replica["stringValue"], "web/0");
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
    let part = |index: usize, key: &str| spans[index][key].as_str().map(str::to_owned);
    assert_eq!(
        (part(0, "traceId").as_deref(), part(0, "parentSpanId").as_deref()),
        (Some(TRACE), Some(PARENT))
    );
    assert_eq!(part(1, "parentSpanId"), None);
    assert_ne!(part(1, "traceId").as_deref(), Some(TRACE));
    for (index, (trace, span)) in told.iter().enumerate() {
        assert_eq!(
            (part(index, "traceId").as_ref(), part(index, "spanId").as_ref()),
            (Some(trace), Some(span))
        );
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
