//! The byte pump of this program: the limit for a proxy that waits with epoll.

use std::process::Command;

use anyhow::{Context, Result};

use super::{Peer, Setup};

/// What it is, in words.
const WHAT: &str = if cfg!(debug_assertions) {
    "byte pump, tokio; a debug build, so its figures mean nothing"
} else {
    "byte pump, tokio"
};

pub(crate) const PEER: Peer =
    Peer { name: "pump", reads_http: false, version: |_| Ok(WHAT.to_owned()), command };

fn command(setup: &Setup<'_>) -> Result<Command> {
    let ourselves = std::env::current_exe().context("cannot find this program")?;
    let backends: Vec<_> = setup.backends.iter().map(ToString::to_string).collect();
    let mut command = setup.cores.for_proxy(ourselves);
    command.args(["pump", "--listen", &setup.listen.to_string(), "--to", &backends.join(",")]);
    Ok(command)
}
