//! A writer process is killed with -9 again and again; everything it saw acknowledged must be there.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use floodway_blocks::jobs::{Entry, IfThere, Jobs};
use floodway_blocks::lock::{FencingToken, Locks, TryLock, Unlock};
use floodway_blocks::state::{Change, Effect, Outbound, Precondition, Store, Transaction};
use floodway_blocks::topics::{Once, Outgoing, Settlement, Subscription, Topics};
use floodway_embedded::{Durability, Engine, Limits, Options, StoreOptions, TopicsOptions};
use tokio::task::JoinSet;

const FOLDER: &str = "FLOODWAY_TEST_FOLDER";
const LEVEL: &str = "FLOODWAY_TEST_LEVEL";
const ROUND: &str = "FLOODWAY_TEST_ROUND";

fn options(durability: Durability) -> Options {
    Options {
        stores: vec![StoreOptions { name: "store".into(), durability }],
        topics: vec![TopicsOptions { name: "topics".into(), durability }],
        locks: vec!["locks".into()],
        jobs: vec!["jobs".into()],
        // Small, so that a short run crosses segments, zeroed ones too.
        limits: Limits { segment_bytes: 128 << 10, ..Limits::default() },
    }
}

fn level(name: &str) -> Durability {
    match name {
        "fsync" => Durability::Fsync,
        "interval" => Durability::Interval(Duration::from_millis(5)),
        _ => Durability::None,
    }
}

/// What the writer said was acknowledged, or handed to it.
#[derive(Debug, Default)]
struct Said {
    /// The last number put under each key.
    put: BTreeMap<String, u64>,
    published: BTreeSet<String>,
    received: BTreeSet<String>,
    /// Where each message stands that is in its topic once.
    single: BTreeMap<String, u64>,
    token: u64,
    /// Jobs that were written, that may be over, and that are.
    written: BTreeSet<String>,
    settling: BTreeSet<String>,
    over: BTreeSet<String>,
    lines: usize,
}

impl Said {
    fn hear(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["put", key, number] => {
                self.put.insert((*key).to_owned(), number.parse().unwrap());
            }
            ["published", message] => {
                self.published.insert((*message).to_owned());
            }
            ["received", message, position] => self.receive(message, position.parse().unwrap()),
            ["token", token] => {
                let token = token.parse().unwrap();
                assert!(token > self.token, "token {token} after {}", self.token);
                self.token = token;
            }
            ["written", job] => {
                // Another thread may have settled it before this was said.
                if !self.settling.contains(*job) {
                    self.written.insert((*job).to_owned());
                }
            }
            ["settling", job] => {
                assert!(!self.over.contains(*job), "{job} came again, it was over");
                self.written.remove(*job);
                self.settling.insert((*job).to_owned());
            }
            ["over", job] => {
                self.over.insert((*job).to_owned());
            }
            _ => return,
        }
        self.lines += 1;
    }

    fn receive(&mut self, message: &str, position: u64) {
        self.received.insert(message.to_owned());
        if message.starts_with("later-") || message.starts_with("once-") {
            let known = *self.single.entry(message.to_owned()).or_insert(position);
            assert_eq!(known, position, "{message} was published twice");
        }
    }

    /// Whether all has come that was published.
    fn has_all(&self) -> bool {
        self.published.is_subset(&self.received)
    }
}

#[test]
fn what_was_acknowledged_survives_kill_9() {
    for seed in floodway_kit::seeds(6) {
        let folder = tempfile::tempdir().unwrap();
        let level_name = ["fsync", "interval", "none"][usize::try_from(seed % 3).unwrap()];
        let mut said = Said::default();
        for round in 0..3 {
            let lines = 50 + (seed * 7919 + round * 104_729) % 1500;
            write_and_kill(folder.path(), level_name, round, lines, &mut said);
            check(folder.path(), level_name, round, &mut said, seed);
        }
    }
}

