//! The view on fjall. Its own journal is never waited for: the log before it is what is durable.

use std::io;
use std::path::Path;
use std::sync::RwLock;
use std::time::Duration;

use fjall::config::CompressionPolicy;
use fjall::{CompressionType, Database, Keyspace, KeyspaceCreateOptions, PersistMode, Readable, Slice};

use super::{Edit, Pairs, Space, View};
use crate::sync::{read, write};

/// Memory of one keyspace before it is written to a table. A store's is larger: four times as much is a
/// fourth of the tables to merge, and a third more puts.
const MEMTABLE_BYTES: u64 = 8 << 20;
const STORE_MEMTABLE_BYTES: u64 = 32 << 20;
/// What the name of a store's keyspace begins with.
const STORE: &str = "store.";
/// Memory that may wait to be written to tables, beside one full memtable per keyspace. Beyond it,
/// commits wait.
const UNWRITTEN_BYTES_MAX: u64 = 64 << 20;
/// The longest that one commit waits: a stuck table writer must show as slowness, not as a hang.
const WAIT_MAX: Duration = Duration::from_millis(250);
/// The first leaves merging tables to the others while any is to be done, by asking again and again: with
/// one other, which is busy for long, that takes a whole core.
const WORKERS: usize = 3;

/// The state in a folder.
pub(crate) struct FjallView {
    database: Database,
    spaces: RwLock<Vec<(String, Keyspace)>>,
}

impl std::fmt::Debug for FjallView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FjallView").finish_non_exhaustive()
    }
}

impl FjallView {
    /// Opens the state, and creates it if need be.
    pub(crate) fn open(folder: &Path, cache_bytes: u64) -> io::Result<Self> {
        let database = Database::builder(folder)
            .cache_size(cache_bytes)
            .worker_threads(WORKERS)
            .max_cached_files(Some(256))
            .max_journaling_size(64 << 20)
            .journal_compression(CompressionType::None)
            .manual_journal_persist(true)
            .open()
            .map_err(storage)?;
        let view = Self { database, spaces: RwLock::default() };
        for name in ["meta", "expiry"] {
            view.keyspace(name)?;
        }
        Ok(view)
    }

    fn keyspace(&self, name: &str) -> io::Result<Space> {
        let mut spaces = write(&self.spaces);
        if let Some(at) = spaces.iter().position(|(known, _)| known == name) {
            return Ok(Space(at));
        }
        let keyspace = self.database.keyspace(name, || options(name)).map_err(storage)?;
        spaces.push((name.to_owned(), keyspace));
        Ok(Space(spaces.len() - 1))
    }

    /// Holds a writer back that is quicker than tables are written.
    fn wait_for_tables(&self) {
        let memtables: u64 = read(&self.spaces).iter().map(|(name, _)| memtable_bytes(name)).sum();
        let pause = Duration::from_millis(1);
        let mut waited = Duration::ZERO;
        while self.database.write_buffer_size() > memtables + UNWRITTEN_BYTES_MAX && waited < WAIT_MAX {
            std::thread::sleep(pause);
            waited += pause;
        }
    }

    fn at(&self, space: Space) -> Keyspace {
        read(&self.spaces)[space.0].1.clone()
    }
}

fn memtable_bytes(name: &str) -> u64 {
    if name.starts_with(STORE) { STORE_MEMTABLE_BYTES } else { MEMTABLE_BYTES }
}

fn options(name: &str) -> KeyspaceCreateOptions {
    KeyspaceCreateOptions::default()
        .max_memtable_size(memtable_bytes(name))
        .manual_journal_persist(true)
        .data_block_compression_policy(CompressionPolicy::new([
            CompressionType::None,
            CompressionType::None,
            CompressionType::Lz4,
        ]))
}

fn storage(error: fjall::Error) -> io::Error {
    match error {
        fjall::Error::Io(error) => error,
        // A write in the background failed; why is in the log, and the next write finds it as it is.
        fjall::Error::Poisoned => io::Error::other(
            "an earlier write of the state's files failed, as on a full disk: make room and start again, \
             nothing acknowledged is lost",
        ),
        other => io::Error::other(other),
    }
}

impl View for FjallView {
    fn space(&self, store: &str) -> io::Result<Space> {
        self.keyspace(&format!("{STORE}{store}"))
    }

    fn get(&self, space: Space, key: &[u8]) -> io::Result<Option<Slice>> {
        self.at(space).get(key).map_err(storage)
    }

    fn get_many(&self, space: Space, keys: &[String]) -> io::Result<Vec<Option<Slice>>> {
        let (snapshot, keyspace) = (self.database.snapshot(), self.at(space));
        keys.iter().map(|key| snapshot.get(&keyspace, key).map_err(storage)).collect()
    }

    fn range(&self, space: Space, from: &[u8], to: &[u8], most: usize) -> io::Result<Pairs> {
        self.at(space).range(from..to).take(most).map(|guard| guard.into_inner().map_err(storage)).collect()
    }

    fn apply(&self, edits: Vec<Edit>) -> io::Result<()> {
        let mut batch = fjall::OwnedWriteBatch::with_capacity(self.database.clone(), edits.len());
        {
            let spaces = read(&self.spaces);
            for edit in edits {
                let keyspace = &spaces[edit.space.0].1;
                match edit.value {
                    Some(value) => batch.insert(keyspace, edit.key, value),
                    None => batch.remove(keyspace, edit.key),
                }
            }
        }
        batch.commit().map_err(storage)?;
        self.wait_for_tables();
        Ok(())
    }

    fn persist(&self) -> io::Result<()> {
        self.database.persist(PersistMode::SyncAll).map_err(storage)
    }
}
