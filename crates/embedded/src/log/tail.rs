//! What of the log is not synced yet, and the end of all writing once a sync has failed.
//!
//! After a failed fdatasync the kernel may have dropped the pages it could not write, and a later sync
//! reports success without them. So the first failure is final until the log is opened again.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::Segment;
use crate::disk::Disk;
use crate::sync::lock;

/// The unsynced end of the log, shared by the committer and the keeper.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    unsynced: Mutex<Unsynced>,
    /// Only one sync at a time: the kernel reports an error to one of several.
    syncing: Mutex<()>,
    durable: AtomicU64,
    poison: Mutex<Option<(io::ErrorKind, String)>>,
}

#[derive(Debug, Default)]
struct Unsynced {
    segments: Vec<(Arc<Segment>, u64)>,
    written: u64,
    folder: bool,
}

impl Tail {
    /// A tail after operation `last`, all of which is synced.
    pub(crate) fn new(last: u64) -> Self {
        let unsynced = Unsynced { written: last, ..Unsynced::default() };
        Self { unsynced: Mutex::new(unsynced), durable: AtomicU64::new(last), ..Self::default() }
    }

    /// The last operation that is known to be synced.
    pub(crate) fn durable(&self) -> u64 {
        self.durable.load(Ordering::Acquire)
    }

    /// The last operation that was written.
    pub(crate) fn written(&self) -> u64 {
        lock(&self.unsynced).written
    }

    /// Refuses if the log takes no more writes.
    pub(crate) fn check(&self) -> io::Result<()> {
        match &*lock(&self.poison) {
            None => Ok(()),
            Some((kind, why)) => Err(io::Error::new(
                *kind,
                format!("[FW-4006] the log takes no writes until the node is restarted: {why}"),
            )),
        }
    }

    /// Refuses all writes from now on.
    pub(crate) fn poison(&self, error: &io::Error) {
        let mut poison = lock(&self.poison);
        if poison.is_none() {
            tracing::error!(%error, "the log takes no more writes until the node is restarted");
            *poison = Some((error.kind(), error.to_string()));
        }
    }

    /// A segment was created: its folder entry is not durable yet.
    pub(crate) fn created(&self) {
        lock(&self.unsynced).folder = true;
    }

    /// Operations up to `last` were written to the segment.
    pub(crate) fn wrote(&self, segment: &Arc<Segment>, last: u64) {
        let mut unsynced = lock(&self.unsynced);
        unsynced.written = last;
        match unsynced.segments.last_mut() {
            Some((newest, upto)) if Arc::ptr_eq(newest, segment) => *upto = last,
            _ => unsynced.segments.push((Arc::clone(segment), last)),
        }
    }

    /// Makes durable what was written before the call.
    pub(crate) fn sync(&self, disk: &dyn Disk) -> io::Result<()> {
        let _one = lock(&self.syncing);
        self.check()?;
        let (segments, written, folder) = {
            let mut unsynced = lock(&self.unsynced);
            (unsynced.segments.clone(), unsynced.written, std::mem::take(&mut unsynced.folder))
        };
        let folder = if folder { disk.sync_folder() } else { Ok(()) };
        let synced = folder.and_then(|()| segments.iter().try_for_each(|(segment, _)| segment.file.sync()));
        if let Err(error) = synced {
            self.poison(&error);
            return Err(error);
        }
        lock(&self.unsynced).segments.retain(|(_, upto)| *upto > written);
        self.durable.fetch_max(written, Ordering::AcqRel);
        Ok(())
    }
}
