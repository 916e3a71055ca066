//! Requests with a key, kept in the embedded engine.

use std::io::Write as _;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use floodway_embedded::{Durability, Engine, Options, StoreOptions};
use floodway_gateway::Stores;
use floodway_kit::http::{self, Answer, Connection};
use floodway_kit::{Reply, Upstream, eventually_blocking};
use floodway_policy::http_cache::CachePolicy;
use floodway_policy::idempotency::{Duplicates, IdempotencyPolicy};
use tempfile::TempDir;

use crate::support::{Builder, Gateway, PATIENCE, builder, connect, raw_server, read_head, write};

type Fields<'a> = &'a [(&'a str, &'a str)];

const KEY: (&str, &str) = ("idempotency-key", "\"k-1\"");
const ORDER: &str =
    "POST /orders HTTP/1.1\r\nHost: 127.0.0.1\r\nIdempotency-Key: k-1\r\nContent-Length: 4\r\n\r\n1 cd";
/// Long enough for other requests to come meanwhile.
const SLOW: Duration = Duration::from_millis(400);

/// An engine in a folder that goes with it.
pub(crate) struct Kept {
    engine: Engine,
    folder: TempDir,
}

impl Kept {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self { engine: open(&folder), folder }
    }

    pub(crate) fn stores(&self) -> Stores {
        Stores::from([("keys".to_owned(), self.engine.store("keys").expect("a store"))])
    }

    /// Closes the engine and opens it anew.
    fn again(self) -> Self {
        let Self { engine, folder } = self;
        engine.close().expect("a clean end");
        Self { engine: open(&folder), folder }
    }
}

fn open(folder: &TempDir) -> Engine {
    let store = StoreOptions { name: "keys".to_owned(), durability: Durability::Fsync };
    let options = Options { stores: vec![store], ..Options::default() };
    Engine::open(folder.path(), options).expect("an engine").0
}

pub(crate) fn policy() -> IdempotencyPolicy {
    IdempotencyPolicy {
        header: "idempotency-key".to_owned(),
        store: "keys".to_owned(),
        route: "* /*".to_owned(),
        keep: Duration::from_hours(1),
        required: false,
        duplicates: Duplicates::Wait(PATIENCE),
        lease: Duration::from_mins(1),
        body_max: 1 << 20,
        answer_max: 1 << 20,
    }
}

fn refusing() -> IdempotencyPolicy {
    IdempotencyPolicy { duplicates: Duplicates::Refuse, ..policy() }
}

fn route(server: SocketAddr) -> Builder {
    builder().service(&[server]).route("/*", &[], 0)
}

fn gateway(server: SocketAddr, policy: IdempotencyPolicy, kept: &Kept) -> Gateway {
    route(server).idempotency(policy, kept.stores()).start()
}

/// A server that answers each request with its number.
fn counting(status: u16, after: Duration) -> Upstream {
    Upstream::start(move |seen| Reply::With {
        status,
        headers: vec![("location".to_owned(), format!("/orders/{}", seen.index))],
        body: format!("answer {}", seen.index).into(),
        after,
    })
}

fn post(address: SocketAddr, path: &str, headers: Fields<'_>, body: &str) -> Answer {
    http::send(address, "POST", path, headers, body.as_bytes()).expect("an answer")
}

fn order(gateway: &Gateway) -> Answer {
    post(gateway.address(), "/orders", &[KEY], "1 cd")
}

fn is_problem(answer: &Answer, status: u16, code: &str) {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert!(answer.text().contains(code), "{}", answer.text());
}

#[test]
fn copies_get_the_first_answer_and_do_not_run() {
    let (server, kept) = (counting(201, Duration::ZERO), Kept::new());
    let gateway = gateway(server.address(), policy(), &kept);
    let first = order(&gateway);
    assert_eq!((first.status, first.text().as_str()), (201, "answer 0"));
    assert_eq!(first.header("idempotent-replayed"), None);
    for spelling in ["\"k-1\"", "k-1"] {
        let copy = post(gateway.address(), "/orders", &[("Idempotency-Key", spelling)], "1 cd");
        assert_eq!((copy.status, copy.text().as_str()), (201, "answer 0"));
        assert_eq!(copy.header("idempotent-replayed"), Some("true"));
        assert_eq!(copy.header("location"), Some("/orders/0"));
        assert_eq!(copy.header("content-length"), Some("8"));
        assert_ne!(copy.header("x-request-id"), first.header("x-request-id"));
    }
    let seen = server.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!((&seen[0].body[..], seen[0].header("idempotency-key")), (&b"1 cd"[..], Some("\"k-1\"")));
    let other = post(gateway.address(), "/orders", &[("idempotency-key", "k-2")], "1 cd");
    assert_eq!(other.text(), "answer 1", "another key is another request");
}

