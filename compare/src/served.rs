//! A server under measurement, as a child process with all that descends from it.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use floodway_kit::{Running, cpu_time_of, family_of, http, memory_of};

/// How long a server may take until it answers.
const START_MAX: Duration = Duration::from_secs(10);

/// A running server.
#[derive(Debug)]
pub(crate) struct Served {
    process: Running,
    name: String,
    pub(crate) address: SocketAddr,
}

impl Served {
    /// Starts it and waits until it answers with a body of this length.
    pub(crate) fn start(name: &str, mut command: Command, address: SocketAddr, body: usize) -> Result<Self> {
        let process =
            Running::start(&mut command).with_context(|| format!("cannot start {name}: {command:?}"))?;
        let mut served = Self { process, name: name.to_owned(), address };
        served.wait(body)?;
        Ok(served)
    }

    fn wait(&mut self, expected: usize) -> Result<()> {
        let mut last = None;
        let answers = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            floodway_kit::eventually_blocking(START_MAX, "it answers", || {
                last = http::get(self.address, "/").ok();
                last.as_ref().is_some_and(|answer| answer.status == 200) || self.process.status().is_some()
            });
        }));
        let body = last.filter(|answer| answer.status == 200).map(|answer| answer.body.len());
        let log =
            || format!("{} does not answer as it should:\n{}", self.name, self.process.lines().join("\n"));
        ensure!(answers.is_ok() && body == Some(expected), log());
        Ok(())
    }

    /// User and system time until now, with its children.
    pub(crate) fn cpu(&self) -> Duration {
        family_of(self.process.pid()).into_iter().map(cpu_time_of).sum()
    }

    /// Resident bytes, with its children. Pages they share are counted for each.
    pub(crate) fn memory(&self) -> u64 {
        family_of(self.process.pid()).into_iter().map(memory_of).sum()
    }
}
