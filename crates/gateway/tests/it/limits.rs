use std::io::Read;
use std::time::{Duration, Instant};

use floodway_kit::{Upstream, http};

use crate::support::{builder, connect, gateway, write};

fn status(answer: &[u8]) -> String {
    let text = String::from_utf8_lossy(answer).into_owned();
    text.split(' ').nth(1).unwrap_or_default().to_owned()
}

#[test]
fn requests_with_more_than_one_reading_are_refused() {
    let server = Upstream::always(200, "x");
    let gateway = gateway(&[server.address()]);
    let post = "POST / HTTP/1.1\r\nHost: a\r\n";
    for bad in [
        format!("{post}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"),
        format!("{post}Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"),
        format!("{post}Content-Length: +3\r\n\r\nabc"),
        format!("{post}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
        format!("{post}Content-Length : 3\r\n\r\nabc"),
        format!("{post}X: a\r\n b\r\n\r\n"),
        "GET / HTTP/1.1\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".to_owned(),
        "GET /a/../b HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
        "GET /a/%2e%2E/b HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
        "GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
    ] {
        let answer = http::raw(gateway.address(), bad.as_bytes()).expect("an end");
        assert_eq!(status(&answer), "400", "{bad:?}: {}", String::from_utf8_lossy(&answer));
    }
    let answer = http::raw(gateway.address(), b"GET / HTTP/9.1\r\nHost: a\r\n\r\n").expect("an end");
    assert_eq!(status(&answer), "505");
    assert!(server.seen().is_empty(), "{:?}", server.seen());
}

#[test]
fn connect_is_refused() {
    let gateway = gateway(&[Upstream::always(200, "x").address()]);
    let answer =
        http::raw(gateway.address(), b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n").expect("an end");
    assert_eq!(status(&answer), "501");
}

#[test]
fn too_many_and_too_large_headers_are_refused() {
    let server = Upstream::always(200, "x");
    let gateway = builder()
        .service(&[server.address()])
        .route("/*", &[], 0)
        .limits(|limits| (limits.headers_max, limits.header_bytes_max) = (10, 8 << 10))
        .start();
    let many = "X: y\r\n".repeat(11);
    let large = format!("X: {}\r\n", "y".repeat(9 << 10));
    for headers in [many, large] {
        let request = format!("GET / HTTP/1.1\r\nHost: a\r\n{headers}\r\n");
        let answer = http::raw(gateway.address(), request.as_bytes()).expect("an end");
        assert_eq!(status(&answer), "431", "{} {}", headers.len(), String::from_utf8_lossy(&answer));
    }
    assert!(server.seen().is_empty());
}

#[test]
fn a_body_that_is_too_large_is_refused_whether_it_says_so_or_not() {
    let server = Upstream::always(200, "x");
    let gateway = builder()
        .service(&[server.address()])
        .route("/*", &[], 0)
        .limits(|limits| limits.body_max = 1_000)
        .start();
    let told = http::send(gateway.address(), "POST", "/", &[], &[b'x'; 1_001]).expect("an answer");
    assert_eq!(told.status, 413);
    assert!(told.text().contains("FW-3413"));
    assert!(server.seen().is_empty());
    let chunk = format!("1f4\r\n{}\r\n", "x".repeat(500)).repeat(3);
    let untold = format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}0\r\n\r\n");
    let answer = http::raw(gateway.address(), untold.as_bytes()).expect("an end");
    assert_eq!(status(&answer), "413");
    assert!(server.seen().is_empty(), "the service never had the whole request");
    let fits = http::send(gateway.address(), "POST", "/", &[], &[b'x'; 1_000]).expect("an answer");
    assert_eq!(fits.status, 200);
}

#[test]
fn a_head_that_trickles_is_cut_off_and_a_pause_between_requests_is_not() {
    let server = Upstream::always(200, "x");
    let gateway = builder()
        .service(&[server.address()])
        .route("/*", &[], 0)
        .limits(|limits| limits.header_timeout = Duration::from_millis(300))
        .start();
    let mut slow = connect(gateway.address());
    write(&mut slow, "GET / HTTP/1.1\r\nHo");
    let started = Instant::now();
    assert_eq!(slow.read(&mut [0; 64]).expect("an end"), 0);
    assert!(started.elapsed() < Duration::from_secs(3));

    let mut kept = http::Connection::to(gateway.address()).expect("a connection");
    let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    kept.write(request).expect("sent");
    assert_eq!(kept.read_answer(false).expect("an answer").status, 200);
    floodway_kit::pause_until(Instant::now() + Duration::from_millis(800));
    kept.write(request).expect("sent");
    assert_eq!(kept.read_answer(false).expect("an answer").status, 200);
}

#[test]
fn an_idle_connection_is_closed() {
    let gateway = builder()
        .service(&[Upstream::always(200, "x").address()])
        .route("/*", &[], 0)
        .limits(|limits| limits.idle_timeout = Duration::from_millis(200))
        .start();
    let mut idle = http::Connection::to(gateway.address()).expect("a connection");
    idle.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("sent");
    idle.read_answer(false).expect("an answer");
    assert!(idle.read_to_end().expect("an end").is_empty());
}

#[test]
fn more_connections_than_allowed_are_refused_and_room_is_given_back() {
    let server = Upstream::always(200, "x");
    let gateway = builder()
        .service(&[server.address()])
        .route("/*", &[], 0)
        .one_worker()
        .limits(|limits| limits.connections_max = 2)
        .start();
    let held: Vec<_> = (0..2).map(|_| connect(gateway.address())).collect();
    floodway_kit::eventually_blocking(Duration::from_secs(5), "both are taken", || {
        gateway.counts().open_connections == 2
    });
    assert!(http::get(gateway.address(), "/").is_err());
    drop(held);
    floodway_kit::eventually_blocking(Duration::from_secs(5), "there is room again", || {
        http::get(gateway.address(), "/").is_ok_and(|answer| answer.status == 200)
    });
}

/// A client that writes a whole large body before it reads must still get the answer, not a reset.
#[test]
fn a_refusal_reaches_a_client_that_is_still_sending() {
    let gateway = builder()
        .service(&[Upstream::always(200, "x").address()])
        .route("/*", &[], 0)
        .limits(|limits| limits.body_max = 1_000)
        .start();
    for _ in 0..20 {
        let answer = http::send(gateway.address(), "POST", "/", &[], &vec![b'x'; 4 << 20]);
        assert_eq!(answer.expect("an answer").status, 413);
    }
}

#[test]
fn a_head_that_is_too_large_is_refused_with_a_problem() {
    let gateway = builder()
        .service(&[Upstream::always(200, "x").address()])
        .route("/*", &[], 0)
        .limits(|limits| (limits.headers_max, limits.header_bytes_max) = (10, 8 << 10))
        .start();
    let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(11));
    let large = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "y".repeat(9 << 10));
    let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "y".repeat(5 << 10));
    for (request, status, code) in [(many, 431, "FW-3431"), (large, 431, "FW-3431"), (long, 414, "FW-3414")] {
        let mut client = http::Connection::to(gateway.address()).expect("a connection");
        client.write(request.as_bytes()).expect("sent");
        let answer = client.read_answer(false).expect("an answer");
        assert_eq!(answer.status, status, "{}", answer.text());
        assert!(answer.text().contains(code), "{}", answer.text());
        assert!(answer.text().contains(answer.header("x-request-id").expect("an id")));
    }
    assert_eq!(gateway.counts().refusals, 3);
}

