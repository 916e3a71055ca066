//! Zeroes the next segment in advance, slowly enough that commits keep the disk.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use super::SPARE;
use crate::disk::{Disk, DiskFile};
use crate::sync::lock;

/// Zeros written between two pauses.
const STEP: usize = 256 << 10;
/// The pause between two steps: at most about 250 MiB/s.
const PAUSE: Duration = Duration::from_millis(1);

/// Makes one spare segment at a time on a thread of its own.
#[derive(Debug)]
pub(crate) struct SpareMaker {
    disk: Arc<dyn Disk>,
    segment_bytes: u64,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    ready: Mutex<Option<Arc<dyn DiskFile>>>,
    is_ready: AtomicBool,
    stop: AtomicBool,
}

impl SpareMaker {
    pub(crate) fn new(disk: Arc<dyn Disk>, segment_bytes: u64) -> Self {
        Self { disk, segment_bytes, shared: Arc::default(), thread: None }
    }

    /// Whether a spare lies ready.
    pub(crate) fn is_ready(&self) -> bool {
        self.shared.is_ready.load(Ordering::Acquire)
    }

    /// Starts on a spare if there is none and none is being made. A failure only costs speed.
    pub(crate) fn prepare(&mut self) {
        if self.thread.is_some() || self.is_ready() {
            return;
        }
        let (disk, shared, len) = (Arc::clone(&self.disk), Arc::clone(&self.shared), self.segment_bytes);
        let spawned = std::thread::Builder::new().name("floodway-zero".into()).spawn(move || {
            match zeroed(disk.as_ref(), len, &shared.stop) {
                Ok(Some(file)) => {
                    *lock(&shared.ready) = Some(file);
                    shared.is_ready.store(true, Ordering::Release);
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(%error, "could not zero a log segment in advance");
                    if let Err(error) = disk.remove(SPARE) {
                        tracing::warn!(%error, "could not remove the unfinished spare log segment");
                    }
                }
            }
        });
        match spawned {
            Ok(thread) => self.thread = Some(thread),
            Err(error) => tracing::warn!(%error, "could not start a thread to zero a log segment"),
        }
    }

    /// The spare, if it is ready.
    pub(crate) fn take(&mut self) -> Option<Arc<dyn DiskFile>> {
        if !self.is_ready() {
            return None;
        }
        self.join();
        self.shared.is_ready.store(false, Ordering::Release);
        lock(&self.shared.ready).take()
    }

    /// Stops the thread and removes what it made.
    pub(crate) fn close(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        self.join();
        if let Some(file) = lock(&self.shared.ready).take() {
            drop(file);
            if let Err(error) = self.disk.remove(SPARE) {
                tracing::warn!(%error, "could not remove the spare log segment");
            }
        }
    }

    fn join(&mut self) {
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::warn!("the thread that zeroes log segments panicked");
        }
    }
}

/// A file of zeros that is on disk; `None` if it was stopped.
fn zeroed(disk: &dyn Disk, len: u64, stop: &AtomicBool) -> io::Result<Option<Arc<dyn DiskFile>>> {
    let file = disk.create(SPARE)?;
    let zeros = vec![0; STEP];
    let mut at = 0;
    while at < len {
        if stop.load(Ordering::Acquire) {
            disk.remove(SPARE)?;
            return Ok(None);
        }
        let part = usize::try_from(len - at).unwrap_or(STEP).min(STEP);
        file.write_at(&zeros[..part], at)?;
        at += part as u64;
        std::thread::sleep(PAUSE);
    }
    file.sync()?;
    Ok(Some(file))
}
