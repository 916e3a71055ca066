//! A disk that is really full: a small file system in memory, in a mount namespace of the test's own.

use std::error::Error;
use std::path::Path;
use std::process::Command;

use bytes::Bytes;
use floodway_blocks::state::{Change, Effect, Precondition, WriteError};
use floodway_embedded::{Durability, Engine, Limits, Options, StoreOptions};

const FOLDER: &str = "FLOODWAY_TEST_FULL_DISK";
/// What stands beside the engine's files, and is removed to make room.
const BALLAST_BYTES: usize = 64 << 20;

/// The test itself runs as another process, since it needs a file system of its own.
#[test]
fn a_full_disk_is_a_clear_error_and_nothing_acknowledged_is_lost() {
    if std::env::var_os(FOLDER).is_some() {
        return on_a_small_disk();
    }
    let folder = tempfile::tempdir().unwrap();
    let script = format!(
        "mount -t tmpfs -o size=96m tmpfs \"${FOLDER}\" && exec \"$0\" --exact \
         full_disk::a_full_disk_is_a_clear_error_and_nothing_acknowledged_is_lost --nocapture"
    );
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", &script]);
    let output = command.arg(std::env::current_exe().unwrap()).env(FOLDER, folder.path()).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(
        output.status.success(),
        "{}\n(where users may make no namespaces, run this as root)",
        String::from_utf8_lossy(&said)
    );
}

fn on_a_small_disk() {
    let folder = std::env::var_os(FOLDER).unwrap();
    let folder = Path::new(&folder);
    std::fs::write(folder.join("ballast"), vec![1; BALLAST_BYTES]).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let data = folder.join("data");
    let (engine, _) = Engine::open(&data, options()).unwrap();
    let (acknowledged, error) = runtime.block_on(fill(&engine));
    assert!(acknowledged > 10, "only {acknowledged} writes found room");
    assert!(is_full(&error), "{error:?}");
    runtime.block_on(check(&engine, acknowledged));
    // What it could not write is no reason to lose what it did; ending may fail as well.
    if let Err(error) = engine.close() {
        assert!(is_full(&error), "{error:?}");
    }
    std::fs::remove_file(folder.join("ballast")).unwrap();
    let (engine, _) = Engine::open(&data, options()).unwrap();
    runtime.block_on(async {
        check(&engine, acknowledged).await;
        put(&engine, acknowledged).await.unwrap();
    });
    engine.close().unwrap();
}

fn options() -> Options {
    Options {
        stores: vec![StoreOptions { name: "store".into(), durability: Durability::Fsync }],
        limits: Limits { segment_bytes: 1 << 20, ..Limits::default() },
        ..Options::default()
    }
}

/// Writes until the disk is full; how many were acknowledged, and why no more.
async fn fill(engine: &Engine) -> (u64, WriteError) {
    for number in 0.. {
        if let Err(error) = put(engine, number).await {
            return (number, error);
        }
    }
    unreachable!("the disk is small");
}

/// Whether an error says that the disk is full, has it for its cause, or says that a write in the background
/// found it so.
fn is_full(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        if text.contains("No space left on device") || text.contains("as on a full disk") {
            return true;
        }
        next = error.source();
    }
    false
}

/// What cannot be packed tightly.
fn value(number: u64) -> Bytes {
    let mut random = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    (0..2 << 10).flat_map(|_| next().to_le_bytes()).collect()
}

async fn put(engine: &Engine, number: u64) -> Result<(), WriteError> {
    let effect = Effect::Put { value: value(number), ttl: None };
    let change = Change { key: format!("key-{number}"), effect, precondition: Precondition::None };
    engine.store("store").unwrap().write_each(vec![change]).await.remove(0)
}

async fn check(engine: &Engine, acknowledged: u64) {
    let store = engine.store("store").unwrap();
    for number in 0..acknowledged {
        let item = store.get(&format!("key-{number}")).await.unwrap();
        assert_eq!(item.map(|item| item.value), Some(value(number)), "key-{number} of {acknowledged}");
    }
}
