//! One child process with its group.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::Line;
use super::logs::forward;
use crate::error::NodeError;
use crate::guard::Guard;

/// A running child that leads a process group. Dropped, its group is killed.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    group: Pid,
    guard: Arc<Guard>,
    /// Pass on what it prints.
    outputs: JoinSet<()>,
    is_over: bool,
}

/// Time for the last lines of a group that has ended to be read.
const LAST_LINES: Duration = Duration::from_millis(500);

// === impl Process ===

impl Process {
    /// Starts a command that [`Guard::command`] made.
    pub(crate) fn spawn(
        guard: &Arc<Guard>,
        mut command: Command,
        from: &Arc<str>,
        output: &mpsc::Sender<Line>,
    ) -> io::Result<Self> {
        let mut child =
            command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn()?;
        let mut outputs = JoinSet::new();
        if let Some(stdout) = child.stdout.take() {
            outputs.spawn(forward(stdout, Arc::clone(from), output.clone()));
        }
        if let Some(stderr) = child.stderr.take() {
            outputs.spawn(forward(stderr, Arc::clone(from), output.clone()));
        }
        let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let group = group.ok_or_else(|| io::Error::other("the child ended before it was known"))?;
        guard.note(group.as_raw_pid().unsigned_abs());
        Ok(Self { child, group, guard: Arc::clone(guard), outputs, is_over: false })
    }

    /// Its process id, which is its group's too.
    pub(crate) fn id(&self) -> u32 {
        self.group.as_raw_pid().unsigned_abs()
    }

    /// Waits until the leader has ended. Cancel safe.
    pub(crate) async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Asks the whole group to end.
    pub(crate) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Ends the leader: SIGTERM to the group, SIGKILL after `grace`.
    pub(crate) async fn stop(&mut self, grace: Duration) -> io::Result<ExitStatus> {
        self.terminate();
        if let Ok(status) = tokio::time::timeout(grace, self.wait()).await {
            return status;
        }
        tracing::warn!(pid = self.id(), ?grace, "did not end in time: killed");
        self.signal(Signal::KILL);
        self.wait().await
    }

    /// Ends what the leader left behind, once it has ended, and lets its last lines through.
    pub(crate) async fn bury(mut self) {
        self.end_group();
        let all_read = async { while self.outputs.join_next().await.is_some() {} };
        if tokio::time::timeout(LAST_LINES, all_read).await.is_err() {
            tracing::debug!(pid = self.group.as_raw_pid(), "its output is held open by another session");
        }
    }

    /// Kills whoever is left in the group.
    pub(crate) fn end_group(&mut self) {
        if !self.is_over {
            self.is_over = true;
            self.signal(Signal::KILL);
            self.guard.release(self.id());
        }
    }

    fn signal(&self, signal: Signal) {
        match rustix::process::kill_process_group(self.group, signal) {
            // Nobody is left in it.
            Ok(()) | Err(rustix::io::Errno::SRCH) => {}
            Err(error) => tracing::warn!(%error, pid = self.id(), "could not signal a process group"),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end_group();
    }
}

/// Finds the program that `word` means in `dir`: a path where it has a slash, else a name on PATH.
pub fn resolve(service: &str, word: &str, dir: &Path) -> Result<PathBuf, NodeError> {
    let cannot = |source| NodeError::CannotRun {
        service: service.to_owned(),
        command: word.to_owned(),
        dir: super::display(dir),
        source,
    };
    if word.contains('/') {
        let path = std::path::absolute(dir.join(word)).map_err(cannot)?;
        check_executable(&path).map_err(cannot)?;
        return Ok(path);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join(word))
        .find(|candidate| check_executable(candidate).is_ok())
        .ok_or_else(|| cannot(io::Error::new(io::ErrorKind::NotFound, "no such program on PATH")))
}

fn check_executable(path: &Path) -> io::Result<()> {
    if std::fs::metadata(path)?.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    Ok(rustix::fs::access(path, rustix::fs::Access::EXEC_OK)?)
}

/// An exit status in words.
pub(crate) fn ending(status: &io::Result<ExitStatus>) -> String {
    use std::os::unix::process::ExitStatusExt;
    match status {
        Ok(status) => match (status.code(), status.signal()) {
            (Some(code), _) => format!("exit status {code}"),
            (None, Some(signal)) => format!("signal {signal}{}", name_of(signal)),
            (None, None) => status.to_string(),
        },
        Err(error) => format!("unknown end: {error}"),
    }
}

/// The usual ones by name.
fn name_of(signal: i32) -> &'static str {
    match signal {
        2 => " (SIGINT)",
        4 => " (SIGILL)",
        6 => " (SIGABRT)",
        7 => " (SIGBUS)",
        8 => " (SIGFPE)",
        9 => " (SIGKILL)",
        11 => " (SIGSEGV)",
        13 => " (SIGPIPE)",
        15 => " (SIGTERM)",
        _ => "",
    }
}

/// The loopback address of a port.
pub(super) fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;

    #[test]
    fn says_how_a_process_ended() {
        assert_eq!(ending(&Ok(ExitStatus::from_raw(3 << 8))), "exit status 3");
        assert_eq!(ending(&Ok(ExitStatus::from_raw(9))), "signal 9 (SIGKILL)");
    }

    #[test]
    fn finds_programs_by_name_and_by_path() {
        let here = Path::new("/");
        assert!(resolve("a", "sh", here).unwrap().ends_with("sh"));
        assert_eq!(resolve("a", "bin/sh", here).unwrap(), Path::new("/bin/sh"));
    }

    #[test]
    fn says_which_program_is_missing() {
        let error = resolve("a", "./no-such-program", Path::new("/")).unwrap_err();
        assert_eq!(error.to_string(), "could not run `./no-such-program` of a in /");
        assert!(resolve("a", "no-such-program", Path::new("/")).is_err());
        assert!(resolve("a", "/", Path::new("/")).is_err());
    }
}