#[test]
fn an_answer_is_kept_over_a_restart() {
    let (server, kept) = (counting(200, Duration::ZERO), Kept::new());
    let before = gateway(server.address(), policy(), &kept);
    assert_eq!(order(&before).text(), "answer 0");
    before.workers.stop();
    let kept = kept.again();
    let after = gateway(server.address(), policy(), &kept);
    assert_eq!(order(&after).text(), "answer 0");
    assert_eq!(server.seen().len(), 1);
}

#[test]
fn a_key_stands_for_one_request_of_one_client() {
    let (server, kept) = (counting(200, Duration::ZERO), Kept::new());
    let gateway = gateway(server.address(), policy(), &kept);
    assert_eq!(order(&gateway).text(), "answer 0");
    let address = gateway.address();
    is_problem(&post(address, "/orders", &[KEY], "2 cd"), 422, "FW-3422");
    is_problem(&post(address, "/refunds", &[KEY], "1 cd"), 422, "FW-3422");
    let put = http::send(address, "PUT", "/orders", &[KEY], b"1 cd").expect("an answer");
    is_problem(&put, 422, "FW-3422");
    let elsewhere = ORDER.replace("127.0.0.1", "other\r\nConnection: close");
    let elsewhere = http::raw(address, elsewhere.as_bytes()).expect("an answer");
    assert!(String::from_utf8_lossy(&elsewhere).contains("FW-3422"));
    let me = post(address, "/orders", &[KEY, ("authorization", "Bearer me")], "2 cd");
    assert_eq!(me.text(), "answer 1", "another client's key");
    let me = post(address, "/orders", &[KEY, ("authorization", "Bearer me")], "2 cd");
    assert_eq!(me.text(), "answer 1");
    assert_eq!(order(&gateway).text(), "answer 0");
    assert_eq!(server.seen().len(), 2);
}

#[test]
fn copies_that_come_meanwhile_wait_for_the_answer() {
    let (server, kept) = (counting(200, SLOW), Kept::new());
    let gateway = gateway(server.address(), policy(), &kept);
    let address = gateway.address();
    let copies: Vec<_> =
        (0..16).map(|_| thread::spawn(move || post(address, "/orders", &[KEY], "1 cd"))).collect();
    for copy in copies {
        let answer = copy.join().expect("no panic");
        assert_eq!((answer.status, answer.text().as_str()), (200, "answer 0"));
    }
    assert_eq!(server.seen().len(), 1);
}

#[test]
fn copies_that_come_meanwhile_are_refused_where_the_route_says_so() {
    let (server, kept) = (counting(200, SLOW), Kept::new());
    let gateway = gateway(server.address(), refusing(), &kept);
    let address = gateway.address();
    let first = thread::spawn(move || post(address, "/orders", &[KEY], "1 cd"));
    eventually_blocking(PATIENCE, "the first runs", || !server.seen().is_empty());
    let copy = order(&gateway);
    is_problem(&copy, 409, "FW-3409");
    assert_eq!(copy.header("retry-after"), Some("1"));
    is_problem(&post(address, "/orders", &[KEY], "2 cd"), 422, "FW-3422");
    assert_eq!(first.join().expect("no panic").text(), "answer 0");
    assert_eq!(order(&gateway).text(), "answer 0");
    assert_eq!(server.seen().len(), 1);
}

#[test]
fn a_run_goes_on_when_its_client_leaves() {
    let (server, kept) = (counting(200, SLOW), Kept::new());
    let gateway = gateway(server.address(), policy(), &kept);
    let mut client = connect(gateway.address());
    write(&mut client, ORDER);
    eventually_blocking(PATIENCE, "it runs", || !server.seen().is_empty());
    drop(client);
    assert_eq!(order(&gateway).text(), "answer 0");
    assert_eq!(server.seen().len(), 1);
}

#[test]
fn a_drain_waits_for_what_runs_without_a_client() {
    let (server, kept) = (counting(200, SLOW), Kept::new());
    let before = gateway(server.address(), policy(), &kept);
    let mut client = connect(before.address());
    write(&mut client, ORDER);
    eventually_blocking(PATIENCE, "it runs", || !server.seen().is_empty());
    drop(client);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    assert_eq!(runtime.block_on(before.workers.drain(PATIENCE)), 0);
    before.workers.stop();
    let after = gateway(server.address(), refusing(), &kept);
    assert_eq!(order(&after).text(), "answer 0");
    assert_eq!(server.seen().len(), 1);
}

