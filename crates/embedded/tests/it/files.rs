//! Backlogs, reclaimed segments, torn tails and damage, on real files.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use floodway_blocks::state::{Change, Effect, Precondition};
use floodway_blocks::topics::{Forget, Outgoing, Settlement, Subscription};
use floodway_embedded::{Durability, Engine, Limits, OpenError, Options, StoreOptions, TopicsOptions};

const MESSAGE: usize = 1000;

fn options() -> Options {
    Options {
        stores: vec![StoreOptions { name: "store".into(), durability: Durability::Fsync }],
        topics: vec![TopicsOptions { name: "topics".into(), durability: Durability::None }],
        locks: Vec::new(),
        jobs: Vec::new(),
        limits: Limits { segment_bytes: 256 << 10, tail_bytes: 64 << 10, ..Limits::default() },
    }
}

fn payload(number: usize) -> Bytes {
    Bytes::from(format!("{number:0>MESSAGE$}"))
}

async fn publish(engine: &Engine, topic: &str, numbers: std::ops::Range<usize>) {
    let topics = engine.topics("topics").unwrap();
    for number in numbers.step_by(50) {
        let messages = (number..number + 50).map(|number| Outgoing::new(payload(number)));
        topics.publish(topic, messages.collect()).await.unwrap();
    }
}

async fn consume(group: &mut Box<dyn Subscription>, numbers: std::ops::Range<usize>) {
    let mut expected = numbers.clone();
    while !expected.is_empty() {
        for message in group.receive(expected.len().min(100)).await.unwrap() {
            assert_eq!(message.payload, payload(expected.next().unwrap()), "out of {numbers:?}");
            group.settle(message.position, Settlement::Done).await.unwrap();
        }
    }
}

async fn put(engine: &Engine, key: &str, bytes: usize) {
    let effect = Effect::Put { value: vec![7; bytes].into(), ttl: None };
    let change = Change { key: key.into(), effect, precondition: Precondition::None };
    engine.store("store").unwrap().write_each(vec![change]).await.remove(0).unwrap();
}

fn segments(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder.join("log")).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "log"));
    files.sort();
    files
}

#[tokio::test]
async fn a_backlog_larger_than_memory_is_read_from_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, _) = Engine::open(folder.path(), options()).unwrap();
    let topics = engine.topics("topics").unwrap();
    let mut group = topics.subscribe("orders", "group").await.unwrap();
    publish(&engine, "orders", 0..3000).await;
    publish(&engine, "others", 0..1000).await;
    publish(&engine, "orders", 3000..5000).await;
    consume(&mut group, 0..2500).await;
    publish(&engine, "orders", 5000..5050).await;
    consume(&mut group, 2500..5050).await;
    assert!(segments(folder.path()).len() > 10);
    engine.close().unwrap();
}

#[tokio::test]
async fn a_backlog_survives_reopening_and_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, _) = Engine::open(folder.path(), options()).unwrap();
    let mut group = engine.topics("topics").unwrap().subscribe("orders", "group").await.unwrap();
    publish(&engine, "orders", 0..2000).await;
    consume(&mut group, 0..700).await;
    drop(group);
    engine.close().unwrap();
    let (engine, recovery) = Engine::open(folder.path(), options()).unwrap();
    assert_eq!((recovery.cut_bytes, recovery.replayed), (0, 0), "{recovery}");
    let mut group = engine.topics("topics").unwrap().subscribe("orders", "group").await.unwrap();
    consume(&mut group, 700..2000).await;
    engine.close().unwrap();
}

#[tokio::test]
async fn receive_waits_while_the_window_is_full() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options();
    options.limits.window = 100;
    let (engine, _) = Engine::open(folder.path(), options).unwrap();
    let mut group = engine.topics("topics").unwrap().subscribe("orders", "group").await.unwrap();
    publish(&engine, "orders", 0..200).await;
    let mut held = Vec::new();
    while held.len() < 100 {
        held.extend(group.receive(1000).await.unwrap());
    }
    assert_eq!(held.len(), 100);
    let waiting = tokio::time::timeout(std::time::Duration::from_millis(50), group.receive(1)).await;
    assert!(waiting.is_err(), "a message came beyond the window");
    group.settle(held[0].position, Settlement::Done).await.unwrap();
    assert_eq!(group.receive(1000).await.unwrap()[0].payload, payload(100));
    engine.close().unwrap();
}

#[tokio::test]
async fn segments_are_given_back_once_every_group_has_consumed_them() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, _) = Engine::open(folder.path(), options()).unwrap();
    let topics = engine.topics("topics").unwrap();
    let mut quick = topics.subscribe("orders", "quick").await.unwrap();
    let mut slow = topics.subscribe("orders", "slow").await.unwrap();
    publish(&engine, "orders", 0..3000).await;
    let before = segments(folder.path()).len();
    consume(&mut quick, 0..3000).await;
    assert!(
        eventually(|| segments(folder.path()).len() < before).await.is_err(),
        "slow has not consumed them"
    );
    consume(&mut slow, 0..3000).await;
    eventually(|| segments(folder.path()).len() <= 2).await.unwrap();
    publish(&engine, "orders", 3000..3050).await;
    consume(&mut quick, 3000..3050).await;
    drop((quick, slow, topics));
    engine.close().unwrap();
    let (engine, _) = Engine::open(folder.path(), options()).unwrap();
    let mut slow = engine.topics("topics").unwrap().subscribe("orders", "slow").await.unwrap();
    consume(&mut slow, 3000..3050).await;
    engine.close().unwrap();
}

