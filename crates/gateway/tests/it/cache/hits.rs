//! Hits of each kind of connection.

use bytes::Bytes;
use floodway_kit::http::{self as client, Connection};
use floodway_kit::{Reply, Upstream};
use floodway_policy::http_cache::CachePolicy;
use http::StatusCode;
use http_body_util::Full;

use super::{ETAG, FRESH, cached, cached_by, counting, get, said};
use crate::support::PATIENCE;

#[test]
fn many_come_on_one_connection() {
    let server = counting(&[FRESH]);
    let gateway = cached(server.address());
    get(&gateway, "/", &[]);
    let host = gateway.address();
    let mut client = Connection::to(host).expect("a connection");
    // All at once, and one after another.
    let one = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
    client.write(one.repeat(20).as_bytes()).expect("sent");
    for _ in 0..20 {
        assert_eq!(client.read_answer(false).expect("an answer").text(), "answer 0");
    }
    let last = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    for request in [&one, &one, &last] {
        client.write(request.as_bytes()).expect("sent");
        let answer = client.read_answer(false).expect("an answer");
        assert!(said(&answer).contains("hit"));
    }
    assert_eq!(client.read_to_end().expect("it is closed"), b"");
    floodway_kit::eventually_blocking(PATIENCE, "all are counted", || gateway.counts().answers[1] == 24);
    assert_eq!((server.seen().len(), gateway.counts().requests), (1, 24));
}

#[test]
fn http_1_0_is_told_where_the_body_ends() {
    let server = counting(&[FRESH]);
    let gateway = cached(server.address());
    get(&gateway, "/", &[]);
    let request = format!("GET / HTTP/1.0\r\nHost: {}\r\n\r\n", gateway.address());
    let answer = client::raw(gateway.address(), request.as_bytes()).expect("an answer, and the end");
    let answer = String::from_utf8(answer).expect("text");
    assert!(answer.contains("hit") && answer.contains("content-length: 8\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nanswer 0"), "{answer}");
}

#[test]
fn a_large_body_arrives_whole() {
    let body: Vec<u8> = (0..5_000_000_u32).map(|at| (at % 251) as u8).collect();
    let whole = Bytes::from(body.clone());
    let server = Upstream::start(move |_| Reply::with(200, &[FRESH, ETAG], whole.clone()));
    let gateway = cached(server.address());
    for _ in 0..3 {
        assert!(get(&gateway, "/", &[]).body == body);
    }
    let part = get(&gateway, "/", &[("range", "bytes=4000000-4999999")]);
    assert!(part.status == 206 && part.body == body[4_000_000..]);
    assert_eq!(server.seen().len(), 1);
}

#[test]
fn http2_and_http1_share_what_is_stored() {
    let server = counting(&[FRESH]);
    let gateway = cached(server.address());
    let address = gateway.address();
    let request = |method| {
        let request = http::Request::builder().method(method).uri(format!("http://{address}/"));
        request.body(Full::new(Bytes::new())).expect("a request")
    };
    let first = crate::http2::send(address, vec![request("GET")]);
    assert_eq!(first, [(StatusCode::OK, Bytes::from("answer 0"))]);
    assert_eq!(get(&gateway, "/", &[]).text(), "answer 0");
    let more = crate::http2::send(address, vec![request("GET"), request("HEAD"), request("GET")]);
    let bodies: Vec<_> = more.iter().map(|(_, body)| body.as_ref()).collect();
    assert_eq!(bodies, [&b"answer 0"[..], b"", b"answer 0"]);
    assert_eq!(server.seen().len(), 1);
}

#[test]
fn a_head_in_other_letters_finds_the_same() {
    let server = counting(&[FRESH]);
    let gateway = cached(server.address());
    let ask = |head: &str| {
        let request = format!("{head}\r\nConnection: close\r\n\r\n");
        let answer = client::raw(gateway.address(), request.as_bytes()).expect("an answer");
        String::from_utf8(answer).expect("text").lines().last().map(str::to_owned)
    };
    let first = Some("answer 0".to_owned());
    assert_eq!(ask("GET /a HTTP/1.1\r\nHost: a.example:80"), first);
    for head in [
        "GET /a HTTP/1.1\r\nhOST: A.Example:80",
        "GET http://a.example:80/a HTTP/1.1\r\nHost: b",
        "GET /a HTTP/1.1\r\nHost: a.example:80\r\nConnection: X-Own\r\nX-Own: 1",
        "GET /a HTTP/1.1\r\nHost: a.example:80\r\nContent-Length: 0",
    ] {
        assert_eq!(ask(head), first, "{head}");
    }
    assert_eq!(ask("GET /A HTTP/1.1\r\nHost: a.example:80").as_deref(), Some("answer 1"));
}

#[test]
fn a_get_with_a_body_is_not_answered_from_the_store() {
    let server = counting(&[FRESH]);
    let gateway = cached_by(server.address(), CachePolicy::default());
    get(&gateway, "/", &[]);
    let answer = client::send(gateway.address(), "GET", "/", &[], b"body").expect("an answer");
    assert_eq!((answer.text().as_str(), said(&answer)), ("answer 1", "Floodway; fwd=bypass"));
    assert_eq!(get(&gateway, "/", &[]).text(), "answer 0");
}
