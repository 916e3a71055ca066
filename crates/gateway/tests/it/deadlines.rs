//! How long clients wait, heard and told.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use floodway_kit::{Upstream, http};
use http_body_util::Full;
use hyper::Request;

use crate::http2::send;
use crate::support::{PATIENCE, builder, raw_server, read_head, write};

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