#[tokio::test]
async fn a_forgotten_group_holds_no_segments() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, _) = Engine::open(folder.path(), options()).unwrap();
    let topics = engine.topics("topics").unwrap();
    let mut quick = topics.subscribe("orders", "quick").await.unwrap();
    drop(topics.subscribe("orders", "gone").await.unwrap());
    publish(&engine, "orders", 0..3000).await;
    consume(&mut quick, 0..3000).await;
    assert!(segments(folder.path()).len() > 5);
    assert_eq!(topics.forget("orders", "gone").await.unwrap(), Forget::Done);
    eventually(|| segments(folder.path()).len() <= 2).await.unwrap();
    drop((quick, topics));
    engine.close().unwrap();
}

#[tokio::test]
async fn messages_without_a_group_stay_while_the_log_is_short() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options();
    options.limits.unread_bytes = 6 * options.limits.segment_bytes;
    let (engine, _) = Engine::open(folder.path(), options.clone()).unwrap();
    let topics = engine.topics("topics").unwrap();
    let mut read = topics.subscribe("read", "group").await.unwrap();
    publish(&engine, "dead", 0..50).await;
    publish(&engine, "read", 0..500).await;
    consume(&mut read, 0..500).await;
    assert!(segments(folder.path()).len() > 1);
    drop((read, topics));
    // Closing gives back what it can.
    engine.close().unwrap();
    let (engine, _) = Engine::open(folder.path(), options.clone()).unwrap();
    let mut dead = engine.topics("topics").unwrap().subscribe("dead", "group").await.unwrap();
    consume(&mut dead, 0..50).await;
    publish(&engine, "others", 0..5000).await;
    drop(dead);
    engine.close().unwrap();
    let left = segments(folder.path()).len();
    assert!((4..=6).contains(&left), "{left} segments are left");
}

/// Two checkpoints are at most 5 s apart.
async fn eventually(is_so: impl Fn() -> bool) -> Result<(), &'static str> {
    for _ in 0..140 {
        if is_so() {
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    Err("not so in time")
}

#[tokio::test]
async fn a_second_opener_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, _) = Engine::open(folder.path(), options()).unwrap();
    let second = Engine::open(folder.path(), options());
    assert!(matches!(second, Err(OpenError::InUse { .. })), "{second:?}");
    engine.close().unwrap();
    Engine::open(folder.path(), options()).unwrap();
}

#[tokio::test]
async fn a_torn_tail_is_cut_and_reported() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, _) = Engine::open(folder.path(), options()).unwrap();
    put(&engine, "kept", 100).await;
    engine.close().unwrap();
    let last = segments(folder.path()).pop().unwrap();
    let end = last.metadata().unwrap().len();
    let file = File::options().write(true).open(&last).unwrap();
    file.write_all_at(&[0xab; 77], end).unwrap();
    let (engine, recovery) = Engine::open(folder.path(), options()).unwrap();
    assert_eq!(recovery.cut_bytes, 77, "{recovery}");
    assert!(recovery.to_string().contains("cut 77 B"), "{recovery}");
    assert!(engine.store("store").unwrap().get("kept").await.unwrap().is_some());
    engine.close().unwrap();
}

#[tokio::test]
async fn damage_before_the_tail_is_an_error_that_names_the_place() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, _) = Engine::open(folder.path(), options()).unwrap();
    for number in 0..5 {
        put(&engine, &format!("key-{number}"), 1000).await;
    }
    engine.close().unwrap();
    let first = segments(folder.path()).remove(0);
    let file = File::options().write(true).open(&first).unwrap();
    file.write_all_at(&[0xff], 2500).unwrap();
    let opened = Engine::open(folder.path(), options());
    let Err(OpenError::Damaged { file, offset, .. }) = opened else { panic!("{opened:?}") };
    assert_eq!(file, first.display().to_string());
    assert!((1000..=2500).contains(&offset), "byte {offset}");
    let text = Engine::open(folder.path(), options()).unwrap_err().to_string();
    assert!(text.starts_with("[FW-4002]"), "{text}");
}

#[tokio::test]
async fn a_missing_segment_is_damage() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, _) = Engine::open(folder.path(), options()).unwrap();
    let group = engine.topics("topics").unwrap().subscribe("orders", "group").await.unwrap();
    publish(&engine, "orders", 0..1000).await;
    drop(group);
    engine.close().unwrap();
    std::fs::remove_file(&segments(folder.path())[1]).unwrap();
    assert!(matches!(Engine::open(folder.path(), options()), Err(OpenError::Damaged { .. })));
}
