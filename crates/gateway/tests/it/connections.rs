use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use floodway_kit::{Upstream, http};

use crate::support::{builder, gateway, raw_server, read_head, write};

#[test]
fn connections_to_a_service_are_used_again() {
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    let server = raw_server(move |mut stream| {
        counted.fetch_add(1, Ordering::Relaxed);
        while !read_head(&mut stream).is_empty() {
            write(&mut stream, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        }
    });
    let gateway = builder().service(&[server]).route("/*", &[], 0).one_worker().start();
    let mut client = http::Connection::to(gateway.address()).expect("a connection");
    for _ in 0..50 {
        client.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("sent");
        assert_eq!(client.read_answer(false).expect("an answer").text(), "ok");
    }
    assert_eq!(connections.load(Ordering::Relaxed), 1);
    assert_eq!(gateway.counts().connections, 1);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = Upstream::start(|seen| floodway_kit::Reply::now(200, seen.head.uri.path().to_owned()));
    let gateway = gateway(&[server.address()]);
    let mut client = http::Connection::to(gateway.address()).expect("a connection");
    let requests: Vec<_> = (0..10).map(|index| format!("GET /{index} HTTP/1.1\r\nHost: a\r\n\r\n")).collect();
    client.write(requests.concat().as_bytes()).expect("sent");
    for index in 0..10 {
        assert_eq!(client.read_answer(false).expect("an answer").text(), format!("/{index}"));
    }
}

#[test]
fn membership_that_changes_under_load_drops_nothing() {
    let servers: Vec<_> = (0..3).map(|_| Upstream::always(200, "x")).collect();
    let addresses: Vec<_> = servers.iter().map(Upstream::address).collect();
    let gateway = gateway(&addresses);
    let statuses = Mutex::new(HashSet::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..200 {
                    let answer = http::get(gateway.address(), "/").expect("an answer");
                    statuses.lock().expect("whole").insert(answer.status);
                }
            });
        }
        for round in 0..200 {
            let gone = round % 3;
            gateway.publish(|_, slot| {
                if slot == gone {
                    floodway_policy::EndpointState::Draining
                } else {
                    floodway_policy::EndpointState::Ready
                }
            });
            std::thread::yield_now();
        }
    });
    assert_eq!(statuses.into_inner().expect("whole"), HashSet::from([200]));
}