/// Starts a writer, listens until it has said this many lines, and kills it.
fn write_and_kill(folder: &Path, level: &str, round: u64, lines: u64, said: &mut Said) {
    let mut writer = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "killed::writer", "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder)
        .env(LEVEL, level)
        .env(ROUND, round.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(writer.stdout.take().unwrap());
    let (mut line, enough) = (String::new(), said.lines + usize::try_from(lines).unwrap());
    let mut is_killed = false;
    while output.read_line(&mut line).unwrap() > 0 {
        // A line without its end was cut by the kill.
        if line.ends_with('\n') {
            said.hear(line.trim_end());
        }
        line.clear();
        if said.lines >= enough && !is_killed {
            writer.kill().unwrap();
            is_killed = true;
        }
    }
    let status = writer.wait().unwrap();
    assert!(is_killed, "the writer ended by itself: {status}");
}

/// Opens the folder and looks for everything that was acknowledged.
fn check(folder: &Path, level_name: &str, round: u64, said: &mut Said, seed: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (engine, recovery) = Engine::open(folder, options(level(level_name))).unwrap();
    let context = format!("seed {seed}, round {round}, {level_name}: {recovery}");
    runtime.block_on(async {
        let store = engine.store("store").unwrap();
        for (key, number) in &said.put {
            let found = number_of(store.as_ref(), key).await;
            assert!(found >= Some(*number), "{context}: {key} is {found:?}, {number} was acknowledged");
        }
        drain(&engine, said).await;
        for message in &said.published {
            assert!(said.received.contains(message), "{context}: {message} is lost");
        }
        for message in said.received.iter().filter(|message| message.starts_with("tx-")) {
            let (key, number) = message.rsplit_once('=').unwrap();
            let found = number_of(store.as_ref(), key).await;
            assert!(found >= number.parse().ok(), "{context}: {message} left, but {key} is {found:?}");
        }
        check_outbox(store.as_ref(), said, &context).await;
        let jobs = engine.jobs("jobs").unwrap().names("app").await.unwrap();
        for job in &said.written {
            assert!(jobs.contains(job), "{context}: {job} is lost");
        }
        for job in &jobs {
            assert!(!said.over.contains(job), "{context}: {job} is back, it was over");
        }
        let locks = engine.locks("locks").unwrap();
        let token = grant(locks.as_ref(), &format!("check-{round}")).await;
        assert!(token > said.token, "{context}: token {token} after {}", said.token);
        said.token = token;
    });
    engine.close().unwrap();
}

/// A transaction's value implies its message.
async fn check_outbox(store: &dyn Store, said: &Said, context: &str) {
    for round in 0..=3 {
        for task in 0..4 {
            let key = format!("tx-{round}-{task}");
            if let Some(number) = number_of(store, &key).await {
                let message = format!("{key}={number}");
                assert!(said.received.contains(&message), "{context}: {message} is not there, its state is");
            }
        }
    }
}

async fn number_of(store: &dyn Store, key: &str) -> Option<u64> {
    let item = store.get(key).await.unwrap()?;
    std::str::from_utf8(&item.value).unwrap().trim_start_matches('0').parse().ok().or(Some(0))
}

/// Receives everything that is left, and settles it; what is for later has its time.
async fn drain(engine: &Engine, said: &mut Said) {
    let topics = engine.topics("topics").unwrap();
    let mut group = topics.subscribe("orders", "group").await.unwrap();
    // Names that were used stay so.
    let used = said.published.iter().filter(|message| message.starts_with("once-"));
    topics.publish("orders", used.map(|text| once(text)).collect()).await.unwrap();
    topics.publish("orders", vec![message("end".to_owned())]).await.unwrap();
    let mut has_end = false;
    while !has_end || !said.has_all() {
        let received = tokio::time::timeout(Duration::from_secs(10), group.receive(100)).await;
        // Whoever called says what is missing.
        let Ok(received) = received else { return };
        for received in received.unwrap() {
            let text = String::from_utf8(received.payload.to_vec()).unwrap();
            group.settle(received.position, Settlement::Done).await.unwrap();
            has_end |= text == "end";
            said.receive(&text, received.position.0);
        }
    }
}

/// A message that is published once.
fn once(text: &str) -> Outgoing {
    let name = Once { id: text.into(), keep: Duration::from_hours(1) };
    Outgoing { once: Some(name), ..message(text.to_owned()) }
}

fn message(text: String) -> Outgoing {
    Outgoing::new(text.into())
}

async fn grant(locks: &dyn Locks, resource: &str) -> u64 {
    match locks.try_lock(resource, "owner", Duration::from_mins(1)).await.unwrap() {
        TryLock::Granted(FencingToken(token)) => token,
        TryLock::Held => panic!("{resource} is held"),
    }
}

/// The writer process; does nothing when it runs as an ordinary test.
#[test]
fn writer() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let level = level(&std::env::var(LEVEL).unwrap());
    let round = std::env::var(ROUND).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (engine, _) = Engine::open(Path::new(&folder), options(level)).unwrap();
    // Ends the line that the test runner has begun.
    say("");
    runtime.block_on(async {
        let mut tasks = JoinSet::new();
        let (store, topics) = (engine.store("store").unwrap(), engine.topics("topics").unwrap());
        let group = topics.subscribe("orders", "group").await.unwrap();
        tasks.spawn(consume(group));
        tasks.spawn(lock_and_unlock(engine.locks("locks").unwrap(), round.clone()));
        let jobs = engine.jobs("jobs").unwrap();
        tasks.spawn(run_jobs(Arc::clone(&jobs)));
        tasks.spawn(write_jobs(jobs, round.clone()));
        for task in 0..4 {
            tasks.spawn(put(Arc::clone(&store), format!("key-{round}-{task}")));
            tasks.spawn(publish(Arc::clone(&topics), format!("message-{round}-{task}")));
            tasks.spawn(transact(Arc::clone(&store), format!("tx-{round}-{task}")));
            tasks.spawn(publish_later(Arc::clone(&topics), format!("later-{round}-{task}")));
            tasks.spawn(publish_twice(Arc::clone(&topics), format!("once-{round}-{task}")));
        }
        tasks.join_next().await
    });
    panic!("the writer is ended from outside");
}

