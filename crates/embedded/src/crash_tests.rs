//! The engine on a simulated disk that crashes at every operation, runs full, and fails to sync.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use floodway_blocks::Failure;
use floodway_blocks::jobs::{DueJobs, Entry, IfThere, Jobs};
use floodway_blocks::lock::{FencingToken, TryLock};
use floodway_blocks::state::{Change, Effect, Outbound, Precondition, Transaction, WriteError};
use floodway_blocks::topics::{Forget, Once, Outgoing, Settlement, Subscription};

use crate::clock::Clock;
use crate::disk::simulated::{Fault, SimulatedDisk};
use crate::engine::{Engine, Ground};
use crate::options::{Durability, Limits, Options, StoreOptions, TopicsOptions};
use crate::view::memory::MemoryView;
use crate::{OpenError, Recovery};

fn options(segment_bytes: u64) -> Options {
    Options {
        stores: vec![StoreOptions { name: "store".into(), durability: Durability::Fsync }],
        topics: vec![
            TopicsOptions { name: "topics".into(), durability: Durability::Fsync },
            TopicsOptions { name: "quick".into(), durability: Durability::None },
        ],
        locks: vec!["locks".into()],
        jobs: vec!["jobs".into()],
        limits: Limits { segment_bytes, unread_bytes: 0, ..Limits::default() },
    }
}

/// When a script begins, and when all its messages for later are due, in milliseconds.
const BEGIN: u64 = 1_000_000;
const END: u64 = 2_000_000;

/// Opens with small segments, so that a short script crosses them.
fn open(disk: &SimulatedDisk, view: &Arc<MemoryView>) -> Result<(Engine, Recovery), OpenError> {
    open_at(BEGIN, disk, view, 4 << 10)
}

/// Opens when all is due.
fn open_in_the_end(disk: &SimulatedDisk, view: &Arc<MemoryView>) -> Result<(Engine, Recovery), OpenError> {
    open_at(END, disk, view, 4 << 10)
}

fn open_at(
    now_ms: u64,
    disk: &SimulatedDisk,
    view: &Arc<MemoryView>,
    segment_bytes: u64,
) -> Result<(Engine, Recovery), OpenError> {
    open_by(&Arc::new(AtomicU64::new(now_ms)), disk, view, segment_bytes)
}

fn open_by(
    now_ms: &Arc<AtomicU64>,
    disk: &SimulatedDisk,
    view: &Arc<MemoryView>,
    segment_bytes: u64,
) -> Result<(Engine, Recovery), OpenError> {
    let ground = Ground {
        disk: Arc::new(disk.clone()),
        view: Arc::clone(view) as _,
        clock: Clock::Set(Arc::clone(now_ms)),
        folder_lock: None,
    };
    Engine::on(ground, &options(segment_bytes))
}

/// What the script saw acknowledged, and what it tried.
#[derive(Debug, Default)]
struct Seen {
    put: BTreeMap<String, u64>,
    published: BTreeSet<String>,
    /// Where each message stands that came, as often as it was published.
    received: Places,
    token: u64,
    tried: u64,
    jobs: BTreeMap<String, SeenJob>,
    /// Groups that are over.
    gone: BTreeSet<String>,
}

type Places = BTreeMap<String, BTreeSet<u64>>;

/// What the script knows of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SeenJob {
    /// Acknowledged.
    Written,
    /// Acknowledged, for a time far away.
    Again,
    /// Acknowledged to be over.
    Over,
    /// On its way from one to another.
    Settling,
}

fn change(key: &str, number: u64) -> Change {
    let value = Bytes::from(format!("{number:0>100}"));
    Change { key: key.to_owned(), effect: Effect::Put { value, ttl: None }, precondition: Precondition::None }
}

fn message(text: &str) -> Outgoing {
    Outgoing::new(Bytes::copy_from_slice(text.as_bytes()))
}

fn text(payload: &Bytes) -> String {
    String::from_utf8(payload.to_vec()).unwrap()
}

