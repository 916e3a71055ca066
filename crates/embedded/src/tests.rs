//! The engine with a clock that the test sets: expiry, leases, bounds, closing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use floodway_blocks::Failure;
use floodway_blocks::jobs::{Entry, IfThere};
use floodway_blocks::lock::{TryLock, Unlock};
use floodway_blocks::state::{Change, Effect, Etag, Outbound, Precondition, Store, Transaction, WriteError};
use floodway_blocks::topics::{Once, Outgoing, Settlement};

use crate::clock::Clock;
use crate::disk::simulated::SimulatedDisk;
use crate::engine::{Engine, Ground};
use crate::options::{Durability, Limits, Options, StoreOptions, TopicsOptions};
use crate::view::memory::MemoryView;
use crate::view::{EXPIRY, View};

struct Bench {
    disk: SimulatedDisk,
    view: Arc<MemoryView>,
    now_ms: Arc<AtomicU64>,
}

impl Bench {
    fn new() -> Self {
        let (disk, view) = (SimulatedDisk::new(), Arc::new(MemoryView::new()));
        Self { disk, view, now_ms: Arc::new(AtomicU64::new(1_000_000)) }
    }

    fn open(&self, limits: Limits) -> Engine {
        let ground = Ground {
            disk: Arc::new(self.disk.clone()),
            view: Arc::clone(&self.view) as _,
            clock: Clock::Set(Arc::clone(&self.now_ms)),
            folder_lock: None,
        };
        let options = Options {
            stores: vec![StoreOptions { name: "store".into(), durability: Durability::Fsync }],
            topics: vec![TopicsOptions { name: "topics".into(), durability: Durability::Fsync }],
            locks: vec!["locks".into()],
            jobs: vec!["jobs".into()],
            limits,
        };
        Engine::on(ground, &options).unwrap().0
    }

