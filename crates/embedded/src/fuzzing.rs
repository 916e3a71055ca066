//! What holds of a log with any bytes in it: the entry point of a fuzz target in `fuzz`, and of the property test
//! beside this. It panics where it does not hold.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use floodway_blocks::topics::Outgoing;

use crate::clock::Clock;
use crate::disk::Disk as _;
use crate::disk::simulated::SimulatedDisk;
use crate::engine::{Engine, Ground};
use crate::log::file_name;
use crate::log::frame::{FORMAT, SegmentHead, seal};
use crate::options::{Durability, Options, StoreOptions, TopicsOptions};
use crate::view::memory::MemoryView;
use crate::{OpenError, Recovery};

const SALT: u32 = 7;

/// Opens a log of one segment. The first byte says how the others stand in it: as the whole file, after a right
/// header, or as the operations of a frame that is right, as many as the second byte says.
///
/// It is refused, or it opens, takes a message, and opens again with nothing more to cut.
pub fn log(bytes: &[u8]) {
    let Some((kind, rest)) = bytes.split_first() else { return };
    let file = match (kind % 3, rest.split_first()) {
        (0, _) => rest.to_vec(),
        (1, _) => [&header(), rest].concat(),
        (_, Some((ops, body))) => [&header()[..], &seal(body, u32::from(*ops), SALT)].concat(),
        (_, None) => return,
    };
    let (disk, view) = (SimulatedDisk::new(), Arc::new(MemoryView::new()));
    let segment = disk.create(&file_name(1)).expect("a disk in memory");
    segment.write_at(&file, 0).expect("a disk in memory");
    let Ok((engine, _)) = open(&disk, &view) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let topics = engine.topics("topics").expect("it was named");
    let message = Outgoing::new("message".into());
    runtime.block_on(topics.publish("topic", vec![message])).expect("a log that opens can be written");
    drop(topics);
    engine.close().expect("what was written can be closed");
    let (_, recovery) = open(&disk, &view).expect("what was closed opens");
    assert_eq!((recovery.cut_bytes, recovery.replayed), (0, 0), "{recovery}");
}

fn header() -> Vec<u8> {
    SegmentHead { format: FORMAT, salt: SALT, number: 1, after: 0, first: 1, durable: 0 }.encode().to_vec()
}

fn open(disk: &SimulatedDisk, view: &Arc<MemoryView>) -> Result<(Engine, Recovery), OpenError> {
    let ground = Ground {
        disk: Arc::new(disk.clone()),
        view: Arc::clone(view) as _,
        clock: Clock::Set(Arc::new(AtomicU64::new(1_000_000))),
        folder_lock: None,
    };
    let options = Options {
        stores: vec![StoreOptions { name: "store".into(), durability: Durability::Fsync }],
        topics: vec![TopicsOptions { name: "topics".into(), durability: Durability::Fsync }],
        locks: vec!["locks".into()],
        jobs: vec!["jobs".into()],
        ..Options::default()
    };
    Engine::on(ground, &options)
}
