use floodway_kit::{Upstream, http};

use crate::support::{builder, connect, expect_text, gateway, raw_server, read_head, write};

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

/// Every `Connection` header counts, and none takes out what makes the request what it is.
#[test]
fn no_connection_header_changes_what_is_asked() {
    let server = Upstream::always(200, "x");
    let gateway = gateway(&[server.address()]);
    let headers = "Connection: X-One\r\nConnection: X-Two, Host, Content-Length, Authorization\r\n\
                   X-One: 1\r\nX-Two: 2\r\nAuthorization: me\r\nTE: gzip, trailers\r\nContent-Length: 2\r\n";
    let request = format!("POST / HTTP/1.1\r\nHost: a\r\n{headers}\r\nhi");
    let mut client = http::Connection::to(gateway.address()).expect("a connection");
    client.write(request.as_bytes()).expect("sent");
    assert_eq!(client.read_answer(false).expect("an answer").status, 200);
    let seen = &server.seen()[0];
    assert_eq!((seen.header("x-one"), seen.header("x-two")), (None, None));
    assert_eq!((seen.header("host"), seen.header("authorization")), (Some("a"), Some("me")));
    assert_eq!((seen.header("content-length"), seen.header("te")), (Some("2"), Some("trailers")));
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

/// The version is a matter of each connection (RFC 9110 §2.5).
#[test]
fn a_service_that_speaks_http_1_0_does_not_end_the_clients_connection() {
    let server = raw_server(|mut stream| {
        read_head(&mut stream);
        write(&mut stream, "HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok");
    });
    let gateway = gateway(&[server]);
    let mut client = connect(gateway.address());
    for _ in 0..2 {
        write(&mut client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        let head = read_head(&mut client);
        assert!(head.starts_with("HTTP/1.1 200") && !head.contains("connection: close"), "{head}");
        expect_text(&mut client, "ok");
    }
}

/// An HTTP/1.1 request has a Host even if it is empty (RFC 9112 §3.2).
#[test]
fn an_http_1_0_client_without_a_host_is_served() {
    let server = Upstream::always(200, "x");
    let gateway = gateway(&[server.address()]);
    let answer = http::raw(gateway.address(), b"GET / HTTP/1.0\r\n\r\n").expect("an answer");
    assert!(answer.starts_with(b"HTTP/1."), "{}", String::from_utf8_lossy(&answer));
    assert_eq!(server.seen()[0].header("host"), Some(""));
}

#[test]
fn a_claim_in_the_words_of_rfc_7239_is_not_passed_on() {
    let server = Upstream::always(200, "x");
    let gateway = gateway(&[server.address()]);
    let claims = [("forwarded", "for=6.6.6.6;proto=https")];
    http::send(gateway.address(), "GET", "/", &claims, b"").expect("an answer");
    assert_eq!(server.seen()[0].header("forwarded"), None);
}

#[test]
fn trace_passes_only_where_a_route_names_it() {
    let server = Upstream::always(200, "x");
    let gateway =
        builder().service(&[server.address()]).route("/*", &[], 0).route("/traced", &["TRACE"], 0).start();
    let status = |path| http::send(gateway.address(), "TRACE", path, &[], b"").expect("an answer").status;
    assert_eq!((status("/"), status("/traced")), (405, 200));
}
