//! A disk in memory that crashes and fails on demand.
//!
//! Until it is synced, a write may be lost or torn, and a new name, a rename or a removal may not have
//! happened: a crash decides by a seed, each write on its own, as a real disk's cache would.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use super::{Disk, DiskFile};
use crate::sync::lock;

/// What goes wrong at an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Power is lost while it runs; everything later fails too.
    Crash,
    /// The next write from then on finds the disk full, after a part was written.
    Full,
    /// The next sync from then on fails.
    Sync,
}

#[derive(Debug, Clone)]
pub(crate) struct SimulatedDisk(Arc<Mutex<State>>);

#[derive(Debug, Clone, Default)]
struct State {
    files: Vec<Contents>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    renaming: Vec<NameChange>,
    operations: u64,
    fault: Option<(u64, Fault)>,
    is_down: bool,
}

#[derive(Debug, Clone, Default)]
struct Contents {
    now: Vec<u8>,
    durable: Vec<u8>,
    unsynced: Vec<Write>,
}

#[derive(Debug, Clone)]
enum Write {
    Bytes(usize, Vec<u8>),
    Len(usize),
}

#[derive(Debug, Clone)]
enum NameChange {
    Added(String, usize),
    Renamed(String, String),
    Removed(String),
}

#[derive(Debug)]
struct SimulatedFile {
    disk: SimulatedDisk,
    id: usize,
}

impl SimulatedDisk {
    /// An empty disk.
    pub(crate) fn new() -> Self {
        Self(Arc::default())
    }

    /// Plans a fault for operation number `at`, counted from now.
    pub(crate) fn plan(&self, at: u64, fault: Fault) {
        let mut state = lock(&self.0);
        state.fault = Some((state.operations + at, fault));
    }

    /// Whether the planned fault is still to come.
    pub(crate) fn is_waiting(&self) -> bool {
        lock(&self.0).fault.is_some()
    }

    /// The disk as it is found after power was lost.
    pub(crate) fn after_crash(&self, seed: u64) -> Self {
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let state = lock(&self.0);
        let mut names = state.durable_names.clone();
        let kept = random.below(state.renaming.len() + 1);
        state.renaming[..kept].iter().for_each(|change| change.apply(&mut names));
        let files: Vec<Contents> = state
            .files
            .iter()
            .map(|file| {
                let bytes = file.after_crash(&mut random);
                Contents { now: bytes.clone(), durable: bytes, unsynced: Vec::new() }
            })
            .collect();
        Self(Arc::new(Mutex::new(State { files, durable_names: names.clone(), names, ..State::default() })))
    }
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Added(name, id) => {
                names.insert(name.clone(), *id);
            }
            Self::Renamed(from, to) => {
                if let Some(id) = names.remove(from) {
                    names.insert(to.clone(), id);
                }
            }
            Self::Removed(name) => {
                names.remove(name);
            }
        }
    }
}

impl Contents {
    fn after_crash(&self, random: &mut Random) -> Vec<u8> {
        let mut bytes = self.durable.clone();
        for write in &self.unsynced {
            match write {
                Write::Bytes(offset, written) => {
                    let kept = match random.below(3) {
                        0 => 0,
                        1 => random.below(written.len() + 1),
                        _ => written.len(),
                    };
                    put(&mut bytes, *offset, &written[..kept]);
                }
                Write::Len(len) => {
                    if random.below(2) == 0 {
                        bytes.resize(*len, 0);
                    }
                }
            }
        }
        bytes
    }
}

fn put(bytes: &mut Vec<u8>, offset: usize, written: &[u8]) {
    if written.is_empty() {
        return;
    }
    if bytes.len() < offset + written.len() {
        bytes.resize(offset + written.len(), 0);
    }
    bytes[offset..offset + written.len()].copy_from_slice(written);
}

struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(bound).expect("a disk in memory is small"))
            .expect("less than it was")
    }
}

fn down() -> io::Error {
    io::Error::other("the simulated disk lost power")
}

impl State {
    /// Counts an operation that changes something; says what goes wrong with it.
    fn operation(&mut self) -> io::Result<Option<Fault>> {
        if self.is_down {
            return Err(down());
        }
        self.operations += 1;
        match self.fault {
            Some((at, fault)) if self.operations >= at => {
                if fault == Fault::Crash {
                    self.fault = None;
                    self.is_down = true;
                }
                Ok(Some(fault))
            }
            _ => Ok(None),
        }
    }

    fn rename(&mut self, change: NameChange) -> io::Result<()> {
        let fault = self.operation()?;
        change.apply(&mut self.names);
        self.renaming.push(change);
        if fault == Some(Fault::Crash) { Err(down()) } else { Ok(()) }
    }
}

impl Disk for SimulatedDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(lock(&self.0).names.keys().cloned().collect())
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = lock(&self.0);
        state.files.push(Contents::default());
        let id = state.files.len() - 1;
        state.rename(NameChange::Added(name.to_owned(), id))?;
        Ok(Arc::new(SimulatedFile { disk: self.clone(), id }))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let id = lock(&self.0).names.get(name).copied();
        let id = id.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        Ok(Arc::new(SimulatedFile { disk: self.clone(), id }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        lock(&self.0).rename(NameChange::Renamed(from.to_owned(), to.to_owned()))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        lock(&self.0).rename(NameChange::Removed(name.to_owned()))
    }

    fn sync_folder(&self) -> io::Result<()> {
        let mut state = lock(&self.0);
        if state.operation()? == Some(Fault::Crash) {
            return Err(down());
        }
        state.durable_names = state.names.clone();
        state.renaming.clear();
        Ok(())
    }

    fn place(&self, name: &str) -> String {
        name.to_owned()
    }
}

impl DiskFile for SimulatedFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let state = lock(&self.disk.0);
        let bytes = &state.files[self.id].now;
        let start = usize::try_from(offset).expect("a disk in memory is small").min(bytes.len());
        let read = buffer.len().min(bytes.len() - start);
        buffer[..read].copy_from_slice(&bytes[start..start + read]);
        Ok(read)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = lock(&self.disk.0);
        let fault = state.operation()?;
        let written = if fault == Some(Fault::Full) { &bytes[..bytes.len() / 2] } else { bytes };
        let offset = usize::try_from(offset).expect("a disk in memory is small");
        let file = &mut state.files[self.id];
        put(&mut file.now, offset, written);
        file.unsynced.push(Write::Bytes(offset, written.to_vec()));
        match fault {
            Some(Fault::Crash) => Err(down()),
            Some(Fault::Full) => {
                state.fault = None;
                Err(io::ErrorKind::StorageFull.into())
            }
            _ => Ok(()),
        }
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = lock(&self.disk.0);
        match state.operation()? {
            Some(Fault::Crash) => return Err(down()),
            Some(Fault::Sync) => {
                state.fault = None;
                return Err(io::Error::other("the simulated disk could not sync"));
            }
            _ => {}
        }
        let file = &mut state.files[self.id];
        file.durable = file.now.clone();
        file.unsynced.clear();
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = lock(&self.disk.0);
        let fault = state.operation()?;
        let len = usize::try_from(len).expect("a disk in memory is small");
        let file = &mut state.files[self.id];
        file.now.resize(len, 0);
        file.unsynced.push(Write::Len(len));
        if fault == Some(Fault::Crash) { Err(down()) } else { Ok(()) }
    }

    fn size(&self) -> io::Result<u64> {
        Ok(u64::try_from(lock(&self.disk.0).files[self.id].now.len()).expect("a disk in memory is small"))
    }
}
