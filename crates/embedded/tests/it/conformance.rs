//! The suite that every engine must pass, at every durability.

use std::time::Duration;

use floodway_blocks::conformance;
use floodway_embedded::{Durability, Engine, Options, StoreOptions, TopicsOptions};

const LEVELS: [(&str, Durability); 3] = [
    ("fsync", Durability::Fsync),
    ("interval", Durability::Interval(Duration::from_millis(10))),
    ("none", Durability::None),
];

fn options() -> Options {
    let named = |(name, durability): (&str, Durability)| (name.to_owned(), durability);
    Options {
        stores: LEVELS.map(named).map(|(name, durability)| StoreOptions { name, durability }).to_vec(),
        topics: LEVELS.map(named).map(|(name, durability)| TopicsOptions { name, durability }).to_vec(),
        locks: vec!["default".to_owned()],
        jobs: vec!["jobs".to_owned()],
        ..Options::default()
    }
}

#[tokio::test]
async fn state_conforms_at_every_durability() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, _) = Engine::open(folder.path(), options()).unwrap();
    for (name, _) in LEVELS {
        conformance::state(engine.store(name).unwrap().as_ref()).await;
    }
    engine.close().unwrap();
}

#[tokio::test]
async fn topics_conform_at_every_durability() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, _) = Engine::open(folder.path(), options()).unwrap();
    for (name, _) in LEVELS {
        conformance::topics(engine.topics(name).unwrap().as_ref()).await;
    }
    engine.close().unwrap();
}

#[tokio::test]
async fn locks_conform() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, _) = Engine::open(folder.path(), options()).unwrap();
    conformance::locks(engine.locks("default").unwrap().as_ref()).await;
    engine.close().unwrap();
}

#[tokio::test]
async fn jobs_conform() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, _) = Engine::open(folder.path(), options()).unwrap();
    conformance::jobs(engine.jobs("jobs").unwrap().as_ref()).await;
    engine.close().unwrap();
}
