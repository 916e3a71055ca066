//! Where a suite runs: a folder, certificates, and the addresses of servers and fronts.

use std::ffi::OsStr;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use floodway_kit::free_address;
use tempfile::TempDir;

use crate::certificates;

/// How long a server may take until it takes connections.
pub(crate) const START_MAX: Duration = Duration::from_secs(20);

/// Everything of one run.
#[derive(Debug)]
pub(crate) struct Place {
    folder: TempDir,
    pub(crate) floodway: PathBuf,
    /// Speaks HTTP/1.1.
    pub(crate) http: SocketAddr,
    /// Speaks HTTP/2 by prior knowledge.
    pub(crate) grpc: SocketAddr,
    pub(crate) websocket: SocketAddr,
    /// Nobody listens there.
    pub(crate) dead: SocketAddr,
}

impl Place {
    pub(crate) fn new(floodway: &Path) -> Result<Self> {
        let folder = tempfile::tempdir().context("cannot make a folder")?;
        certificates::write(folder.path())?;
        Ok(Self {
            folder,
            floodway: fs::canonicalize(floodway).context("floodway is not built")?,
            http: free_address(),
            grpc: free_address(),
            websocket: free_address(),
            dead: free_address(),
        })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The same as text, for configurations and command lines.
    pub(crate) fn file(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> Result<String> {
        fs::write(self.path(name), text).with_context(|| format!("cannot write {name}"))?;
        Ok(self.file(name))
    }
}

/// The bytes that the server of the suites answers with.
pub(crate) fn pattern(length: usize) -> Vec<u8> {
    (0..=250).cycle().take(length).collect()
}

/// A program that ends with us.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "TERM"]).arg(program).stdin(Stdio::null());
    command
}

/// What a program printed that ends by itself, at the latest after so many seconds.
pub(crate) fn output(seconds: u32, program: impl AsRef<OsStr>, arguments: &[String]) -> Result<Output> {
    let mut command = command("timeout");
    command.arg("--kill-after=5").arg(seconds.to_string()).arg(&program).args(arguments);
    let output = command.output();
    output.with_context(|| format!("cannot start {}", program.as_ref().display()))
}

/// Whether a program can be started; `advice` says how to get it.
pub(crate) fn is_there(program: &str, flag: &str, advice: &str) -> Result<()> {
    match Command::new(program).arg(flag).stdin(Stdio::null()).output() {
        Ok(_) => Ok(()),
        Err(error) => bail!("{program} cannot be started ({error}): {advice}"),
    }
}