#[test]
fn what_is_not_the_last_word_is_not_kept() {
    for status in [500, 503, 409, 429, 401] {
        let kept = Kept::new();
        let server = Upstream::start(move |seen| match seen.index {
            0 => Reply::now(status, "not now"),
            index => Reply::now(201, format!("answer {index}")),
        });
        let gateway = gateway(server.address(), refusing(), &kept);
        let first = order(&gateway);
        assert_eq!((first.status, first.text().as_str()), (status, "not now"));
        assert_eq!(order(&gateway).text(), "answer 1", "{status}");
        assert_eq!(order(&gateway).text(), "answer 1", "{status}");
    }
}

#[test]
fn a_refusal_of_the_service_is_kept() {
    for status in [303, 400, 404, 422] {
        let (server, kept) = (counting(status, Duration::ZERO), Kept::new());
        let gateway = gateway(server.address(), refusing(), &kept);
        assert_eq!(order(&gateway).text(), "answer 0");
        assert_eq!((order(&gateway).status, order(&gateway).text().as_str()), (status, "answer 0"));
    }
    let (server, kept) = (Upstream::always(204, ""), Kept::new());
    let gateway = gateway(server.address(), refusing(), &kept);
    for _ in 0..3 {
        let answer = order(&gateway);
        assert_eq!((answer.status, answer.header("content-length"), answer.text().as_str()), (204, None, ""));
    }
    assert_eq!(server.seen().len(), 1);
}

#[test]
fn a_key_is_asked_for_where_it_is_required() {
    let (server, kept) = (counting(200, Duration::ZERO), Kept::new());
    let gateway = gateway(server.address(), IdempotencyPolicy { required: true, ..policy() }, &kept);
    let address = gateway.address();
    is_problem(&post(address, "/", &[], "1"), 400, "FW-3402");
    is_problem(&post(address, "/", &[("idempotency-key", "a, b")], "1"), 400, "FW-3402");
    is_problem(&post(address, "/", &[KEY, ("idempotency-key", "k-2")], "1"), 400, "FW-3402");
    let upgrade = [("connection", "upgrade"), ("upgrade", "websocket")];
    is_problem(&post(address, "/", &upgrade, ""), 400, "FW-3402");
    assert_eq!(server.seen().len(), 0);
    for method in ["GET", "HEAD", "PUT", "DELETE"] {
        assert_eq!(http::send(address, method, "/", &[], b"").expect("an answer").status, 200, "{method}");
    }
    // Nobody needs another's key to read.
    assert_eq!(http::send(address, "GET", "/", &[KEY], b"").expect("an answer").text(), "answer 4");
    assert_eq!(http::send(address, "GET", "/", &[KEY], b"").expect("an answer").text(), "answer 5");
}

#[test]
fn without_a_key_each_request_runs() {
    let (server, kept) = (counting(200, Duration::ZERO), Kept::new());
    let gateway = gateway(server.address(), policy(), &kept);
    for index in 0..3 {
        assert_eq!(post(gateway.address(), "/", &[], "1").text(), format!("answer {index}"));
    }
}

#[test]
fn an_upgrade_is_no_way_around_a_key() {
    let (server, kept) = (counting(200, Duration::ZERO), Kept::new());
    let gateway = gateway(server.address(), policy(), &kept);
    let upgrade = [KEY, ("connection", "upgrade"), ("upgrade", "websocket")];
    for _ in 0..2 {
        assert_eq!(post(gateway.address(), "/", &upgrade, "").text(), "answer 0");
    }
    let seen = server.seen();
    assert_eq!((seen.len(), seen[0].header("upgrade")), (1, None));
}

#[test]
fn bodies_have_a_bound() {
    let kept = Kept::new();
    let server = Upstream::start(|seen| Reply::now(200, vec![b'a'; seen.body.len() * 10]));
    let small = IdempotencyPolicy { body_max: 100, answer_max: 500, ..policy() };
    let gateway = gateway(server.address(), small, &kept);
    let send =
        |key: &str, len: usize| post(gateway.address(), "/", &[("idempotency-key", key)], &"b".repeat(len));
    is_problem(&send("long", 101), 413, "FW-3413");
    let chunked =
        b"POST / HTTP/1.1\r\nHost: a\r\nIdempotency-Key: c\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n";
    let mut client = connect(gateway.address());
    client.write_all(chunked).and_then(|()| client.write_all(&[b'b'; 0x65])).expect("it is taken");
    assert!(read_head(&mut client).starts_with("HTTP/1.1 413 "));
    assert_eq!(server.seen().len(), 0);
    assert_eq!((send("fits", 50).body.len(), send("fits", 50).body.len()), (500, 500));
    assert_eq!(server.seen().len(), 1);
    // It is given whole, but once.
    assert_eq!(send("large", 51).body.len(), 510);
    is_problem(&send("large", 51), 409, "FW-3410");
    assert_eq!(server.seen().len(), 2);
}

