use std::io::{Read, Write};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use floodway_kit::{Upstream, http};

use crate::support::{builder, connect, expect_text, gateway, raw_server, read_head, write};

#[test]
fn a_response_streams_before_it_is_whole() {
    let (proceed, wait) = mpsc::sync_channel::<()>(1);
    let wait = std::sync::Mutex::new(wait);
    let server = raw_server(move |mut stream| {
        read_head(&mut stream);
        write(&mut stream, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n");
        wait.lock().expect("one connection").recv().expect("the client has seen it");
        write(&mut stream, "4\r\nlast\r\n0\r\n\r\n");
    });
    let gateway = gateway(&[server]);
    let mut client = connect(gateway.address());
    write(&mut client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(read_head(&mut client).starts_with("HTTP/1.1 200"));
    expect_text(&mut client, "5\r\nfirst\r\n");
    proceed.send(()).expect("the server waits");
    expect_text(&mut client, "4\r\nlast\r\n0\r\n\r\n");
    gateway.wait_quiet();
}

#[test]
fn a_request_streams_before_it_is_whole() {
    let (arrived, saw) = mpsc::sync_channel::<String>(1);
    let server = raw_server(move |mut stream| {
        read_head(&mut stream);
        let mut first = [0; 10];
        stream.read_exact(&mut first).expect("a first chunk");
        arrived.send(String::from_utf8_lossy(&first).into_owned()).expect("the test waits");
        let mut rest = [0; 14];
        stream.read_exact(&mut rest).expect("the rest");
        write(&mut stream, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    });
    let gateway = gateway(&[server]);
    let mut client = connect(gateway.address());
    write(&mut client, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n");
    assert_eq!(saw.recv().expect("the first chunk"), "5\r\nfirst\r\n");
    write(&mut client, "4\r\nlast\r\n0\r\n\r\n");
    assert!(read_head(&mut client).starts_with("HTTP/1.1 200"));
    expect_text(&mut client, "ok");
}

#[test]
fn large_bodies_pass_whole_in_both_directions() {
    let size = 3 << 20;
    let body: Vec<u8> = (0..size).map(|index: u32| (index % 251) as u8).collect();
    let echoed = body.clone();
    let server = Upstream::start(move |seen| {
        assert_eq!(seen.body.len(), echoed.len());
        floodway_kit::Reply::now(200, seen.body.clone())
    });
    let answer =
        http::send(gateway(&[server.address()]).address(), "POST", "/", &[], &body).expect("an answer");
    assert_eq!(answer.status, 200);
    assert!(answer.body == body, "the body came back changed");
}

#[test]
fn answers_without_a_body_end_where_they_should() {
    let server = Upstream::start(|seen| match seen.head.uri.path() {
        "/204" => floodway_kit::Reply::now(204, ""),
        "/304" => floodway_kit::Reply::now(304, ""),
        _ => floodway_kit::Reply::now(200, "body"),
    });
    let gateway = gateway(&[server.address()]);
    let mut client = http::Connection::to(gateway.address()).expect("a connection");
    for (method, path, status, body) in [
        ("HEAD", "/", 200, ""),
        ("GET", "/204", 204, ""),
        ("GET", "/304", 304, ""),
        ("GET", "/", 200, "body"),
    ] {
        client.write(format!("{method} {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).expect("sent");
        let answer = client.read_answer(method == "HEAD").expect("an answer");
        assert_eq!((answer.status, answer.text().as_str()), (status, body), "{method} {path}");
    }
    gateway.wait_quiet();
}

#[test]
fn a_client_that_waits_for_100_continue_gets_it() {
    let server = Upstream::start(|seen| floodway_kit::Reply::now(200, seen.body.clone()));
    let gateway = gateway(&[server.address()]);
    let mut client = connect(gateway.address());
    write(&mut client, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
    assert!(read_head(&mut client).starts_with("HTTP/1.1 100"));
    client.write_all(b"body").expect("sent");
    assert!(read_head(&mut client).starts_with("HTTP/1.1 200"));
    expect_text(&mut client, "body");
}

#[test]
fn a_client_that_leaves_takes_its_request_along() {
    let (gone, saw) = mpsc::sync_channel::<usize>(1);
    let server = raw_server(move |mut stream| {
        read_head(&mut stream);
        // No answer: the gateway closes the connection when its client is gone.
        gone.send(stream.read(&mut [0; 1]).unwrap_or(1)).expect("the test waits");
    });
    let gateway = gateway(&[server]);
    let mut client = connect(gateway.address());
    write(&mut client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    floodway_kit::eventually_blocking(crate::support::PATIENCE, "it is under way", || {
        gateway.counts().in_flight == 1
    });
    drop(client);
    assert_eq!(saw.recv().expect("the server notices"), 0);
    gateway.wait_quiet();
}

/// A service may answer before it has read the request; no other request waits for what is still sent to it.
#[test]
fn a_request_that_outlasts_its_answer_disturbs_nobody() {
    let server = raw_server(|mut stream| {
        let head = read_head(&mut stream);
        if head.starts_with("POST") {
            write(
                &mut stream,
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nearly\r\n0\r\n\r\n",
            );
            drop(stream.read_to_end(&mut Vec::new()));
        } else if !head.is_empty() {
            write(&mut stream, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        }
    });
    let gateway = builder().service(&[server]).route("/*", &[], 0).one_worker().start();
    let mut slow = connect(gateway.address());
    write(&mut slow, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n");
    assert!(read_head(&mut slow).starts_with("HTTP/1.1 200"));
    expect_text(&mut slow, "5\r\nearly\r\n");
    let started = Instant::now();
    let answer = floodway_kit::http::get(gateway.address(), "/").expect("an answer");
    assert_eq!(answer.text(), "ok");
    assert!(started.elapsed() < Duration::from_secs(2), "it waited {:?}", started.elapsed());
}

#[test]
fn both_directions_of_one_exchange_stream_longer_than_a_head_may_take() {
    let server = raw_server(|mut stream| {
        read_head(&mut stream);
        write(&mut stream, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
        for _ in 0..10 {
            expect_text(&mut stream, "4\r\nping\r\n");
            write(&mut stream, "4\r\npong\r\n");
        }
    });
    let gateway = builder()
        .service(&[server])
        .route("/*", &[], 0)
        .limits(|limits| limits.header_timeout = Duration::from_millis(200))
        .start();
    let mut client = connect(gateway.address());
    write(&mut client, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert!(read_head(&mut client).starts_with("HTTP/1.1 200"));
    for _ in 0..10 {
        write(&mut client, "4\r\nping\r\n");
        expect_text(&mut client, "4\r\npong\r\n");
        floodway_kit::pause_until(Instant::now() + Duration::from_millis(80));
    }
}

#[test]
fn interim_answers_do_not_stand_for_the_answer() {
    let server = raw_server(|mut stream| {
        read_head(&mut stream);
        write(&mut stream, "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n");
        write(&mut stream, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    });
    let gateway = gateway(&[server]);
    assert_eq!(floodway_kit::http::get(gateway.address(), "/").expect("an answer").text(), "ok");
}

#[test]
fn early_hints_arrive_before_the_answer() {
    let (answer, may_answer) = std::sync::mpsc::channel();
    let may_answer = std::sync::Mutex::new(may_answer);
    let server = raw_server(move |mut stream| {
        read_head(&mut stream);
        write(&mut stream, "HTTP/1.1 100 Continue\r\n\r\n");
        let hints = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nConnection: x\r\nX: y\r\n\r\n";
        write(&mut stream, hints);
        may_answer.lock().expect("one at a time").recv().expect("the test says when");
        write(&mut stream, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    });
    let gateway = gateway(&[server]);
    let mut client = connect(gateway.address());
    write(&mut client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(read_head(&mut client), "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
    answer.send(()).expect("the server waits");
    assert!(read_head(&mut client).starts_with("HTTP/1.1 200 OK"));
    expect_text(&mut client, "ok");
    // HTTP/1.0 knows none.
    let mut client = connect(gateway.address());
    write(&mut client, "GET / HTTP/1.0\r\nHost: a\r\n\r\n");
    answer.send(()).expect("the server waits");
    assert!(read_head(&mut client).starts_with("HTTP/1.1 200 OK"));
}

#[test]
fn trailers_of_answers_arrive_where_they_are_asked_for() {
    let server = raw_server(|mut stream| {
        loop {
            if read_head(&mut stream).is_empty() {
                return;
            }
            let trailers = "X-Sum: 7\r\nSet-Cookie: a=b\r\nConnection: close\r\nX-Late: yes\r\n";
            let body = format!("3\r\nabc\r\n0\r\n{trailers}\r\n");
            write(&mut stream, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
            write(&mut stream, &body);
        }
    });
    let gateway = gateway(&[server]);
    let mut client = connect(gateway.address());
    for (asks, end) in [("TE: trailers", "X-Sum: 7\r\nX-Late: yes\r\n"), ("TE: gzip", ""), ("X: y", "")] {
        write(&mut client, &format!("GET / HTTP/1.1\r\nHost: a\r\n{asks}\r\n\r\n"));
        assert!(read_head(&mut client).starts_with("HTTP/1.1 200"));
        expect_text(&mut client, &format!("3\r\nabc\r\n0\r\n{end}\r\n"));
    }
}
