use std::time::Duration;

use ::http::Request;
use bytes::Bytes;
use floodway_gateway::metrics::{Metrics, RouteMetrics};
use floodway_kit::{Reply, Upstream, http};
use http_body_util::Full;

use crate::http2;
use crate::support::{Gateway, PATIENCE, builder, connect, gateway, raw_server, read_head, write};

const NONE: usize = 0;
const OK: usize = 2;
const CLIENT: usize = 4;
const SERVER: usize = 5;

/// What was counted once nothing is in flight.
fn metrics(gateway: &Gateway) -> Metrics {
    gateway.wait_quiet();
    gateway.workers.metrics()
}

fn route<'a>(metrics: &'a Metrics, name: &str) -> &'a RouteMetrics {
    metrics.routes.iter().find(|route| route.name == name).expect("the route is counted")
}

#[test]
fn counts_each_request_once_whichever_way_it_goes() {
    let server = Upstream::always(200, "hello");
    let gateway =
        builder().service(&[server.address()]).route("/plain/*", &[], 0).route("/only", &["POST"], 0).start();
    // From socket to socket, as a request of the crate `http`, and by HTTP/2.
    http::get(gateway.address(), "/plain/a").expect("an answer");
    let upgrade = [("connection", "upgrade"), ("upgrade", "other")];
    http::send(gateway.address(), "GET", "/plain/b", &upgrade, b"").expect("an answer");
    let request =
        Request::get(format!("http://{}/plain/c", gateway.address())).body(Full::<Bytes>::default());
    http2::send(gateway.address(), vec![request.expect("a request")]);
    http::get(gateway.address(), "/only").expect("an answer");
    http::get(gateway.address(), "/nowhere").expect("an answer");
    http::raw(gateway.address(), b"what is this\r\n\r\n").expect("an answer");

    let metrics = metrics(&gateway);
    let plain = route(&metrics, "/plain/*");
    assert_eq!((plain.requests[OK], plain.requests.iter().sum::<u64>(), plain.in_flight), (3, 3, 0));
    assert_eq!(plain.durations.count(), 3);
    assert!(plain.durations.sum() > Duration::ZERO);
    assert_eq!(route(&metrics, "POST /only").requests.iter().sum::<u64>(), 0);
    assert_eq!(route(&metrics, "").requests[CLIENT], 3);
    let refusals: Vec<_> = metrics.refusals.iter().map(|(code, count)| (code.as_str(), *count)).collect();
    assert_eq!(refusals, [("FW-3400", 1), ("FW-3404", 1), ("FW-3405", 1)]);
    let service = &metrics.services[0];
    assert_eq!((service.attempts, service.retries, service.response_durations.count()), (3, 0, 3));
    assert!((1..=3).contains(&service.connections), "{service:?}");
    assert_eq!(metrics.counts.requests, 6);
    assert_eq!(metrics.counts.in_flight, 0);
}

#[test]
fn counts_why_attempts_failed() {
    let broken = Upstream::start(|_| Reply::Drop);
    let gateway = gateway(&[broken.address(), floodway_kit::free_address()]);
    http::get(gateway.address(), "/").expect("an answer");
    let metrics = metrics(&gateway);
    let service = &metrics.services[0];
    assert_eq!(route(&metrics, "/*").requests[SERVER], 1);
    assert_eq!(service.attempts, service.retries + 1);
    let failed = |reason: &str| {
        service.failures.iter().filter(|(why, _)| *why == reason).map(|(_, count)| count).sum::<u64>()
    };
    assert!(failed("connect_refused") + failed("broken") == service.attempts, "{service:?}");
    assert_eq!(failed("broken"), broken.seen().len() as u64);
}

#[test]
fn counts_a_client_that_left_before_its_answer() {
    let server = raw_server(|mut stream| {
        read_head(&mut stream);
        // Nothing is answered: the gateway closes when its client does.
        read_head(&mut stream);
    });
    let gateway = gateway(&[server]);
    let mut client = connect(gateway.address());
    write(&mut client, "GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    let is_under_way = || gateway.workers.metrics().routes[0].in_flight == 1;
    floodway_kit::eventually_blocking(PATIENCE, "the request is under way", is_under_way);
    drop(client);
    assert_eq!(route(&metrics(&gateway), "/*").requests[NONE], 1);
}