/// Works through a fixed list of operations until one fails.
async fn work(engine: &Engine, seen: &mut Seen, rounds: std::ops::Range<u64>) -> Result<(), WriteError> {
    let store = engine.store("store").unwrap();
    let (topics, quick) = (engine.topics("topics").unwrap(), engine.topics("quick").unwrap());
    let locks = engine.locks("locks").unwrap();
    let mut group = topics.subscribe("orders", "group").await?;
    let mut quick_group = quick.subscribe("orders", "group").await?;
    let jobs = engine.jobs("jobs").unwrap();
    let mut place = jobs.open("app");
    for number in rounds {
        seen.tried = number;
        let key = format!("key-{}", number % 3);
        store.write_each(vec![change(&key, number)]).await.remove(0)?;
        seen.put.insert(key, number);

        quick.publish("orders", vec![message(&format!("quick {number}"))]).await?;
        let left = message(&format!("left with {number}"));
        let outbound = Outbound { topics: "topics".into(), topic: "orders".into(), message: left };
        let changes = vec![change("one", number), change("two", number)];
        store.transact(Transaction { changes, outbox: vec![outbound] }).await?;
        seen.put.extend([("one".to_owned(), number), ("two".to_owned(), number)]);
        seen.published.insert(format!("left with {number}"));

        topics.publish("orders", vec![message(&format!("message {number}"))]).await?;
        seen.published.insert(format!("message {number}"));
        // For a time at which the script goes on, or at which it has ended.
        let due = SystemTime::UNIX_EPOCH + Duration::from_millis(BEGIN + 150_000 * (1 + number % 4));
        let later = Outgoing { due: Some(due), ..message(&format!("later {number}")) };
        topics.publish("orders", vec![later]).await?;
        seen.published.insert(format!("later {number}"));
        // Several rounds with one name.
        let once = format!("once {}", number / 4);
        let named = Once { id: once.as_str().into(), keep: Duration::from_hours(1) };
        topics.publish("orders", vec![Outgoing { once: Some(named), ..message(&once) }]).await?;
        seen.published.insert(once);
        let name = format!("gone {number}");
        drop(topics.subscribe("orders", &name).await?);
        assert_eq!(topics.forget("orders", &name).await?, Forget::Done);
        seen.gone.insert(name);
        for received in group.receive(1).await? {
            seen.received.entry(text(&received.payload)).or_default().insert(received.position.0);
            let dead = Settlement::DeadLetter { topic: "dead".to_owned() };
            let settlement = if number % 4 == 0 { dead } else { Settlement::Done };
            group.settle(received.position, settlement).await?;
        }
        for received in quick_group.receive(1).await? {
            quick_group.settle(received.position, Settlement::Done).await?;
        }
        let resource = format!("resource {number}");
        if let TryLock::Granted(FencingToken(token)) =
            locks.try_lock(&resource, "owner", Duration::from_secs(5)).await?
        {
            assert!(token > seen.token, "token {token} after {}", seen.token);
            seen.token = token;
        }
        work_on_jobs(jobs.as_ref(), &mut *place, seen, number).await?;
        if number % 5 == 4 {
            engine.checkpoint_now();
        }
    }
    Ok(())
}

fn entry(due: u64) -> Entry {
    Entry { due: SystemTime::UNIX_EPOCH + Duration::from_secs(due), body: "job".into() }
}

/// Writes a job that is due, takes one that is, and settles it: two of three are over.
async fn work_on_jobs(
    jobs: &dyn Jobs,
    place: &mut dyn DueJobs,
    seen: &mut Seen,
    number: u64,
) -> Result<(), Failure> {
    let name = format!("job {number}");
    jobs.write("app", &name, entry(0), IfThere::Keep).await?;
    seen.jobs.insert(name, SeenJob::Written);
    let Some(job) = place.due(1).await?.pop() else { panic!("a job is due") };
    let before = seen.jobs.insert(job.name.clone(), SeenJob::Settling);
    assert!(!matches!(before, Some(SeenJob::Over | SeenJob::Again)), "{} came again", job.name);
    let (next, after) = match number % 3 {
        0 => (Some(entry(u64::MAX / 10_000)), SeenJob::Again),
        _ => (None, SeenJob::Over),
    };
    assert!(jobs.settle("app", &job.name, job.version, next).await?, "{} was not settled", job.name);
    seen.jobs.insert(job.name, after);
    Ok(())
}

async fn check_jobs(engine: &Engine, seen: &Seen, context: &str) {
    let jobs = engine.jobs("jobs").unwrap();
    for (name, known) in &seen.jobs {
        let found = jobs.read("app", name).await.unwrap().map(|entry| entry.due);
        match known {
            SeenJob::Written => assert_eq!(found, Some(entry(0).due), "{context}: {name} is lost"),
            SeenJob::Again => assert_ne!(found, None, "{context}: {name} is lost, it was to come again"),
            SeenJob::Over => assert_eq!(found, None, "{context}: {name} is back, it was over"),
            SeenJob::Settling => {}
        }
    }
}

