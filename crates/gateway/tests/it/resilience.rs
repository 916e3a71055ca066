//! Retries, queues and breakers between real sockets.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use floodway_kit::{Upstream, http};
use floodway_policy::admission::{AdmissionPolicy, Class, Limit, PriorityPolicy};
use floodway_policy::breaker::{BreakerPolicy, Trip};
use floodway_policy::budget::BudgetPolicy;
use floodway_policy::hedge::{HedgePolicy, Late};
use floodway_policy::retry::Statuses;

use crate::support::{PATIENCE, builder, raw_server, read_head, write};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// A server that holds each answer back until it is let go.
#[derive(Default)]
struct Gate {
    is_open: Mutex<bool>,
    changed: Condvar,
    arrived: AtomicUsize,
}

impl Gate {
    fn server(self: &Arc<Self>) -> SocketAddr {
        let gate = Arc::clone(self);
        raw_server(move |mut stream| {
            while !read_head(&mut stream).is_empty() {
                gate.arrived.fetch_add(1, Ordering::SeqCst);
                let is_open = gate.is_open.lock().expect("a lock");
                drop(gate.changed.wait_while(is_open, |is_open| !*is_open).expect("a lock"));
                write(&mut stream, OK);
            }
        })
    }

    fn open(&self) {
        *self.is_open.lock().expect("a lock") = true;
        self.changed.notify_all();
    }

    fn wait_arrived(&self, count: usize) {
        let has_come = || self.arrived.load(Ordering::SeqCst) == count;
        floodway_kit::eventually_blocking(PATIENCE, "requests arrive", has_come);
    }
}

fn get(address: SocketAddr, headers: &[(&str, &str)]) -> http::Answer {
    http::send(address, "GET", "/", headers, b"").expect("an answer")
}

#[test]
fn a_status_that_is_named_is_tried_on_another_replica() {
    let (bad, good) = (Upstream::always(503, "no"), Upstream::always(200, "yes"));
    let gateway = builder()
        .service(&[bad.address(), good.address()])
        .route("/*", &[], 0)
        .retry(|retry| retry.statuses = Statuses::NONE.with(503).expect("a server's status"))
        .start();
    for _ in 0..8 {
        assert_eq!(get(gateway.address(), &[]).status, 200);
    }
    let sent = http::send(gateway.address(), "POST", "/", &[], b"x");
    assert!(matches!(sent.expect("an answer").status, 200 | 503));
    assert!(!bad.seen().is_empty(), "it was asked first now and then");
}

#[test]
fn a_replica_that_is_slow_is_given_up_for_another() {
    let gate = Arc::<Gate>::default();
    let good = Upstream::always(200, "yes");
    let gateway = builder()
        .service(&[gate.server(), good.address()])
        .route("/*", &[], 0)
        .retry(|retry| retry.try_timeout = Some(Duration::from_millis(100)))
        .start();
    for _ in 0..4 {
        assert_eq!(get(gateway.address(), &[]).text(), "yes");
    }
    gate.open();
}

#[test]
fn an_only_replica_that_comes_back_within_the_pauses_loses_no_request() {
    let address = floodway_kit::free_address();
    let gateway = builder()
        .service(&[address])
        .route("/*", &[], 0)
        .retry(|retry| (retry.max, retry.backoff.initial) = (5, Duration::from_millis(200)))
        .start();
    let starter = thread::spawn(move || {
        floodway_kit::pause_until(std::time::Instant::now() + Duration::from_millis(150));
        let listener = TcpListener::bind(address).expect("the port is still free");
        let (mut stream, _) = listener.accept().expect("a connection");
        let head = read_head(&mut stream);
        write(&mut stream, "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nback");
        head
    });
    let answer = http::send(gateway.address(), "POST", "/", &[], b"once").expect("an answer");
    assert_eq!((answer.status, answer.text()), (200, "back".into()));
    assert!(starter.join().expect("a request").starts_with("POST / "));
}

#[test]
fn retries_stay_within_their_budget() {
    let bad = Upstream::always(503, "no");
    let gateway = builder()
        .service(&[bad.address()])
        .route("/*", &[], 0)
        .retry(|retry| retry.statuses = Statuses::NONE.with(503).expect("a server's status"))
        .budget(BudgetPolicy { percent: 20, per_second: 0 })
        .one_worker()
        .start();
    for _ in 0..50 {
        assert_eq!(get(gateway.address(), &[]).status, 503);
    }
    assert_eq!((bad.seen().len(), gateway.counts().retries), (60, 10));
}

#[test]
fn a_second_try_answers_while_the_first_is_late() {
    let gate = Arc::<Gate>::default();
    let good = Upstream::always(200, "yes");
    let gateway = builder()
        .service(&[gate.server(), good.address()])
        .route("/*", &[], 0)
        .hedge(HedgePolicy { after: Late::After(Duration::from_millis(50)), share: 1_000_000 })
        .one_worker()
        .start();
    for _ in 0..10 {
        assert_eq!(get(gateway.address(), &[]).text(), "yes");
    }
    let arrived = gate.arrived.load(Ordering::SeqCst) as u64;
    let counts = gateway.counts();
    assert!(arrived >= 1, "it was asked first now and then");
    assert!(counts.hedges >= 1 && counts.hedges <= 10, "{}", counts.hedges);
    assert_eq!(counts.retries, 0);
    gateway.wait_quiet();
    // What may not happen twice waits for the one it went to.
    let address = gateway.address();
    let post = move || http::send(address, "POST", "/", &[], b"x").map(|answer| answer.status);
    let posted = thread::spawn(move || [post(), post()].map(|status| status.expect("an answer")));
    let has_come = || gate.arrived.load(Ordering::SeqCst) as u64 > arrived;
    floodway_kit::eventually_blocking(PATIENCE, "the slow one is posted to", has_come);
    gate.open();
    assert_eq!(posted.join().expect("answers"), [200, 200]);
    assert_eq!(gateway.counts().hedges, counts.hedges);
}