/// Whole lines, not through the test's captured output.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("{line}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

fn change(key: &str, number: u64) -> Change {
    // Some bulk, so that segments fill.
    let value = Bytes::from(format!("{number:0>200}"));
    Change { key: key.to_owned(), effect: Effect::Put { value, ttl: None }, precondition: Precondition::None }
}

async fn put(store: Arc<dyn Store>, key: String) {
    for number in 1.. {
        store.write_each(vec![change(&key, number)]).await.remove(0).unwrap();
        say(&format!("put {key} {number}"));
    }
}

async fn publish(topics: Arc<dyn Topics>, name: String) {
    for number in 0.. {
        let text = format!("{name}={number}");
        topics.publish("orders", vec![message(text.clone())]).await.unwrap();
        say(&format!("published {text}"));
    }
}

async fn publish_later(topics: Arc<dyn Topics>, name: String) {
    for number in 0..u32::MAX {
        let text = format!("{name}={number}");
        let due = wall() + Duration::from_millis(u64::from(number % 4) * 10);
        let later = Outgoing { due: Some(due), ..message(text.clone()) };
        topics.publish("orders", vec![later]).await.unwrap();
        say(&format!("published {text}"));
    }
}

async fn publish_twice(topics: Arc<dyn Topics>, name: String) {
    for number in 0.. {
        let text = format!("{name}={number}");
        for _ in 0..2 {
            topics.publish("orders", vec![once(&text)]).await.unwrap();
        }
        say(&format!("published {text}"));
    }
}

#[expect(clippy::disallowed_methods, reason = "what is for later names a moment")]
fn wall() -> SystemTime {
    SystemTime::now()
}

async fn transact(store: Arc<dyn Store>, key: String) {
    for number in 1.. {
        let text = format!("{key}={number}");
        let outbound =
            Outbound { topics: "topics".into(), topic: "orders".into(), message: message(text.clone()) };
        let transaction = Transaction { changes: vec![change(&key, number)], outbox: vec![outbound] };
        store.transact(transaction).await.unwrap();
        say(&format!("published {text}"));
    }
}

async fn consume(mut group: Box<dyn Subscription>) {
    loop {
        for received in group.receive(10).await.unwrap() {
            let (text, position) =
                (String::from_utf8(received.payload.to_vec()).unwrap(), received.position.0);
            say(&format!("received {text} {position}"));
            group.settle(received.position, Settlement::Done).await.unwrap();
        }
    }
}

async fn lock_and_unlock(locks: Arc<dyn Locks>, round: String) {
    let resource = format!("resource-{round}");
    loop {
        say(&format!("token {}", grant(locks.as_ref(), &resource).await));
        assert_eq!(locks.unlock(&resource, "owner").await.unwrap(), Unlock::Done);
    }
}

async fn write_jobs(jobs: Arc<dyn Jobs>, round: String) {
    for number in 0.. {
        let (name, entry) =
            (format!("job-{round}-{number}"), Entry { due: SystemTime::UNIX_EPOCH, body: "job".into() });
        assert!(jobs.write("app", &name, entry, IfThere::Keep).await.unwrap());
        say(&format!("written {name}"));
    }
}

async fn run_jobs(jobs: Arc<dyn Jobs>) {
    let mut place = jobs.open("app");
    loop {
        for job in place.due(10).await.unwrap() {
            say(&format!("settling {}", job.name));
            assert!(jobs.settle("app", &job.name, job.version, None).await.unwrap());
            say(&format!("over {}", job.name));
        }
    }
}
