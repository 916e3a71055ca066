use floodway_kit::{Upstream, http};

use crate::support::gateway;

#[test]
fn the_service_learns_who_asked_and_not_what_the_client_claims() {
    let server = Upstream::always(200, "x");
    let gateway = gateway(&[server.address()]);
    let claims = [("x-forwarded-for", "6.6.6.6"), ("x-forwarded-proto", "https"), ("x-request-id", "mine-7")];
    http::send(gateway.address(), "GET", "/", &claims, b"").expect("an answer");
    let seen = &server.seen()[0];
    assert_eq!(seen.header("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(seen.header("x-forwarded-proto"), Some("http"));
    assert_eq!(seen.header("x-forwarded-host"), Some(gateway.address().to_string().as_str()));
    assert_eq!(seen.header("x-request-id"), Some("mine-7"));
}

#[test]
fn every_request_has_an_id_of_its_own() {
    let server = Upstream::always(200, "x");
    let gateway = gateway(&[server.address()]);
    let long = "x".repeat(200);
    let given: [&[(&str, &str)]; 3] = [&[], &[], &[("x-request-id", &long)]];
    let ids: Vec<_> = given
        .iter()
        .map(|headers| http::send(gateway.address(), "GET", "/", headers, b"").expect("an answer"))
        .map(|answer| answer.header("x-request-id").expect("an id").to_owned())
        .collect();
    assert!(ids.iter().all(|id| id.len() == 16) && ids[0] != ids[1] && ids[1] != ids[2], "{ids:?}");
    assert_eq!(server.seen()[0].header("x-request-id"), Some(ids[0].as_str()));
}

#[test]
fn what_belongs_to_one_connection_stays_on_it() {
    let server = Upstream::always(200, "x");
    let gateway = gateway(&[server.address()]);
    let headers = "Connection: close, X-Secret\r\nX-Secret: 1\r\nKeep-Alive: 5\r\nProxy-Authorization: a\r\nTE: gzip\r\nX-Kept: 2\r\n";
    let request = format!("GET / HTTP/1.1\r\nHost: a\r\n{headers}\r\n");
    let answer = http::raw(gateway.address(), request.as_bytes()).expect("an answer");
    assert!(answer.starts_with(b"HTTP/1.1 200"));
    let seen = &server.seen()[0];
    for gone in ["x-secret", "keep-alive", "proxy-authorization", "te", "connection"] {
        assert_eq!(seen.header(gone), None, "{gone}");
    }
    assert_eq!((seen.header("x-kept"), seen.header("host")), (Some("2"), Some("a")));
}

#[test]
fn an_absolute_target_names_the_host() {
    let server = Upstream::always(200, "x");
    let gateway = gateway(&[server.address()]);
    let request = b"GET http://shop.example/a?b HTTP/1.1\r\nHost: other\r\nConnection: close\r\n\r\n";
    http::raw(gateway.address(), request).expect("an answer");
    let seen = &server.seen()[0];
    assert_eq!((seen.head.uri.to_string().as_str(), seen.header("host")), ("/a?b", Some("shop.example")));
}

#[test]
fn says_nothing_of_itself() {
    let server = Upstream::always(200, "x");
    let answer = http::get(gateway(&[server.address()]).address(), "/").expect("an answer");
    assert_eq!(answer.header("server"), None);
}