#[test]
fn second_tries_are_a_share_of_the_requests() {
    let gate = Arc::<Gate>::default();
    let gateway = builder()
        .service(&[gate.server(), gate.server()])
        .route("/*", &[], 0)
        .hedge(HedgePolicy { after: Late::After(Duration::from_millis(1)), share: 100_000 })
        .one_worker()
        .start();
    let address = gateway.address();
    let asking: Vec<_> = (0..20).map(|_| thread::spawn(move || get(address, &[]))).collect();
    gate.wait_arrived(22);
    gate.open();
    for asked in asking {
        assert_eq!(asked.join().expect("an answer").text(), "ok");
    }
    assert_eq!(gateway.counts().hedges, 2);
    gateway.wait_quiet();
}

#[test]
fn what_is_too_much_waits_and_what_is_too_long_is_refused() {
    let gate = Arc::<Gate>::default();
    let queue_time = Duration::from_secs(5);
    let gateway = builder()
        .service(&[gate.server()])
        .route("/*", &[], 0)
        .guard(|guard| {
            guard.admission = Some(AdmissionPolicy { limit: Limit::Fixed(2), queue_max: 1, queue_time });
        })
        .one_worker()
        .start();
    let address = gateway.address();
    let mut asking: Vec<_> = (0..2).map(|_| thread::spawn(move || get(address, &[]))).collect();
    gate.wait_arrived(2);
    asking.push(thread::spawn(move || get(address, &[])));
    floodway_kit::eventually_blocking(PATIENCE, "three are in flight", || gateway.counts().in_flight == 3);
    let refused = get(address, &[]);
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    assert!(refused.text().contains("FW-3513"), "{}", refused.text());
    assert_eq!(gate.arrived.load(Ordering::SeqCst), 2, "the third waits");
    gate.open();
    for asked in asking {
        assert_eq!(asked.join().expect("an answer").text(), "ok");
    }
}

#[test]
fn a_critical_request_takes_the_place_of_one_that_matters_less() {
    let gate = Arc::<Gate>::default();
    let queue_time = Duration::from_secs(5);
    let gateway = builder()
        .service(&[gate.server()])
        .route("/*", &[], 0)
        .guard(|guard| {
            guard.admission = Some(AdmissionPolicy { limit: Limit::Fixed(1), queue_max: 1, queue_time });
        })
        .priority(PriorityPolicy { header: "x-priority".into(), default: Class::NORMAL })
        .one_worker()
        .start();
    let address = gateway.address();
    let first = thread::spawn(move || get(address, &[]));
    gate.wait_arrived(1);
    let low = thread::spawn(move || get(address, &[("x-priority", "background")]));
    floodway_kit::eventually_blocking(PATIENCE, "two are in flight", || gateway.counts().in_flight == 2);
    let high = thread::spawn(move || get(address, &[("x-priority", "Critical")]));
    assert_eq!(low.join().expect("an answer").status, 503);
    gate.open();
    assert_eq!(first.join().expect("an answer").status, 200);
    assert_eq!(high.join().expect("an answer").status, 200);
}

#[test]
fn a_client_that_leaves_the_queue_leaves_no_hole() {
    let gate = Arc::<Gate>::default();
    let queue_time = Duration::from_millis(200);
    let gateway = builder()
        .service(&[gate.server()])
        .route("/*", &[], 0)
        .guard(|guard| {
            guard.admission = Some(AdmissionPolicy { limit: Limit::Fixed(1), queue_max: 5, queue_time });
        })
        .one_worker()
        .start();
    let address = gateway.address();
    let first = thread::spawn(move || get(address, &[]));
    gate.wait_arrived(1);
    assert_eq!(get(address, &[]).status, 503, "it waited as long as one may");
    gate.open();
    assert_eq!(first.join().expect("an answer").status, 200);
    for _ in 0..5 {
        assert_eq!(get(address, &[]).status, 200);
    }
}

#[test]
fn a_service_that_fails_is_left_alone_for_a_while() {
    let bad = Upstream::always(500, "no");
    let breaker = BreakerPolicy {
        trip: Trip::Share { percent: 50, volume: 5, window: Duration::from_secs(10) },
        open: Duration::from_mins(1),
        ..BreakerPolicy::default()
    };
    let gateway = builder()
        .service(&[bad.address()])
        .route("/*", &[], 0)
        .guard(|guard| guard.breaker = Some(breaker))
        .one_worker()
        .start();
    let statuses: Vec<_> = (0..10).map(|_| get(gateway.address(), &[]).status).collect();
    assert_eq!(statuses, [500, 500, 500, 500, 500, 503, 503, 503, 503, 503]);
    assert!(get(gateway.address(), &[]).text().contains("FW-3523"));
    assert_eq!(bad.seen().len(), 5);
}
