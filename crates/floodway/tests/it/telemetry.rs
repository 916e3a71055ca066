//! The access log and spans of a real node, and the collector that takes them.

use std::sync::Arc;

use floodway_kit::{Reply, Upstream};
use serde_json::Value;

use crate::support::{eventually, web};

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
    let spans = || -> Vec<Value> {
        let seen = collector.seen();
        let bodies = seen.iter().map(|seen| serde_json::from_slice::<Value>(&seen.body).expect("JSON"));
        let spans = bodies.map(|body| body["resourceSpans"][0]["scopeSpans"][0]["spans"].clone());
        spans.flat_map(|spans| spans.as_array().cloned().unwrap_or_default()).collect()
    };
    eventually("both spans arrive", || spans().len() == 2);
    let seen = &collector.seen()[0];
    assert_eq!((seen.head.method.as_str(), seen.head.uri.path()), ("POST", "/v1/traces"));
    assert_eq!(seen.header("content-type"), Some("application/json"));
    let spans = spans();
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
