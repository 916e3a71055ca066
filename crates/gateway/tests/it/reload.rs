use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use floodway_kit::http::Connection;
use floodway_kit::{Reply, Upstream, eventually_blocking, http as client};
use floodway_policy::http_cache::CachePolicy;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};

use crate::support::{Builder, PATIENCE, builder};

fn ask(connection: &mut Connection, path: &str) -> client::Answer {
    let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
    connection.write(request.as_bytes()).expect("it takes it");
    connection.read_answer(false).expect("an answer")
}

#[test]
fn connections_from_then_on_see_the_new_routes_and_those_before_end_with_an_answer() {
    let server = Upstream::always(200, "x");
    let with = |path: &str| builder().service(&[server.address()]).route(path, &[], 0);
    let gateway = with("/old").start();
    let mut before = Connection::to(gateway.address()).expect("a connection");
    assert_eq!(ask(&mut before, "/old").status, 200);
    gateway.reload(with("/new"));
    let mut after = Connection::to(gateway.address()).expect("a connection");
    let [new, old] = ["/new", "/old"].map(|path| ask(&mut after, path));
    assert_eq!((new.status, old.status), (200, 404));
    assert_eq!(new.header("connection"), None);
    let last = ask(&mut before, "/old");
    assert_eq!((last.status, last.header("connection")), (200, Some("close")));
    assert!(before.read_to_end().expect("an end").is_empty());
}

#[test]
fn no_request_is_lost_over_a_hundred_reloads() {
    let server = Upstream::always(200, "x");
    let make = |millis| {
        builder().service(&[server.address()]).route("/*", &[], 0).timeout(Duration::from_millis(millis))
    };
    let gateway = make(5_000).start();
    let (is_over, asked) = (AtomicBool::new(false), AtomicU32::new(0));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut connection = None;
                while !is_over.load(Ordering::Relaxed) {
                    let mut open = connection
                        .take()
                        .unwrap_or_else(|| Connection::to(gateway.address()).expect("a place"));
                    let answer = ask(&mut open, "/");
                    assert_eq!(answer.status, 200);
                    connection = (answer.header("connection") != Some("close")).then_some(open);
                    asked.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for number in 0..100 {
            let before = asked.load(Ordering::Relaxed);
            gateway.reload(make(5_000 + number));
            eventually_blocking(PATIENCE, "requests go on", || asked.load(Ordering::Relaxed) > before + 2);
        }
        is_over.store(true, Ordering::Relaxed);
    });
    let requests = u64::from(asked.load(Ordering::Relaxed));
    eventually_blocking(PATIENCE, "counts go on", || {
        let metrics = gateway.workers.metrics();
        let counted = [metrics.counts.requests, metrics.routes[0].requests[2], metrics.services[0].attempts];
        counted == [requests; 3]
    });
}

#[test]
fn a_request_that_is_under_way_is_finished_as_it_began() {
    let slow = Upstream::start(|_| Reply::Answer {
        status: 200,
        body: "done".into(),
        after: Duration::from_millis(300),
    });
    let make = || builder().service(&[slow.address()]).route("/*", &[], 0);
    let gateway = make().start();
    thread::scope(|scope| {
        let asked = scope.spawn(|| client::get(gateway.address(), "/").expect("an answer").text());
        eventually_blocking(PATIENCE, "it is under way", || gateway.counts().in_flight == 1);
        gateway.reload(make().timeout(Duration::from_millis(1)));
        assert_eq!(asked.join().expect("no panic"), "done");
    });
    assert_eq!(client::get(gateway.address(), "/").expect("an answer").status, 504);
}

#[test]
fn what_is_cached_stays() {
    let server =
        Upstream::start(|seen| Reply::with(200, &[("cache-control", "max-age=100")], seen.index.to_string()));
    let make = || -> Builder {
        builder().service(&[server.address()]).route("/*", &[], 0).cache(CachePolicy::default())
    };
    let gateway = make().start();
    let get = || client::get(gateway.address(), "/").expect("an answer").text();
    let first = get();
    gateway.reload(make());
    assert_eq!(get(), first);
    gateway.reload(make().cache_bytes_max(1 << 20));
    assert_ne!(get(), first, "another memory is empty");
}

#[test]
fn http2_connections_are_told_to_go() {
    let server = Upstream::always(200, "x");
    let make = || builder().service(&[server.address()]).route("/*", &[], 0);
    let gateway = make().start();
    let address = gateway.address();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (mut sender, ended) = runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(address).await.expect("somebody listens");
        let (mut sender, connection) =
            http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("HTTP/2");
        let ended = tokio::spawn(connection);
        let request = http::Request::get(format!("http://{address}/")).body(Full::<Bytes>::default());
        let answer = sender.send_request(request.expect("a request")).await.expect("an answer");
        assert_eq!(answer.into_body().collect().await.expect("a body").to_bytes(), "x");
        (sender, ended)
    });
    gateway.reload(make());
    runtime.block_on(async {
        let ended = tokio::time::timeout(PATIENCE, ended).await.expect("it ends in time");
        ended.expect("no panic").expect("as it should");
        assert!(sender.ready().await.is_err());
    });
    gateway.wait_quiet();
}
