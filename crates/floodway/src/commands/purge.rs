//! `floodway purge`

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use floodway_node::{Purge, PurgeBy};

use super::running;
use crate::cli;
use crate::failure::Failure;

pub(super) fn run(purge: &cli::Purge) -> Result<ExitCode, Failure> {
    let (client, runtime) = running::client(&purge.node)?;
    let count = runtime.block_on(client.purge(&wanted(purge)))?;
    let what = if count == 1 { "response" } else { "responses" };
    writeln!(std::io::stdout(), "{count} {what} purged").context("could not write to stdout")?;
    Ok(ExitCode::SUCCESS)
}

/// The command line has exactly one of them.
fn wanted(purge: &cli::Purge) -> Purge {
    let cli::Which { path, prefix, tag, everything: _ } = &purge.which;
    let by = match (path, prefix, tag) {
        (Some(path), ..) => PurgeBy::Path(path.clone()),
        (_, Some(prefix), _) => PurgeBy::Prefix(prefix.clone()),
        (.., Some(tag)) => PurgeBy::Tag(tag.clone()),
        (None, None, None) => PurgeBy::Everything,
    };
    Purge { host: purge.host.clone(), by }
}