async fn number_of(engine: &Engine, key: &str) -> Option<u64> {
    let item = engine.store("store").unwrap().get(key).await.unwrap()?;
    Some(std::str::from_utf8(&item.value).unwrap().trim_start_matches('0').parse().unwrap_or(0))
}

/// Everything acknowledged is there, and nothing is half there.
async fn check(engine: &Engine, seen: &mut Seen, context: &str) {
    for (key, number) in &seen.put {
        let found = number_of(engine, key).await;
        let is_right = found.is_some_and(|found| (*number..=seen.tried).contains(&found));
        assert!(is_right, "{context}: {key} is {found:?}, {number} was acknowledged");
    }
    let (one, two) = (number_of(engine, "one").await, number_of(engine, "two").await);
    assert_eq!(one, two, "{context}: half a transaction");
    check_jobs(engine, seen, context).await;
    let topics = engine.topics("topics").unwrap();
    for name in &seen.gone {
        let found = topics.forget("orders", name).await.unwrap();
        assert_eq!(found, Forget::Unknown, "{context}: the group {name:?} is back");
    }
    let mut group = topics.subscribe("orders", "group").await.unwrap();
    engine.release_now().await.unwrap();
    topics.publish("orders", vec![message("end")]).await.unwrap();
    drain(&mut group, &mut seen.received).await;
    let mut quick = engine.topics("quick").unwrap().subscribe("orders", "group").await.unwrap();
    engine.topics("quick").unwrap().publish("orders", vec![message("end")]).await.unwrap();
    drain(&mut quick, &mut Places::new()).await;
    for message in &seen.published {
        assert!(seen.received.contains_key(message), "{context}: {message:?} is lost");
    }
    for (message, places) in &seen.received {
        assert_eq!(places.len(), 1, "{context}: {message:?} was published at {places:?}");
    }
    if let Some(number) = one {
        let left = format!("left with {number}");
        assert!(seen.received.contains_key(&left), "{context}: {left:?} is lost, its state is there");
    }
    let locks = engine.locks("locks").unwrap();
    let resource = format!("check after {}", seen.token);
    match locks.try_lock(&resource, "owner", Duration::from_secs(5)).await.unwrap() {
        TryLock::Granted(FencingToken(token)) => {
            assert!(token > seen.token, "{context}: token {token} after {}", seen.token);
            seen.token = token;
        }
        TryLock::Held => panic!("{context}: nobody can hold this"),
    }
}