    fn pass(&self, time: Duration) {
        self.now_ms.fetch_add(u64::try_from(time.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

fn put(key: &str, value: Vec<u8>, ttl: Option<Duration>) -> Change {
    let effect = Effect::Put { value: value.into(), ttl };
    Change { key: key.to_owned(), effect, precondition: Precondition::None }
}

async fn write(store: &dyn Store, change: Change) -> Result<(), WriteError> {
    store.write_each(vec![change]).await.remove(0)
}

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn expired_values_are_hidden_at_once_and_removed_later() {
    let bench = Bench::new();
    let engine = bench.open(Limits::default());
    let store = engine.store("store").unwrap();
    for number in 0..3000 {
        write(store.as_ref(), put(&format!("short-{number}"), vec![1], Some(SECOND))).await.unwrap();
    }
    write(store.as_ref(), put("renewed", vec![1], Some(SECOND))).await.unwrap();
    write(store.as_ref(), put("renewed", vec![2], None)).await.unwrap();
    bench.pass(SECOND);
    assert_eq!(store.get("short-7").await.unwrap(), None);
    let space = bench.view.space("store").unwrap();
    assert!(bench.view.get(space, b"short-7").unwrap().is_some(), "hidden, not removed yet");
    engine.sweep_now();
    // Answered after the sweep, which was asked for before.
    write(store.as_ref(), put("after", vec![3], None)).await.unwrap();
    assert_eq!(bench.view.range(space, b"short", b"shorz", 10).unwrap(), Vec::new());
    assert_eq!(bench.view.range(EXPIRY, &[], &[0xff], 10).unwrap(), Vec::new());
    assert!(store.get("renewed").await.unwrap().is_some());
    engine.close().unwrap();
}

#[tokio::test]
async fn a_lease_outlives_a_restart_and_ends_on_time() {
    let bench = Bench::new();
    let engine = bench.open(Limits::default());
    let locks = engine.locks("locks").unwrap();
    let TryLock::Granted(first) = locks.try_lock("a", "owner", SECOND * 10).await.unwrap() else {
        panic!("a is free");
    };
    engine.close().unwrap();
    let engine = bench.open(Limits::default());
    let locks = engine.locks("locks").unwrap();
    assert_eq!(locks.try_lock("a", "other", SECOND).await.unwrap(), TryLock::Held);
    assert_eq!(locks.unlock("a", "other").await.unwrap(), Unlock::NotOwner);
    bench.pass(SECOND * 10);
    let TryLock::Granted(second) = locks.try_lock("a", "other", SECOND).await.unwrap() else {
        panic!("the lease has run out");
    };
    assert!(second > first);
    engine.close().unwrap();
}

#[tokio::test]
async fn an_etag_of_another_form_is_invalid() {
    let bench = Bench::new();
    let engine = bench.open(Limits::default());
    let store = engine.store("store").unwrap();
    for etag in ["", "x", "-1", "01", "1.0", "99999999999999999999999"] {
        let matches = Precondition::Matches(Etag(etag.into()));
        let verdict = write(store.as_ref(), Change { precondition: matches, ..put("a", vec![], None) }).await;
        assert!(matches!(verdict, Err(WriteError::InvalidEtag { .. })), "{etag:?}: {verdict:?}");
    }
    engine.close().unwrap();
}

#[tokio::test]
async fn what_exceeds_a_bound_is_refused() {
    let bench = Bench::new();
    let limits = Limits {
        key_bytes: 10,
        value_bytes: 100,
        transaction_bytes: 150,
        transaction_changes: 3,
        topics: 2,
        locks: 1,
        ..Limits::default()
    };
    let engine = bench.open(limits);
    let store = engine.store("store").unwrap();
    write(store.as_ref(), put("0123456789", vec![0; 100], None)).await.unwrap();
    for change in [put("0123456789a", vec![], None), put("a", vec![0; 101], None)] {
        let verdict = write(store.as_ref(), change).await;
        assert!(matches!(verdict, Err(WriteError::TooLarge { .. })), "{verdict:?}");
    }
    let two = vec![put("a", vec![0; 80], None), put("b", vec![0; 80], None)];
    let verdicts = store.write_each(two.clone()).await;
    assert!(
        verdicts.iter().all(|verdict| matches!(verdict, Err(WriteError::TooLarge { .. }))),
        "{verdicts:?}"
    );
    let verdict = store.transact(Transaction { changes: two, outbox: Vec::new() }).await;
    assert!(matches!(verdict, Err(WriteError::TooLarge { what: "transaction", .. })), "{verdict:?}");
    let four = vec![put("a", vec![], None); 4];
    assert!(store.transact(Transaction { changes: four, outbox: Vec::new() }).await.is_err());
    let message = |bytes| Outgoing::new(vec![0; bytes].into());
    let elsewhere = Outbound { topics: "unknown".into(), topic: "t".into(), message: message(1) };
    let verdict = store.transact(Transaction { changes: Vec::new(), outbox: vec![elsewhere] }).await;
    assert!(matches!(verdict, Err(WriteError::Failed(Failure::Io { .. }))), "{verdict:?}");
    let topics = engine.topics("topics").unwrap();
    assert!(topics.publish("one", vec![message(101)]).await.is_err());
    topics.publish("one", vec![message(100)]).await.unwrap();
    topics.publish("two", vec![message(1)]).await.unwrap();
    let third = topics.publish("three", vec![message(1)]).await;
    assert!(matches!(third, Err(Failure::Overloaded { .. })), "{third:?}");
    let locks = engine.locks("locks").unwrap();
    locks.try_lock("a", "owner", SECOND).await.unwrap();
    let second = locks.try_lock("b", "owner", SECOND).await;
    assert!(matches!(second, Err(Failure::Overloaded { .. })), "{second:?}");
    engine.close().unwrap();
}

#[tokio::test]
async fn a_full_queue_refuses_as_overload() {
    let bench = Bench::new();
    let engine = bench.open(Limits { queue_depth: 0, ..Limits::default() });
    let verdict = write(engine.store("store").unwrap().as_ref(), put("a", vec![1], None)).await;
    assert!(matches!(verdict, Err(WriteError::Failed(Failure::Overloaded { .. }))), "{verdict:?}");
    engine.close().unwrap();
}

#[tokio::test]
async fn after_closing_the_ports_say_so_and_receivers_are_let_go() {
    let bench = Bench::new();
    let engine = bench.open(Limits::default());
    let (store, topics) = (engine.store("store").unwrap(), engine.topics("topics").unwrap());
    let mut group = topics.subscribe("t", "group").await.unwrap();
    let closing = async {
        tokio::task::yield_now().await;
        engine.close().unwrap();
    };
    let (received, ()) = tokio::join!(group.receive(1), closing);
    assert!(matches!(received, Err(Failure::Stopping { .. })), "{received:?}");
    let verdict = write(store.as_ref(), put("a", vec![1], None)).await;
    assert!(matches!(verdict, Err(WriteError::Failed(Failure::Stopping { .. }))), "{verdict:?}");
    assert_eq!(store.get("a").await.unwrap(), None);
}

#[tokio::test]
async fn opening_a_group_again_takes_it_over() {
    let bench = Bench::new();
    let engine = bench.open(Limits::default());
    let topics = engine.topics("topics").unwrap();
    let mut first = topics.subscribe("t", "group").await.unwrap();
    let message = Outgoing::new("m".into());
    topics.publish("t", vec![message]).await.unwrap();
    assert_eq!(first.receive(1).await.unwrap().len(), 1);
    let mut second = topics.subscribe("t", "group").await.unwrap();
    assert!(matches!(first.receive(1).await, Err(Failure::Stopping { .. })));
    assert_eq!(second.receive(1).await.unwrap().len(), 1);
    engine.close().unwrap();
}

fn due_at(bench: &Bench, wait: Duration, body: &'static str) -> Entry {
    let now = Duration::from_millis(bench.now_ms.load(Ordering::SeqCst));
    Entry { due: SystemTime::UNIX_EPOCH + now + wait, body: body.into() }
}

#[tokio::test]
async fn a_job_outlives_a_restart_and_comes_on_time() {
    let bench = Bench::new();
    let engine = bench.open(Limits::default());
    let jobs = engine.jobs("jobs").unwrap();
    assert!(jobs.write("app", "soon", due_at(&bench, SECOND * 5, "body"), IfThere::Keep).await.unwrap());
    assert!(jobs.write("app", "never", due_at(&bench, SECOND * 500, ""), IfThere::Keep).await.unwrap());
    engine.close().unwrap();
    let engine = bench.open(Limits::default());
    let jobs = engine.jobs("jobs").unwrap();
    assert_eq!(jobs.names("app").await.unwrap(), ["never", "soon"]);
    let mut place = jobs.open("app");
    let early = tokio::time::timeout(SECOND / 10, place.due(10)).await;
    assert!(early.is_err(), "it is not due: {early:?}");
    // Missed, as a node that was down would.
    bench.pass(SECOND * 60);
    let due = place.due(10).await.unwrap();
    assert_eq!(due.iter().map(|job| job.name.as_str()).collect::<Vec<_>>(), ["soon"]);
    assert_eq!(due[0].entry.body, "body");
    // Handed out and not settled: it is due again.
    engine.close().unwrap();
    let engine = bench.open(Limits::default());
    let again = engine.jobs("jobs").unwrap().open("app").due(10).await.unwrap();
    assert_eq!(again, due);
    engine.close().unwrap();
}

#[tokio::test]
async fn jobs_have_bounds_and_let_go_at_the_end() {
    let bench = Bench::new();
    let engine = bench.open(Limits { jobs: 1, value_bytes: 10, ..Limits::default() });
    let jobs = engine.jobs("jobs").unwrap();
    let later = |body| due_at(&bench, SECOND * 500, body);
    assert!(jobs.write("app", "long", later("01234567890"), IfThere::Keep).await.is_err());
    assert!(jobs.write("app", "a\0b", later(""), IfThere::Keep).await.is_err());
    assert!(jobs.write("app", "one", later("0123456789"), IfThere::Keep).await.unwrap());
    let second = jobs.write("app", "two", later(""), IfThere::Keep).await;
    assert!(matches!(second, Err(Failure::Overloaded { .. })), "{second:?}");
    assert!(jobs.write("app", "one", later(""), IfThere::Replace).await.unwrap());
    jobs.remove("app", vec!["one".to_owned()]).await.unwrap();
    assert!(jobs.write("app", "two", later(""), IfThere::Keep).await.unwrap());
    let mut place = jobs.open("app");
    let closing = async {
        tokio::task::yield_now().await;
        engine.close().unwrap();
    };
    let (due, ()) = tokio::join!(place.due(1), closing);
    assert!(matches!(due, Err(Failure::Stopping { .. })), "{due:?}");
    assert!(matches!(jobs.names("app").await, Err(Failure::Stopping { .. })));
}

#[tokio::test]
async fn messages_for_later_outlive_a_restart_and_come_in_the_order_of_their_times() {
    let bench = Bench::new();
    let later = |number: u32| {
        let due = SystemTime::UNIX_EPOCH + SECOND * (1100 - number);
        Outgoing { due: Some(due), ..Outgoing::new(number.to_string().into()) }
    };
    let engine = bench.open(Limits::default());
    let topics = engine.topics("topics").unwrap();
    // More than are read at once.
    for number in 0..50 {
        topics.publish("t", vec![later(number)]).await.unwrap();
    }
    engine.close().unwrap();
    bench.pass(SECOND * 95);
    let engine = bench.open(Limits::default());
    engine.checkpoint_now();
    let mut group = engine.topics("topics").unwrap().subscribe("t", "group").await.unwrap();
    let mut came = Vec::new();
    while came.len() < 45 {
        for message in group.receive(10).await.unwrap() {
            came.push(std::str::from_utf8(&message.payload).unwrap().parse::<u32>().unwrap());
            group.settle(message.position, Settlement::Done).await.unwrap();
        }
    }
    assert_eq!(came, (5..50).rev().collect::<Vec<_>>());
    engine.close().unwrap();
    bench.pass(SECOND * 100);
    let engine = bench.open(Limits::default());
    let mut group = engine.topics("topics").unwrap().subscribe("t", "group").await.unwrap();
    let mut left = Vec::new();
    while left.len() < 5 {
        left.extend(group.receive(10).await.unwrap().into_iter().map(|message| message.payload));
    }
    assert_eq!(left, ["4", "3", "2", "1", "0"]);
    engine.close().unwrap();
}

#[tokio::test]
async fn a_name_stays_used_over_a_restart_and_until_its_time_is_over() {
    let bench = Bench::new();
    let named =
        || Outgoing { once: Some(Once { id: "a".into(), keep: SECOND * 60 }), ..Outgoing::new("m".into()) };
    let mut engine = bench.open(Limits::default());
    for _ in 0..2 {
        engine.topics("topics").unwrap().publish("t", vec![named()]).await.unwrap();
        bench.pass(SECOND * 29);
        engine.close().unwrap();
        engine = bench.open(Limits::default());
    }
    let topics = engine.topics("topics").unwrap();
    let mut group = topics.subscribe("t", "group").await.unwrap();
    assert_eq!(group.receive(10).await.unwrap().len(), 1);
    bench.pass(SECOND * 2);
    topics.publish("t", vec![named()]).await.unwrap();
    assert_eq!(group.receive(10).await.unwrap().len(), 1, "a minute later it is another message");
    bench.pass(SECOND * 120);
    engine.sweep_now();
    // Answered after the sweep, which was asked for before.
    topics.publish("t", vec![Outgoing::new("after".into())]).await.unwrap();
    let seen = bench.view.space("$seen").unwrap();
    assert_eq!(bench.view.range(seen, b"", b"~", 10).unwrap(), Vec::new());
    engine.close().unwrap();
}
