//! The data folder: who owns it, and where its node can be reached.
//!
//! ```text
//! <data>/node.lock   locked while a node runs; holds its process id
//! <data>/node.json   how to reach it; there while it runs, never a token
//! ```

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::NodeError;

/// How a running node can be reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeFile {
    /// Its process id.
    pub pid: u32,
    /// The system it runs.
    pub system: String,
    /// Its admin API.
    pub admin: SocketAddr,
    /// Where it takes requests.
    pub gateway: Vec<SocketAddr>,
    /// The API port of each replica that it started.
    pub replicas: Vec<ReplicaPort>,
}

/// A replica's own port of the block API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicaPort {
    /// As in `order/0`.
    pub replica: String,
    /// The port.
    pub api_port: u16,
}

/// A data folder that belongs to this process until it is dropped.
#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
    /// Holds the lock; the kernel gives it back with the file, however the process ends.
    _lock: File,
}

// === impl DataFolder ===

impl DataFolder {
    /// Makes the folder where it is missing, and takes it.
    pub fn take(path: &Path) -> Result<Self, NodeError> {
        fs::create_dir_all(path).map_err(|source| unusable("create the data folder", path, source))?;
        let file = path.join("node.lock");
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&file)
            .map_err(|source| unusable("open", &file, source))?;
        match try_lock_patiently(&lock) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(NodeError::FolderTaken { folder: path.to_owned(), pid: read_pid(&mut lock) });
            }
            Err(TryLockError::Error(source)) => return Err(unusable("lock", &file, source)),
        }
        write_pid(&mut lock).map_err(|source| unusable("write", &file, source))?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Says how this node can be reached. Readers see the old text or the new one, never a part.
    pub fn announce(&self, node: &NodeFile) -> Result<(), NodeError> {
        let file = self.path.join("node.json");
        let fresh = self.path.join("node.json.new");
        let write = || -> io::Result<()> {
            let mut out =
                OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
            serde_json::to_writer_pretty(&mut out, node)?;
            fs::rename(&fresh, &file)
        };
        write().map_err(|source| unusable("write", &file, source))
    }

    /// Takes the announcement back.
    pub fn withdraw(&self) {
        let file = self.path.join("node.json");
        match fs::remove_file(&file) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(%error, file = %file.display(), "could not remove"),
        }
    }
}

/// Finds the node that runs on a data folder.
pub fn find(folder: &Path) -> Result<NodeFile, NodeError> {
    let not_running = || NodeError::NotRunning { folder: folder.to_owned() };
    // A node that was killed leaves its announcement behind, but not its lock.
    match File::open(folder.join("node.lock")).map(|lock| lock.try_lock_shared()) {
        Ok(Err(TryLockError::WouldBlock)) => {}
        Ok(Ok(()) | Err(TryLockError::Error(_))) | Err(_) => return Err(not_running()),
    }
    let file = folder.join("node.json");
    let text = match fs::read(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(not_running()),
        Err(source) => return Err(unusable("read", &file, source)),
    };
    serde_json::from_slice(&text).map_err(|source| unusable("understand", &file, source.into()))
}

/// `floodway status` tries the lock too, for a moment: that must not look like a running node.
fn try_lock_patiently(lock: &File) -> Result<(), TryLockError> {
    for _ in 0..5 {
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(10)),
            done => return done,
        }
    }
    lock.try_lock()
}

fn read_pid(lock: &mut File) -> String {
    let mut text = String::new();
    match lock.take(20).read_to_string(&mut text) {
        Ok(_) if !text.trim().is_empty() => text.trim().to_owned(),
        _ => "unknown".to_owned(),
    }
}

fn write_pid(lock: &mut File) -> io::Result<()> {
    lock.set_len(0)?;
    lock.rewind()?;
    writeln!(lock, "{}", std::process::id())
}

fn unusable(attempt: &'static str, path: &Path, source: io::Error) -> NodeError {
    NodeError::FolderUnusable { attempt, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node() -> NodeFile {
        let replicas = vec![ReplicaPort { replica: "order/0".into(), api_port: 3500 }];
        let here = SocketAddr::from(([127, 0, 0, 1], 1));
        NodeFile { pid: 1, system: "shop".into(), admin: here, gateway: vec![here], replicas }
    }

    #[test]
    fn a_folder_belongs_to_one() {
        let dir = tempfile::tempdir().unwrap();
        let first = DataFolder::take(dir.path()).unwrap();
        match DataFolder::take(dir.path()) {
            Err(NodeError::FolderTaken { pid, .. }) => assert_eq!(pid, std::process::id().to_string()),
            other => panic!("{other:?}"),
        }
        drop(first);
        DataFolder::take(dir.path()).unwrap();
    }

    #[test]
    fn finds_a_node_only_while_it_holds_its_folder() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(find(dir.path()), Err(NodeError::NotRunning { .. })));
        let folder = DataFolder::take(dir.path()).unwrap();
        folder.announce(&node()).unwrap();
        assert_eq!(find(dir.path()).unwrap(), node());
        drop(folder);
        assert!(matches!(find(dir.path()), Err(NodeError::NotRunning { .. })));
    }
}
