//! How long clients wait, heard and told.

use std::io::Read as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use floodway_kit::{Upstream, eventually_blocking, http};
use http_body_util::Full;
use hyper::Request;

use crate::http2::{send, try_send};
use crate::support::{PATIENCE, builder, connect, raw_server, read_head, write};

const EXPECTED: &str = "x-envoy-expected-rq-timeout-ms";

/// Answers no request, but shows how many came.
fn silent() -> (SocketAddr, Arc<AtomicUsize>) {
    let arrived = Arc::<AtomicUsize>::default();
    let count = Arc::clone(&arrived);
    let address = raw_server(move |mut stream| {
        while !read_head(&mut stream).is_empty() {
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    (address, arrived)
}

/// Says what it was told in a header.
fn telling(name: &'static str) -> SocketAddr {
    raw_server(move |mut stream| {
        loop {
            let head = read_head(&mut stream);
            if head.is_empty() {
                return;
            }
            let values =
                head.lines().filter_map(|line| line.split_once(": ").filter(|(key, _)| *key == name));
            let told: Vec<_> = values.map(|(_, value)| value.trim()).collect();
            let told = told.join(",");
            write(&mut stream, &format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{told}", told.len()));
        }
    })
}

fn get(address: SocketAddr, headers: &[(&str, &str)]) -> http::Answer {
    http::send(address, "GET", "/", headers, b"").expect("an answer")
}

#[test]
fn a_client_that_says_how_long_it_waits_is_answered_by_then() {
    let (service, arrived) = silent();
    let gateway = builder().service(&[service]).route("/*", &[], 0).timeout(PATIENCE).tells_time().start();
    let began = Instant::now();
    let answer = get(gateway.address(), &[(EXPECTED, "100")]);
    assert_eq!(answer.status, 504);
    assert!(answer.text().contains("FW-3504"), "{}", answer.text());
    assert!(began.elapsed() >= Duration::from_millis(100) && began.elapsed() < PATIENCE / 2);
    assert_eq!(arrived.load(Ordering::SeqCst), 1);
}

#[test]
fn a_time_that_is_over_is_answered_without_a_try() {
    let service = Upstream::always(200, "yes");
    let gateway = builder().service(&[service.address()]).route("/*", &[], 0).tells_time().start();
    let answer = get(gateway.address(), &[(EXPECTED, "0")]);
    assert_eq!(answer.status, 504);
    assert!(answer.text().contains("FW-3514"), "{}", answer.text());
    assert!(service.seen().is_empty());
    // What is no time is no bound.
    assert_eq!(get(gateway.address(), &[(EXPECTED, "soon")]).status, 200);
}

#[test]
fn the_service_is_told_what_is_left() {
    let service = telling(EXPECTED);
    let gateway = builder().service(&[service]).route("/*", &[], 0).timeout(PATIENCE).tells_time().start();
    let told = |headers: &[(&str, &str)]| -> u64 {
        get(gateway.address(), headers).text().parse().expect("one number")
    };
    let whole = u64::try_from(PATIENCE.as_millis()).expect("few");
    assert!((whole / 2..=whole).contains(&told(&[])));
    assert!((2_000..=4_000).contains(&told(&[(EXPECTED, "4000")])));
    assert!(told(&[(EXPECTED, "999999999")]) <= whole, "it can only be shortened");
}

#[test]
fn a_route_that_does_not_listen_passes_it_on() {
    let service = telling(EXPECTED);
    let gateway = builder().service(&[service]).route("/*", &[], 0).start();
    assert_eq!(get(gateway.address(), &[(EXPECTED, "0")]).text(), "0");
    assert_eq!(get(gateway.address(), &[]).text(), "");
}

/// Begins an answer that never ends, and says where the connection was closed.
fn endless() -> (SocketAddr, Arc<AtomicUsize>) {
    let closed = Arc::<AtomicUsize>::default();
    let count = Arc::clone(&closed);
    let address = raw_server(move |mut stream| {
        read_head(&mut stream);
        write(&mut stream, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n");
        assert!(read_head(&mut stream).is_empty());
        count.fetch_add(1, Ordering::SeqCst);
    });
    (address, closed)
}

#[test]
fn an_answer_that_takes_too_long_in_all_is_cut_off() {
    const TOTAL: Duration = Duration::from_millis(150);
    let (service, closed) = endless();
    let gateway = builder().service(&[service]).route("/*", &[], 0).total_timeout(TOTAL).start();
    let began = Instant::now();
    let mut client = connect(gateway.address());
    write(&mut client, "GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    let mut text = String::new();
    client.read_to_string(&mut text).expect("what there is");
    assert!(text.ends_with("5\r\nfirst\r\n"), "cut off, not ended: {text}");
    assert!(began.elapsed() >= TOTAL && began.elapsed() < PATIENCE / 2);
    let request = Request::get(format!("http://{}/", gateway.address())).body(Full::default());
    let outcome = try_send(gateway.address(), request.expect("a request"));
    assert!(outcome.is_err(), "the stream is reset: {outcome:?}");
    gateway.wait_quiet();
    eventually_blocking(PATIENCE, "both are closed", || closed.load(Ordering::SeqCst) == 2);
}

#[test]
fn grpc_is_always_heard() {
    let service = telling("grpc-timeout");
    let gateway = builder().service(&[service]).route("/*", &[], 0).timeout(PATIENCE).start();
    let ask = |kind: &str, timeout: &str| {
        let request = Request::post(format!("http://{}/", gateway.address()))
            .header("content-type", kind)
            .header("grpc-timeout", timeout)
            .body(Full::new(Bytes::new()))
            .expect("a request");
        let (status, body) = send(gateway.address(), vec![request]).remove(0);
        (status.as_u16(), String::from_utf8(body.to_vec()).expect("text"))
    };
    let (status, told) = ask("application/grpc", "3S");
    let micros: u64 = told.strip_suffix('u').expect("microseconds").parse().expect("a number");
    assert!(status == 200 && (1_000_000..3_000_000).contains(&micros), "{told}");
    // A problem of gRPC has its status in a header.
    assert_eq!(ask("application/grpc", "0m"), (200, String::new()));
    assert_eq!(ask("text/plain", "0m"), (200, "0m".to_owned()));
}