#[test]
fn a_body_that_stands_still_is_given_up() {
    let server = Upstream::always(200, "x");
    let gateway = builder()
        .service(&[server.address()])
        .route("/*", &[], 0)
        .limits(|limits| limits.idle_timeout = Duration::from_millis(200))
        .start();
    let request = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf";
    let answer = http::raw(gateway.address(), request.as_bytes()).expect("an answer");
    assert_eq!(status(&answer), "408", "{}", String::from_utf8_lossy(&answer));
    gateway.wait_quiet();
}

#[test]
fn a_body_that_comes_too_slowly_is_given_up_and_a_steady_one_is_not() {
    let server = Upstream::always(200, "x");
    let gateway = builder()
        .service(&[server.address()])
        .route("/*", &[], 0)
        .limits(|limits| (limits.idle_timeout, limits.body_rate_min) = (Duration::from_secs(1), 50))
        .start();
    let trickle = |piece: &str, pieces: usize| {
        let mut client = connect(gateway.address());
        let len = piece.len() * pieces;
        write(&mut client, &format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {len}\r\n\r\n"));
        client.set_read_timeout(Some(Duration::from_millis(100))).expect("a socket takes a timeout");
        let mut answer = [0; 1024];
        let mut written = 0;
        loop {
            match client.read(&mut answer) {
                Ok(len) => return status(&answer[..len]),
                Err(_nothing_yet) if written < pieces => {
                    written += 1;
                    write(&mut client, piece);
                }
                Err(_nothing_yet) => {}
            }
        }
    };
    assert_eq!(trickle("x", 100), "408");
    assert_eq!(trickle(&"x".repeat(20), 15), "200");
}
