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
//! A grandchild that makes a session of its own leaves the group, as any daemon does, and is not ours.

mod shim;
mod watch;

use std::io::{self, PipeWriter, Write};
use std::path::PathBuf;
use std::process::Stdio;

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
    process: Child,
    pipe: PipeWriter,
}

// === impl Guard ===

impl Guard {
    /// Starts the guard and waits until it is out of reach of the terminal's signals.
    pub async fn start() -> Result<Self, NodeError> {
        Self::spawn().await.map_err(|source| NodeError::GuardFailed { source })
    }

    async fn spawn() -> io::Result<Self> {
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
        Ok(Self { process, pipe })
    }

    /// A command that runs `program` with `arguments` in a process group of its own, guarded.
    /// Its stdin is taken; the caller sets the folder, the environment and the outputs.
    pub fn command(&self, program: &std::path::Path, arguments: &[String]) -> io::Result<Command> {
        let mut command = floodway_itself();
        command
            .args(["replica", "--parent", &std::process::id().to_string(), "--"])
            .arg(program)
            .args(arguments)
            .stdin(Stdio::from(self.pipe.try_clone()?))
            .process_group(0)
            .kill_on_drop(true);
        Ok(command)
    }

    /// Says that a group is over, so that its number may be used by others.
    pub fn release(&self, group: u32) {
        let told = (&self.pipe).write_all(format!("-{group}\n").as_bytes());
        if let Err(error) = told {
            tracing::error!(%error, "the guard is gone: a node killed now may leave grandchildren behind");
        }
    }

    /// Ends the guard. Whatever is still registered is killed.
    pub async fn stop(self) {
        let Self { mut process, pipe } = self;
        drop(pipe);
        if let Err(error) = process.wait().await {
            tracing::warn!(%error, "could not wait for the guard");
        }
    }
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
