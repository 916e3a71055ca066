use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::Duration;

use floodway_gateway::telemetry::Telemetry;
use floodway_kit::{Reply, Upstream, http};
use floodway_policy::fallback::{FallbackPolicy, FixedAnswer, StandIn};
use floodway_policy::http_cache::CachePolicy;
use floodway_policy::trace::Share;

use crate::support::{PATIENCE, builder, gateway, raw_server, read_head, write};

#[test]
fn a_route_answers_instead_of_a_service_that_cannot() {
    let answer = FixedAnswer {
        status: 200,
        headers: vec![("content-type".into(), "text/plain".into())],
        body: "none today".into(),
    };
    let fallback = FallbackPolicy { to: None, answer: Some(answer) };
    let dead = raw_server(drop);
    let gateway = builder()
        .service(&[dead])
        .service(&[])
        .route("/dead", &[], 0)
        .route("/none", &[], 1)
        .fallback(fallback)
        .start();
    for path in ["/dead", "/none"] {
        let answer = http::send(gateway.address(), "GET", path, &[], b"").expect("an answer");
        assert_eq!((answer.status, answer.text().as_str()), (200, "none today"), "{path}");
        assert_eq!(answer.header("content-type"), Some("text/plain"));
        let request = crate::http2::request("GET", gateway.address(), path, "");
        let answer = crate::http2::send(gateway.address(), vec![request]).remove(0);
        assert_eq!((answer.0.as_u16(), &answer.1[..]), (200, &b"none today"[..]), "{path}");
    }
    let answer = http::send(gateway.address(), "HEAD", "/none", &[], b"").expect("an answer");
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    // It stands in for services, not for what is not there.
    assert_eq!(http::send(gateway.address(), "GET", "/other", &[], b"").expect("an answer").status, 404);
    gateway.wait_quiet();
    assert_eq!(gateway.counts().refusals, 6, "what failed is still counted");
}

#[test]
fn another_service_stands_in_for_one_that_cannot_answer() {
    let broken = Upstream::start(|_| Reply::Drop);
    let other = Upstream::start(|seen| Reply::now(200, format!("{} {}", seen.head.method, seen.head.uri)));
    let gateway = builder()
        .service(&[broken.address()])
        .service(&[])
        .service(&[other.address()])
        .route("/broken", &[], 0)
        .route("/none", &[], 1)
        .fallback_to(2, Some(FixedAnswer { status: 503, headers: Vec::new(), body: "sorry".into() }))
        .start();
    let ask = |method, path, body: &str| {
        let answer = http::send(gateway.address(), method, path, &[], body.as_bytes()).expect("an answer");
        (answer.status, answer.text())
    };
    assert_eq!(ask("GET", "/broken?a=b", ""), (200, "GET /broken?a=b".into()));
    assert_eq!(ask("GET", "/none", ""), (200, "GET /none".into()));
    let request = crate::http2::request("GET", gateway.address(), "/none", "");
    let answer = crate::http2::send(gateway.address(), vec![request]).remove(0);
    assert_eq!((answer.0.as_u16(), &answer.1[..]), (200, &b"GET /none"[..]));
    // What was sent may have been done; what has a body is not whole any more.
    assert_eq!(ask("POST", "/broken", ""), (503, "sorry".into()));
    assert_eq!(ask("PUT", "/none", "body"), (503, "sorry".into()));
    assert_eq!(ask("POST", "/none", ""), (200, "POST /none".into()), "nothing was sent");
    gateway.wait_quiet();
    assert_eq!(gateway.counts().refusals, 6, "what failed is counted");
}

#[test]
fn a_stale_response_comes_first_then_another_service_then_an_answer_and_each_is_told() {
    let old = |age| Reply::with(200, &[("cache-control", "max-age=10"), ("age", age)], "old");
    let failing = Upstream::start(move |seen| match seen.index {
        0 => old("20"),
        1 => old("7200"),
        _ => Reply::Drop,
    });
    let other = Upstream::always(200, "other");
    let (notes, told) = mpsc::sync_channel(16);
    let policy = CachePolicy { stale_if_error: Duration::from_hours(1), ..CachePolicy::default() };
    let gateway = builder()
        .service(&[failing.address()])
        .service(&[other.address()])
        .route("/*", &[], 0)
        .cache(policy)
        .fallback_to(1, Some(FixedAnswer { status: 503, headers: Vec::new(), body: "sorry".into() }))
        .telemetry(Telemetry { log: Share::ALL, traces: None, notes })
        .start();
    let ask = |method, path| {
        let answer = http::send(gateway.address(), method, path, &[], b"").expect("an answer");
        let note = told.recv_timeout(PATIENCE).expect("a note");
        (answer.text(), note.stand_in, note.error.is_some(), answer)
    };
    let outcome = |method, path| {
        let (text, stand_in, has_failed, _) = ask(method, path);
        (text, stand_in, has_failed)
    };
    assert_eq!(outcome("GET", "/a"), ("old".into(), None, false));
    assert_eq!(outcome("GET", "/older"), ("old".into(), None, false));
    let (text, stand_in, _, stale) = ask("GET", "/a");
    assert_eq!((text.as_str(), stand_in), ("old", Some(StandIn::Stale)));
    let status = stale.header("cache-status").expect("the cache says what it did");
    assert!(status.starts_with("Floodway; fwd=stale"), "{status}");
    let age = stale.header("age").and_then(|age| age.parse().ok()).unwrap_or(0);
    assert!((20..20 + PATIENCE.as_secs()).contains(&age), "{age}");
    let request = crate::http2::request("GET", gateway.address(), "/a", "");
    assert_eq!(&crate::http2::send(gateway.address(), vec![request]).remove(0).1[..], b"old");
    assert_eq!(told.recv_timeout(PATIENCE).expect("a note").stand_in, Some(StandIn::Stale));
    // Staler than it may be, and never stored.
    assert_eq!(outcome("GET", "/older"), ("other".into(), Some(StandIn::Service), true));
    assert_eq!(outcome("GET", "/b"), ("other".into(), Some(StandIn::Service), true));
    assert_eq!(outcome("POST", "/b"), ("sorry".into(), Some(StandIn::Answer), true));
    gateway.wait_quiet();
    assert_eq!(gateway.workers.metrics().routes[0].stand_ins, [2, 2, 1]);
}

