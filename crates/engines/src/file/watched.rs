//! A file that is read anew when it has changed.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use floodway_blocks::Failure;
use serde_json::{Map, Value};

use super::NAME;
use crate::failure::unreadable;

/// Longer is a slip.
const BYTES_MAX: u64 = 16 << 20;

/// A file, and what was last made of it.
pub(super) struct Watched<T> {
    path: PathBuf,
    make: fn(&Map<String, Value>, &T) -> T,
    last: Mutex<Last<T>>,
}

struct Last<T> {
    stamp: Stamp,
    made: Arc<T>,
}

/// Differs once a file was written or replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.len(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

impl<T> Watched<T> {
    /// Reads the file for the first time; `make` is told what was made before, at first `empty`.
    pub(super) fn open(
        path: PathBuf,
        empty: &T,
        make: fn(&Map<String, Value>, &T) -> T,
    ) -> Result<Self, Failure> {
        let (stamp, root) = read(&path)?;
        let first = Arc::new(make(&root, empty));
        Ok(Self { path, make, last: Mutex::new(Last { stamp, made: first }) })
    }

    /// What is made of the file as it is now. One that can no longer be read, or is no JSON, counts as
    /// unchanged: it may be written this very moment. It blocks.
    pub(super) fn now(&self) -> Arc<T> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = match std::fs::metadata(&self.path) {
            Ok(metadata) => Stamp::of(&metadata),
            Err(error) => {
                tracing::debug!(%error, path = %self.path.display(), "a file is gone: it counts as unchanged");
                return Arc::clone(&last.made);
            }
        };
        if stamp != last.stamp {
            match read(&self.path) {
                Ok((stamp, root)) => {
                    let made = Arc::new((self.make)(&root, &last.made));
                    *last = Last { stamp, made };
                    tracing::info!(path = %self.path.display(), "a file was read anew");
                }
                Err(error) => {
                    // Said once for each change.
                    last.stamp = stamp;
                    tracing::error!(%error, path = %self.path.display(), "a file stays as it was");
                }
            }
        }
        Arc::clone(&last.made)
    }
}

/// Reads a file of a JSON object. What is in it is never shown.
fn read(path: &Path) -> Result<(Stamp, Map<String, Value>), Failure> {
    let failed = |error| unreadable(NAME, path, error);
    let file = File::open(path).map_err(failed)?;
    let stamp = Stamp::of(&file.metadata().map_err(failed)?);
    let mut bytes = Vec::new();
    file.take(BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > BYTES_MAX {
        return Err(failed(io::Error::other("it is longer than 16 MiB")));
    }
    let root: Value = serde_json::from_slice(&bytes)
        .map_err(|error| failed(io::Error::other(format!("it is no JSON: {error}"))))?;
    match root {
        Value::Object(root) => Ok((stamp, root)),
        _ => Err(failed(io::Error::other("it is no JSON object"))),
    }
}

impl<T> std::fmt::Debug for Watched<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watched").field("path", &self.path).finish_non_exhaustive()
    }
}
