use std::io::Read;
use std::net::TcpStream;
use std::time::Duration;

use floodway_kit::{Reply, Upstream, http};

use crate::support::{Gateway, PATIENCE, gateway};

fn drain(gateway: &Gateway, grace: Duration) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(gateway.workers.drain(grace))
}

#[test]
fn a_drain_finishes_what_is_in_flight_and_takes_nothing_new() {
    let slow = Upstream::start(|_| Reply::Answer {
        status: 200,
        body: "done".into(),
        after: Duration::from_millis(400),
    });
    let gateway = gateway(&[slow.address()]);
    let address = gateway.address();
    std::thread::scope(|scope| {
        let client = scope.spawn(move || {
            let mut client = http::Connection::to(address).expect("a connection");
            client.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("sent");
            client.read_answer(false).expect("an answer")
        });
        floodway_kit::eventually_blocking(PATIENCE, "it is under way", || gateway.counts().in_flight == 1);
        assert_eq!(drain(&gateway, PATIENCE), 0);
        let answer = client.join().expect("no panic");
        assert_eq!((answer.status, answer.text().as_str()), (200, "done"));
        assert_eq!(answer.header("connection"), Some("close"));
    });
    assert!(TcpStream::connect_timeout(&address, Duration::from_millis(500)).is_err());
    gateway.workers.stop();
}

#[test]
fn idle_connections_do_not_hold_a_drain_up() {
    let gateway = gateway(&[Upstream::always(200, "x").address()]);
    let mut idle = http::Connection::to(gateway.address()).expect("a connection");
    idle.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("sent");
    idle.read_answer(false).expect("an answer");
    assert_eq!(drain(&gateway, PATIENCE), 0);
    assert!(idle.read_to_end().expect("an end").is_empty());
}

#[test]
fn a_drain_gives_up_after_its_grace_and_a_stop_cuts_off() {
    let stuck =
        Upstream::start(|_| Reply::Answer { status: 200, body: "x".into(), after: Duration::from_secs(3) });
    let gateway = gateway(&[stuck.address()]);
    let mut client = http::Connection::to(gateway.address()).expect("a connection");
    client.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("sent");
    floodway_kit::eventually_blocking(PATIENCE, "it is under way", || gateway.counts().in_flight == 1);
    assert_eq!(drain(&gateway, Duration::from_millis(100)), 1);
    gateway.workers.stop();
    assert!(client.read_answer(false).is_err());
}

#[test]
fn connections_that_never_said_anything_do_not_hold_a_drain_up() {
    let gateway = gateway(&[Upstream::always(200, "x").address()]);
    let mut silent = crate::support::connect(gateway.address());
    floodway_kit::eventually_blocking(PATIENCE, "it is taken", || gateway.counts().open_connections == 1);
    assert_eq!(drain(&gateway, Duration::from_secs(2)), 0);
    assert_eq!(silent.read(&mut [0; 1]).expect("an end"), 0);
}