#[test]
fn a_refused_connection_is_tried_elsewhere_whatever_the_method() {
    let good = Upstream::always(201, "made");
    let gateway = gateway(&[floodway_kit::free_address(), good.address()]);
    for _ in 0..6 {
        let answer = http::send(gateway.address(), "POST", "/", &[], b"once").expect("an answer");
        assert_eq!((answer.status, answer.text().as_str()), (201, "made"));
    }
    assert_eq!(good.seen().len(), 6);
    assert!(gateway.counts().retries > 0);
}

#[test]
fn a_post_that_was_sent_is_not_sent_again() {
    let broken = Upstream::start(|_| Reply::Drop);
    let other = Upstream::start(|_| Reply::Drop);
    let gateway = gateway(&[broken.address(), other.address()]);
    let answer = http::send(gateway.address(), "POST", "/", &[], b"once").expect("an answer");
    assert_eq!(answer.status, 502);
    assert!(answer.text().contains("FW-3512"), "{}", answer.text());
    assert_eq!(broken.seen().len() + other.seen().len(), 1);
}

#[test]
fn a_get_that_broke_is_sent_to_another_replica() {
    let broken = Upstream::start(|_| Reply::Drop);
    let good = Upstream::always(200, "good");
    let gateway = gateway(&[broken.address(), good.address()]);
    for _ in 0..6 {
        assert_eq!(http::get(gateway.address(), "/").expect("an answer").text(), "good");
    }
    assert!(!broken.seen().is_empty());
}

#[test]
fn says_that_nobody_could_be_reached() {
    let gateway = gateway(&[floodway_kit::free_address(), floodway_kit::free_address()]);
    let answer = http::get(gateway.address(), "/").expect("an answer");
    assert_eq!(answer.status, 502);
    assert!(answer.text().contains("FW-3502"), "{}", answer.text());
}

#[test]
fn gives_up_on_a_service_that_takes_too_long() {
    let slow = Upstream::start(|_| Reply::Answer {
        status: 200,
        body: "late".into(),
        after: Duration::from_secs(5),
    });
    let gateway =
        builder().service(&[slow.address()]).route("/*", &[], 0).timeout(Duration::from_millis(100)).start();
    let answer = http::get(gateway.address(), "/").expect("an answer");
    assert_eq!(answer.status, 504);
    assert!(answer.text().contains("FW-3504"), "{}", answer.text());
    gateway.wait_quiet();
}

#[test]
fn what_is_no_http_is_a_bad_gateway() {
    let server = raw_server(|mut stream| {
        read_head(&mut stream);
        write(&mut stream, "SSH-2.0-nothing\r\n\r\n");
    });
    let answer = http::get(gateway(&[server]).address(), "/").expect("an answer");
    assert_eq!(answer.status, 502);
}

/// A server each of whose connections serves one request, says nothing of it, and is closed a moment later,
/// which the receiver learns.
fn closing_server() -> (SocketAddr, mpsc::Receiver<()>) {
    let (closed, when_closed) = mpsc::channel();
    let server = raw_server(move |mut stream| {
        if !read_head(&mut stream).is_empty() {
            write(&mut stream, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
            drop(stream);
            // Where the test is over, nobody wants to know.
            closed.send(()).ok();
        }
    });
    (server, when_closed)
}

#[test]
fn a_kept_connection_that_was_closed_is_not_used() {
    let (server, when_closed) = closing_server();
    let gateway = builder().service(&[server]).route("/*", &[], 0).one_worker().start();
    for _ in 0..50 {
        let answer = http::send(gateway.address(), "POST", "/", &[], b"").expect("an answer");
        assert_eq!(answer.status, 200);
        when_closed.recv().expect("it is closed");
    }
}

/// A request may already be on its way when the connection is closed. What may be sent twice is.
#[test]
fn a_kept_connection_that_is_closed_just_now_costs_no_safe_request() {
    let (server, _when_closed) = closing_server();
    let gateway = gateway(&[server]);
    for _ in 0..200 {
        assert_eq!(http::get(gateway.address(), "/").expect("an answer").status, 200);
    }
}
