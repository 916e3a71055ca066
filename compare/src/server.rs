//! Servers that are measured, as children of this process.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};

/// A running server. It is ended by its own process id when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
}

impl Server {
    /// Starts a server on one processor and waits until it listens.
    pub(crate) fn start(
        command: &mut Command,
        processor: usize,
        address: SocketAddr,
    ) -> anyhow::Result<Self> {
        let mut pinned = Command::new("taskset");
        pinned.arg("-c").arg(processor.to_string()).arg(command.get_program()).args(command.get_args());
        pinned.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = pinned.spawn().with_context(|| format!("{command:?} could not be started"))?;
        let mut listens = false;
        let started = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            floodway_kit::eventually_blocking(Duration::from_secs(10), "the server listens", || {
                listens = TcpStream::connect_timeout(&address, Duration::from_millis(100)).is_ok();
                listens || matches!(child.try_wait(), Ok(Some(_)))
            });
        }));
        let server = Self { child };
        if started.is_err() || !listens {
            bail!("{command:?} does not listen on {address}");
        }
        Ok(server)
    }

    /// Processor time of the server and of the workers it has started.
    pub(crate) fn cpu_time(&self) -> Duration {
        self.processes().into_iter().map(floodway_kit::cpu_time_of).sum()
    }

    /// Resident memory of the server and of the workers it has started, in bytes.
    pub(crate) fn memory(&self) -> u64 {
        self.processes().into_iter().map(floodway_kit::memory_of).sum()
    }

    fn processes(&self) -> Vec<u32> {
        let own = self.child.id();
        let children = fs::read_to_string(format!("/proc/{own}/task/{own}/children")).unwrap_or_default();
        let children = children.split_whitespace().filter_map(|pid| pid.parse().ok());
        std::iter::once(own).chain(children).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // An orderly end lets a server end its workers too.
        let pid = self.child.id().to_string();
        let asked = Command::new("kill").arg(&pid).status();
        if asked.is_ok_and(|status| status.success()) {
            drop(self.child.wait());
        } else {
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}