#[test]
fn a_body_may_come_in_chunks_and_after_100_continue() {
    let (server, kept) = (counting(200, Duration::ZERO), Kept::new());
    let gateway = gateway(server.address(), policy(), &kept);
    let mut client = Connection::to(gateway.address()).expect("a connection");
    let head = "POST / HTTP/1.1\r\nHost: a\r\nIdempotency-Key: k\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n";
    for _ in 0..2 {
        client.write(head.as_bytes()).expect("it is taken");
        assert_eq!(client.read_interim().expect("an interim answer"), 100);
        client.write(b"2\r\n1 \r\n2\r\ncd\r\n0\r\n\r\n").expect("it is taken");
        assert_eq!(client.read_answer(false).expect("an answer").text(), "answer 0");
    }
    assert_eq!((server.seen().len(), &server.seen()[0].body[..]), (1, &b"1 cd"[..]));
}

#[test]
fn what_has_broken_off_after_a_success_is_not_run_again() {
    let kept = Kept::new();
    let server = raw_server(|mut stream| {
        read_head(&mut stream);
        write(&mut stream, "HTTP/1.1 201 Created\r\nContent-Length: 10\r\n\r\nhalf");
    });
    let gateway = gateway(server, policy(), &kept);
    is_problem(&post(gateway.address(), "/", &[KEY], ""), 502, "FW-3512");
    is_problem(&post(gateway.address(), "/", &[KEY], ""), 409, "FW-3410");
}

#[test]
fn what_has_not_answered_in_time_keeps_its_key_for_the_lease() {
    let (server, kept) = (counting(200, PATIENCE), Kept::new());
    let hasty = route(server.address()).timeout(Duration::from_secs(1));
    let hasty = hasty.idempotency(refusing(), kept.stores()).start();
    is_problem(&order(&hasty), 504, "FW-3504");
    is_problem(&order(&hasty), 409, "FW-3409");
    assert_eq!(server.seen().len(), 1, "it may be running still");
}

#[test]
fn a_key_is_free_again_after_the_lease_of_who_died() {
    let (server, kept) = (counting(200, Duration::ZERO), Kept::new());
    // Its run has no time at all, and so does not end.
    let dying = IdempotencyPolicy { lease: Duration::from_secs(1), ..refusing() };
    let dying = gateway(server.address(), dying, &kept);
    is_problem(&order(&dying), 504, "FW-3504");
    dying.workers.stop();
    let began = server.seen().len();
    let strict = gateway(server.address(), refusing(), &kept);
    is_problem(&order(&strict), 409, "FW-3409");
    let patient = gateway(server.address(), policy(), &kept);
    let answer = order(&patient);
    assert_eq!((answer.status, answer.text()), (200, format!("answer {began}")));
    assert_eq!(order(&strict).text(), format!("answer {began}"));
}

#[test]
fn nothing_runs_without_the_store() {
    let (server, kept) = (counting(200, Duration::ZERO), Kept::new());
    let none = route(server.address()).idempotency(policy(), Stores::new()).start();
    is_problem(&order(&none), 503, "FW-3507");
    let closed = gateway(server.address(), policy(), &kept);
    kept.engine.close().expect("a clean end");
    let answer = order(&closed);
    is_problem(&answer, 503, "FW-3507");
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(server.seen().len(), 0);
    assert_eq!(post(closed.address(), "/", &[], "").text(), "answer 0", "without a key it needs no store");
}

#[test]
fn what_runs_once_makes_cached_responses_stale() {
    let kept = Kept::new();
    let server = Upstream::start(|seen| {
        Reply::with(200, &[("cache-control", "max-age=60")], format!("answer {}", seen.index))
    });
    let both = route(server.address()).cache(CachePolicy::default());
    let gateway = both.idempotency(policy(), kept.stores()).start();
    let get = || http::get(gateway.address(), "/orders").expect("an answer").text();
    assert_eq!((get().as_str(), get().as_str()), ("answer 0", "answer 0"));
    assert_eq!(order(&gateway).text(), "answer 1");
    assert_eq!(get(), "answer 2");
    assert_eq!(order(&gateway).text(), "answer 1");
    assert_eq!(get(), "answer 2", "what did not run has changed nothing");
}
