//! A child process that cannot be left behind.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::eventually_blocking;

/// Lines kept of what a child prints; later ones are dropped.
const LINES_MAX: usize = 100_000;

/// A child in a process group of its own. When it is dropped, the whole group is killed and the child is
/// waited for.
#[derive(Debug)]
pub struct Running {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
    readers: Vec<JoinHandle<()>>,
    ended: Option<ExitStatus>,
}

impl Running {
    /// Starts a command and collects the lines it prints, from both of its outputs. Its input is empty.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn start(command: &mut Command) -> std::io::Result<Self> {
        use std::os::unix::process::CommandExt;
        let piped = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.process_group(0).spawn()?;
        let lines = Arc::new(Mutex::new(Vec::new()));
        let stdout = child.stdout.take().map(|out| read_lines(out, Arc::clone(&lines)));
        let stderr = child.stderr.take().map(|out| read_lines(out, Arc::clone(&lines)));
        Ok(Self { child, lines, readers: stdout.into_iter().chain(stderr).collect(), ended: None })
    }

    /// The child's process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has printed until now.
    pub fn lines(&self) -> Vec<String> {
        locked(&self.lines).clone()
    }

    /// The first line for which `is_it` holds; panics with all lines when there is none within `deadline`.
    pub fn wait_line(&mut self, deadline: Duration, is_it: impl Fn(&str) -> bool) -> String {
        let mut found = None;
        eventually_blocking(deadline, "the child prints the line", || {
            found = locked(&self.lines).iter().find(|line| is_it(line)).cloned();
            let over = found.is_none()
                && self.status().is_some()
                && self.readers.iter().all(JoinHandle::is_finished);
            assert!(!over, "the child ended without the line:\n{}", self.lines().join("\n"));
            found.is_some()
        });
        found.expect("the wait is over")
    }

    /// How it ended; `None` while it runs.
    pub fn status(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().expect("it is our child");
        }
        self.ended
    }

    /// Sends a signal to the child alone; nothing happens when it has ended.
    pub fn signal(&mut self, signal: Signal) {
        if self.status().is_none() {
            kill_process(self.group(), signal).expect("it is our child and not waited for");
        }
    }

    /// Asks it to end with SIGTERM and waits; panics when it is still there after `deadline`.
    pub fn stop(mut self, deadline: Duration) -> ExitStatus {
        self.signal(Signal::TERM);
        eventually_blocking(deadline, "the child ends", || self.status().is_some());
        self.ended.expect("the wait is over")
    }

    fn group(&self) -> Pid {
        i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("process ids are positive")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A group outlives its leader while it has members; when there are none, nobody is signalled.
        let killed = kill_process_group(self.group(), Signal::KILL);
        debug_assert!(matches!(killed, Ok(()) | Err(Errno::SRCH)), "{killed:?}");
        drop(self.child.wait());
        for reader in self.readers.drain(..) {
            drop(reader.join());
        }
    }
}

fn read_lines(from: impl Read + Send + 'static, into: Arc<Mutex<Vec<String>>>) -> JoinHandle<()> {
    thread::spawn(move || {
        let mut from = BufReader::new(from);
        let mut line = Vec::new();
        while from.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            line.clear();
            let mut lines = locked(&into);
            if lines.len() < LINES_MAX {
                lines.push(text);
            }
        }
    })
}

/// What is behind the lock is whole even if a thread panicked: a line is pushed at once.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::family_of;

    const SOON: Duration = Duration::from_secs(10);

    fn shell(script: &str) -> Running {
        Running::start(Command::new("sh").args(["-c", script])).unwrap()
    }

    #[test]
    fn collects_what_it_prints_and_how_it_ends() {
        let mut child = shell("echo out; echo err >&2; exit 3");
        assert_eq!(child.wait_line(SOON, |line| line == "err"), "err");
        eventually_blocking(SOON, "it ends", || child.status().is_some());
        assert_eq!(child.status().unwrap().code(), Some(3));
        assert!(child.lines().contains(&"out".to_owned()));
    }

    #[test]
    fn stops_when_asked() {
        let child = shell("exec sleep 300");
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&child.stop(SOON)), Some(15));
    }

    #[test]
    fn a_dropped_child_takes_its_own_children_with_it() {
        let mut child = shell("sleep 300 & echo $!; wait");
        let grandchild: u32 = child.wait_line(SOON, |line| !line.is_empty()).parse().unwrap();
        let pid = child.pid();
        assert!(family_of(pid).contains(&grandchild));
        drop(child);
        eventually_blocking(SOON, "both are gone", || [pid, grandchild].iter().all(|&pid| is_gone(pid)));
    }

    /// Gone, or only waiting for whoever inherited it.
    fn is_gone(pid: u32) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('Z'))
    }
}
