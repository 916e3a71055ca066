//! The servers that blocks are compared with, each started in a folder of its own as a child that ends with the
//! comparison. To add one: write its file.

pub(super) mod etcd;
pub(super) mod floodway;
pub(super) mod nats;
pub(super) mod rabbitmq;
pub(super) mod redis;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use floodway_kit::Running;

/// How long a server may take until it does what it is for.
const START_MAX: Duration = Duration::from_mins(1);
/// How often it is asked.
const PAUSE: Duration = Duration::from_millis(50);

/// A running server.
#[derive(Debug)]
pub(super) struct Server<A> {
    /// Where it is asked.
    pub(super) at: A,
    /// Runs as long as it is held.
    process: Running,
}

/// A program that the kernel ends when this one ends, however it does.
fn program(name: impl AsRef<Path>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "TERM"]).arg(name.as_ref());
    command
}

/// Starts a server and asks until it does what it is for: the port opens before that.
async fn start<A>(
    name: &str,
    mut command: Command,
    at: A,
    is_ready: impl AsyncFn(&A) -> Result<()>,
) -> Result<Server<A>> {
    let mut process =
        Running::start(&mut command).with_context(|| format!("cannot start {name}: {command:?}"))?;
    let deadline = tokio::time::Instant::now() + START_MAX;
    while let Err(error) = is_ready(&at).await {
        if process.status().is_some() || tokio::time::Instant::now() > deadline {
            let log = process.lines().join("\n");
            return Err(error.context(format!("{name} does not answer as it should; it says:\n{log}")));
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(Server { at, process })
}
