use std::sync::mpsc::{self, Receiver};

use ::http::Request;
use bytes::Bytes;
use floodway_gateway::telemetry::{Note, Telemetry, Way};
use floodway_kit::{Upstream, http};
use floodway_policy::routing::RouteId;
use floodway_policy::trace::{Share, TraceContext};
use http_body_util::Full;

use crate::http2;
use crate::support::{Gateway, PATIENCE, builder};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn start(server: &Upstream, log: Share, traces: Option<Share>, room: usize) -> (Gateway, Receiver<Note>) {
    let (notes, told) = mpsc::sync_channel(room);
    let builder = builder().service(&[server.address()]).route("/a/*", &[], 0);
    (builder.telemetry(Telemetry { log, traces, notes }).start(), told)
}

#[test]
fn tells_of_each_request_that_is_logged() {
    let server = Upstream::always(201, "made");
    let (gateway, told) = start(&server, Share::ALL, None, 8);
    let id = [("x-request-id", "mine"), ("traceparent", PARENT)];
    http::send(gateway.address(), "POST", "/a/b?secret=1", &id, b"").expect("an answer");
    let note = told.recv_timeout(PATIENCE).expect("a note");
    assert_eq!((note.asked.method.as_str(), note.asked.path.as_str(), note.status), ("POST", "/a/b", 201));
    assert_eq!(
        (note.request_id.as_str(), note.hop, note.endpoint.map(|id| id.slot)),
        ("mine", None, Some(0))
    );
    assert!(
        matches!(note.asked.way, Way::In { protocol: "HTTP/1.1", route: Some(RouteId(0)), .. }),
        "{:?}",
        note.asked.way
    );
    // Without tracing, the context of others passes as it came.
    assert_eq!(server.seen()[0].header("traceparent"), Some(PARENT));

    let request =
        Request::get(format!("http://{}/nowhere", gateway.address())).body(Full::<Bytes>::default());
    http2::send(gateway.address(), vec![request.expect("a request")]);
    let note = told.recv_timeout(PATIENCE).expect("a note");
    assert_eq!((note.status, note.error), (404, Some("FW-3404")));
    assert!(matches!(note.asked.way, Way::In { protocol: "HTTP/2", route: None, .. }));
}

#[test]
fn goes_on_with_the_trace_of_its_client_whichever_way() {
    let server = Upstream::always(200, "hello");
    let (gateway, told) = start(&server, Share::NONE, Some(Share::ALL), 8);
    let relayed = [("traceparent", PARENT), ("tracestate", "a=1")];
    http::send(gateway.address(), "GET", "/a/1", &relayed, b"").expect("an answer");
    let adapted = [("traceparent", PARENT), ("connection", "upgrade"), ("upgrade", "other")];
    http::send(gateway.address(), "GET", "/a/2", &adapted, b"").expect("an answer");
    let parent = TraceContext::parse(PARENT.as_bytes()).expect("valid");
    for seen in server.seen() {
        let note = told.recv_timeout(PATIENCE).expect("a note");
        assert!(note.endpoint.is_some(), "{note:?}");
        let hop = note.hop.expect("a span");
        assert_eq!(hop.parent, Some(parent));
        assert_eq!((hop.told.trace_id, hop.told.is_sampled), (parent.trace_id, true));
        assert_ne!(hop.told.span_id, parent.span_id);
        assert_eq!(seen.header("traceparent").map(str::as_bytes), Some(&hop.told.text()[..]));
    }
    assert_eq!(server.seen()[0].header("tracestate"), Some("a=1"));
}

#[test]
fn begins_a_trace_where_there_is_none_that_can_be_read() {
    let server = Upstream::always(200, "hello");
    let (gateway, told) = start(&server, Share::NONE, Some(Share::NONE), 8);
    let broken = [("traceparent", "what?"), ("tracestate", "a=1")];
    http::send(gateway.address(), "GET", "/a/1", &broken, b"").expect("an answer");
    let twice = [("traceparent", PARENT), ("traceparent", PARENT)];
    http::send(gateway.address(), "GET", "/a/2", &twice, b"").expect("an answer");
    for seen in server.seen() {
        let context = seen.header("traceparent").and_then(|text| TraceContext::parse(text.as_bytes()));
        let context = context.expect("a new one");
        assert!(!context.is_sampled && !PARENT.contains(&format!("{:x}", context.trace_id)));
        assert_eq!(seen.header("tracestate"), None);
    }
    // A stranger that asks to be recorded is not.
    http::send(gateway.address(), "GET", "/a/3", &[("traceparent", PARENT)], b"").expect("an answer");
    assert_eq!(server.seen()[2].header("traceparent"), Some(PARENT));
    gateway.wait_quiet();
    assert!(told.try_recv().is_err());
}

#[test]
fn drops_and_counts_what_has_no_room() {
    let server = Upstream::always(200, "hello");
    let (gateway, told) = start(&server, Share::ALL, None, 2);
    for _ in 0..5 {
        http::get(gateway.address(), "/a/1").expect("an answer");
    }
    gateway.wait_quiet();
    assert_eq!(told.try_iter().count(), 2);
    assert_eq!(gateway.workers.metrics().notes_dropped, 3);
}
