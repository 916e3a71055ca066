//! No child outlives its node, even when the node is killed with -9.
//!
//! ```text
//! node ──(pipe, write end)──▶ guard          a process of its own session
//!   │          ▲                │ end of file: the node is gone
//!   └─ shim ───┘ "+pid"         └─▶ SIGKILL to every group still in its list
//!       └─ exec: the replica
//! ```
//! Every child is started through the shim (`floodway replica`). It leads a process group, asks the
//! kernel to be killed with its parent, and registers its group with the guard *before* it becomes the
//! child's program; its copy of the write end closes with that. So when the guard reads the end of the
//! pipe, it knows every group there is, and grandchildren die with their group.
//! A guard that dies is replaced; meanwhile the kernel's promise alone holds for the children.
//! A grandchild that makes a session of its own leaves the group, as any daemon does, and is not ours.

mod shim;
mod watch;

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::io::{self, PipeWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};

pub use shim::become_program;
pub use watch::watch;

use crate::error::NodeError;

/// What the guard says once nothing of the node's terminal can reach it.
const READY: &[u8] = b"ready\n";

/// The node's end. The guard lives as long as this, or the node, does.
#[derive(Debug)]
pub struct Guard {
    pipe: Mutex<PipeWriter>,
    /// The groups that live, for a guard that takes the place of one that died.
    groups: Mutex<BTreeSet<u32>>,
    process: tokio::sync::Mutex<Child>,
}

/// Pause before a guard that died is started again.
const PAUSE: Duration = Duration::from_millis(200);

// === impl Guard ===

impl Guard {
    /// Starts the guard and waits until it is out of reach of the terminal's signals.
    pub async fn start() -> Result<Self, NodeError> {
        let (process, pipe) = spawn().await.map_err(|source| NodeError::GuardFailed { source })?;
        Ok(Self { pipe: Mutex::new(pipe), groups: Mutex::default(), process: process.into() })
    }

    /// Replaces the guard whenever it dies, for as long as this is polled.
    pub async fn keep(&self) -> Infallible {
        let mut process = self.process.lock().await;
        loop {
            let ended = process.wait().await;
            tracing::error!(?ended, "the guard died: starting another");
            tokio::time::sleep(PAUSE).await;
            match spawn().await {
                Ok((fresh, pipe)) => {
                    *process = fresh;
                    self.hand_over(pipe);
                }
                Err(error) => tracing::error!(%error, "the guard could not be started"),
            }
        }
    }

    /// A command that runs `program` with `arguments` in a process group of its own, guarded.
    /// Its stdin is taken; the caller sets the folder, the environment and the outputs.
    pub fn command(&self, program: &Path, arguments: &[String]) -> io::Result<Command> {
        let mut command = floodway_itself();
        command
            .args(["replica", "--parent", &std::process::id().to_string(), "--"])
            .arg(program)
            .args(arguments)
            .stdin(Stdio::from(lock(&self.pipe).try_clone()?))
            .process_group(0)
            .kill_on_drop(true);
        Ok(command)
    }

    /// Remembers a group that registers itself.
    pub(crate) fn note(&self, group: u32) {
        lock(&self.groups).insert(group);
    }

    /// Says that a group is over, so that its number may be used by others.
    pub(crate) fn release(&self, group: u32) {
        lock(&self.groups).remove(&group);
        if let Err(error) = lock(&self.pipe).write_all(format!("-{group}\n").as_bytes()) {
            tracing::warn!(%error, "the guard cannot be reached");
        }
    }

    /// Ends the guard. Whatever is still registered is killed.
    pub async fn stop(self) {
        let Self { process, pipe, .. } = self;
        drop(pipe);
        if let Err(error) = process.into_inner().wait().await {
            tracing::warn!(%error, "could not wait for the guard");
        }
    }

    /// Tells a fresh guard of all groups there are.
    fn hand_over(&self, fresh: PipeWriter) {
        let mut pipe = lock(&self.pipe);
        *pipe = fresh;
        for group in &*lock(&self.groups) {
            if let Err(error) = pipe.write_all(format!("+{group}\n").as_bytes()) {
                return tracing::warn!(%error, "the guard cannot be reached");
            }
        }
        tracing::info!("another guard knows all that lives");
    }
}

async fn spawn() -> io::Result<(Child, PipeWriter)> {
    let (read_end, pipe) = io::pipe()?;
    let mut process = floodway_itself()
        .arg("guard")
        .stdin(Stdio::from(read_end))
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()?;
    let mut answer = [0; READY.len()];
    let mut stdout = process.stdout.take().ok_or_else(|| io::Error::other("the guard has no stdout"))?;
    stdout.read_exact(&mut answer).await?;
    Ok((process, pipe))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// This very program, also when its file was replaced since it was started.
fn floodway_itself() -> Command {
    let path = if cfg!(target_os = "linux") {
        PathBuf::from("/proc/self/exe")
    } else {
        std::env::current_exe().unwrap_or_else(|_| PathBuf::from("floodway"))
    };
    let mut command = Command::new(path);
    command.arg0("floodway");
    command
}