async fn drain(group: &mut Box<dyn Subscription>, into: &mut Places) {
    loop {
        for received in group.receive(10).await.unwrap() {
            group.settle(received.position, Settlement::Done).await.unwrap();
            if text(&received.payload) == "end" {
                return;
            }
            into.entry(text(&received.payload)).or_default().insert(received.position.0);
        }
    }
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Crashes at one operation, and again at another one of what follows. Says whether the first crash came.
fn crash_twice(at: u64, seed: u64) -> bool {
    let context = format!("crash at {at}, seed {seed}");
    let (mut disk, mut view) = (SimulatedDisk::new(), Arc::new(MemoryView::new()));
    let mut noted = Seen::default();
    let mut came = Vec::new();
    let again = 1 + (at * 31 + seed * 17) % 150;
    for (rounds, now_ms, at) in [(0..12, BEGIN, at), (12..20, BEGIN + 400_000, again)] {
        disk.plan(at, Fault::Crash);
        // A crash while opening leaves nothing to work with.
        if let Ok((engine, _)) = open_at(now_ms, &disk, &view, 4 << 10) {
            let worked = run(work(&engine, &mut noted, rounds));
            assert!(worked.is_ok() || !disk.is_waiting(), "{context}: {worked:?} without a crash");
            drop(engine);
        }
        came.push(!disk.is_waiting());
        disk = disk.after_crash(seed + at);
        // What the view has made durable by itself is not known: all of it, or what was asked for.
        view = if seed.is_multiple_of(2) { Arc::new(view.after_crash()) } else { view };
    }
    let (engine, recovery) =
        open_in_the_end(&disk, &view).unwrap_or_else(|error| panic!("{context}: {error}"));
    run(check(&engine, &mut noted, &format!("{context}: {recovery}")));
    engine.close().unwrap();
    let (engine, recovery) =
        open_in_the_end(&disk, &view).unwrap_or_else(|error| panic!("{context}, closed: {error}"));
    assert_eq!((recovery.cut_bytes, recovery.replayed), (0, 0), "{context}: closed cleanly, yet {recovery}");
    run(check(&engine, &mut noted, &context));
    engine.close().unwrap();
    came[0]
}

#[test]
fn a_crash_at_any_operation_loses_nothing_acknowledged() {
    for seed in 0..4 {
        // Until the script ends before the crash comes.
        let crashes = (1..1000).take_while(|&at| crash_twice(at, seed)).count();
        assert!((100..999).contains(&crashes), "{crashes} crashes");
    }
}

#[test]
fn a_full_disk_is_reported_and_recovered_from() {
    for at in 1..80 {
        let (disk, view) = (SimulatedDisk::new(), Arc::new(MemoryView::new()));
        let mut seen = Seen::default();
        let now_ms = Arc::new(AtomicU64::new(BEGIN));
        let (engine, _) = open_by(&now_ms, &disk, &view, 4 << 10).unwrap();
        disk.plan(at, Fault::Full);
        let mut rounds = 0;
        while rounds < 30 {
            match run(work(&engine, &mut seen, rounds..30)) {
                Ok(()) => break,
                Err(WriteError::Failed(Failure::Io { source, .. })) => {
                    assert_eq!(source.kind(), std::io::ErrorKind::StorageFull, "full at {at}: {source}");
                }
                Err(other) => panic!("full at {at}: {other}"),
            }
            rounds = seen.tried + 1;
        }
        now_ms.store(END, Ordering::SeqCst);
        run(check(&engine, &mut seen, &format!("full at {at}")));
        drop(engine);
        let (engine, _) = open_in_the_end(&disk.after_crash(at), &Arc::new(view.after_crash())).unwrap();
        run(check(&engine, &mut seen, &format!("full at {at}, opened again")));
        engine.close().unwrap();
    }
}

#[test]
fn after_a_failed_sync_nothing_is_written_until_reopened() {
    for at in 1..80 {
        let (disk, view) = (SimulatedDisk::new(), Arc::new(MemoryView::new()));
        let mut seen = Seen::default();
        // In one segment, so that the fault does not hit a spare, which may fail without harm.
        let (engine, _) = open_at(BEGIN, &disk, &view, 1 << 20).unwrap();
        disk.plan(at, Fault::Sync);
        let failed = run(work(&engine, &mut seen, 0..30)).unwrap_err();
        assert!(matches!(failed, WriteError::Failed(Failure::Io { .. })), "sync {at}: {failed}");
        let next = run(engine.store("store").unwrap().write_each(vec![change("next", 1)])).remove(0);
        let Err(WriteError::Failed(Failure::Io { source, .. })) = next else {
            panic!("sync {at}: {next:?} after a failed sync");
        };
        assert!(source.to_string().starts_with("[FW-4006]"), "{source}");
        assert!(engine.close().is_err(), "sync {at}: closed as if nothing had happened");
        let (engine, _) = open_in_the_end(&disk.after_crash(at), &Arc::new(view.after_crash())).unwrap();
        run(check(&engine, &mut seen, &format!("sync {at}, opened again")));
        engine.close().unwrap();
    }
}

#[test]
fn a_position_that_a_crash_lost_is_not_given_out_again() {
    for seed in 0..20 {
        let (disk, view) = (SimulatedDisk::new(), Arc::new(MemoryView::new()));
        let (engine, _) = open(&disk, &view).unwrap();
        run(engine.store("store").unwrap().write_each(vec![change("synced", 1)])).remove(0).unwrap();
        let before = run(last_position(&engine, "before", 30));
        disk.plan(1, Fault::Crash);
        drop(engine);
        let (engine, _) = open(&disk.after_crash(seed), &Arc::new(view.after_crash())).unwrap();
        let after = run(last_position(&engine, "after", 1));
        assert!(after > before, "seed {seed}: position {after} after {before}");
        engine.close().unwrap();
    }
}

/// The position of the last of so many messages, which nobody has synced.
async fn last_position(engine: &Engine, topic: &str, messages: usize) -> u64 {
    let topics = engine.topics("quick").unwrap();
    let mut group = topics.subscribe(topic, "group").await.unwrap();
    topics.publish(topic, vec![message("quick"); messages]).await.unwrap();
    let mut last = 0;
    for _ in 0..messages {
        last = group.receive(1).await.unwrap()[0].position.0;
    }
    last
}
