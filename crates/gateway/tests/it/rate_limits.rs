use std::time::Duration;

use bytes::Bytes;
use floodway_kit::http::{Answer, Connection};
use floodway_kit::{Upstream, eventually_blocking, http as client};
use floodway_policy::http_cache::CachePolicy;
use floodway_policy::rate_limit::{RateKey, RateLimitPolicy};
use http::{Request, StatusCode};
use http_body_util::Full;

use crate::http2::send;
use crate::support::{PATIENCE, builder};

/// Three at once, and then one an hour.
fn rare(key: RateKey) -> RateLimitPolicy {
    RateLimitPolicy { rate: 1, per: Duration::from_hours(1), burst: 3, key }
}

fn told(answer: &Answer) -> [Option<&str>; 3] {
    ["ratelimit-policy", "ratelimit", "retry-after"].map(|name| answer.header(name))
}

#[test]
fn whoever_asks_too_often_is_told_when_to_come_back() {
    let server = Upstream::always(200, "x");
    let gateway = builder()
        .service(&[server.address()])
        .route("/*", &[], 0)
        .rate_limit(rare(RateKey::ClientIp))
        .start();
    // Each on a connection of its own, so that they meet all workers.
    let answers: Vec<_> = (0..5).map(|_| client::get(gateway.address(), "/").expect("an answer")).collect();
    assert_eq!(answers.iter().map(|answer| answer.status).collect::<Vec<_>>(), [200, 200, 200, 429, 429]);
    let policy = Some("\"default\";q=3;w=10800");
    assert_eq!(told(&answers[0]), [policy, Some("\"default\";r=2;t=3600"), None]);
    assert_eq!(told(&answers[4]), [policy, Some("\"default\";r=0;t=10800"), Some("3600")]);
    assert!(answers[4].text().contains("FW-3429"), "{}", answers[4].text());
    assert_eq!(server.seen().len(), 3);
}

#[test]
fn clients_behind_a_listed_proxy_are_told_apart() {
    let server = Upstream::always(200, "x");
    let gateway = builder()
        .service(&[server.address()])
        .route("/*", &[], 0)
        .trusting("127.0.0.0/8")
        .rate_limit(RateLimitPolicy { burst: 1, ..rare(RateKey::ClientIp) })
        .start();
    let ask = |client: &str| {
        let claims = [("x-forwarded-for", client)];
        client::send(gateway.address(), "GET", "/", &claims, b"").expect("an answer").status
    };
    assert_eq!([ask("192.0.2.1"), ask("192.0.2.1"), ask("192.0.2.2")], [200, 429, 200]);
    assert_eq!([ask("2001:db8::1"), ask("2001:db8::2"), ask("2001:db8:1::1")], [200, 429, 200]);
}

#[test]
fn values_of_a_header_are_counted_apart_in_every_protocol() {
    let server = Upstream::always(200, "x");
    let gateway = builder()
        .service(&[server.address()])
        .route("/*", &[], 0)
        .rate_limit(RateLimitPolicy { burst: 1, ..rare(RateKey::Header("x-api-key".into())) })
        .start();
    let ask = |key: &str| {
        client::send(gateway.address(), "GET", "/", &[("X-Api-Key", key)], b"").expect("an answer").status
    };
    assert_eq!([ask("a"), ask("a"), ask("b")], [200, 429, 200]);
    let request = |key: &str| {
        let request = Request::get(format!("http://{}/", gateway.address())).header("x-api-key", key);
        request.body(Full::<Bytes>::default()).expect("a request")
    };
    let asked = |key| send(gateway.address(), vec![request(key)])[0].0;
    assert_eq!([asked("b"), asked("c")], [StatusCode::TOO_MANY_REQUESTS, StatusCode::OK]);
}

#[test]
fn what_is_cached_counts_too() {
    let server =
        Upstream::start(|_| floodway_kit::Reply::with(200, &[("cache-control", "max-age=100")], "x"));
    let gateway = builder()
        .service(&[server.address()])
        .route("/*", &[], 0)
        .cache(CachePolicy::default())
        .rate_limit(rare(RateKey::Route))
        .start();
    let answers: Vec<_> = (0..4).map(|_| client::get(gateway.address(), "/").expect("an answer")).collect();
    assert_eq!(answers.iter().map(|answer| answer.status).collect::<Vec<_>>(), [200, 200, 200, 429]);
    let left: Vec<_> =
        answers.iter().filter_map(|answer| told(answer)[1]?.split(';').nth(1).map(str::to_owned)).collect();
    assert_eq!(left, ["r=2", "r=1", "r=0", "r=0"]);
    assert_eq!(server.seen().len(), 1);
}

#[test]
fn a_refused_body_does_not_become_the_next_request() {
    let server = Upstream::always(200, "x");
    let gateway = builder()
        .service(&[server.address()])
        .route("/*", &[], 0)
        .rate_limit(RateLimitPolicy { burst: 1, ..rare(RateKey::Route) })
        .start();
    let mut connection = Connection::to(gateway.address()).expect("a connection");
    for expected in [200, 429, 429] {
        let post =
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 27\r\n\r\nGET / HTTP/1.1\r\nHost: b\r\n\r\n";
        connection.write(post).expect("it takes it");
        assert_eq!(connection.read_answer(false).expect("an answer").status, expected);
    }
    assert_eq!(server.seen().len(), 1);
}

#[test]
fn one_client_cannot_take_all_connections() {
    let server = Upstream::always(200, "x");
    let gateway = builder()
        .service(&[server.address()])
        .route("/*", &[], 0)
        .limits(|limits| limits.connections_per_client_max = Some(2))
        .start();
    let ask = |connection: &mut Connection| {
        connection.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").and_then(|()| connection.read_answer(false))
    };
    let connect = || Connection::to(gateway.address()).expect("a connection");
    let (mut first, mut second) = (connect(), connect());
    assert!(ask(&mut first).is_ok() && ask(&mut second).is_ok());
    assert!(ask(&mut connect()).is_err(), "the third is closed");
    assert_eq!(gateway.workers.counts().refused_connections, 1);
    drop(first);
    eventually_blocking(PATIENCE, "there is room again", || ask(&mut connect()).is_ok());
}
