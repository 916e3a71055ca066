//! `floodway reload`

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;

use super::running;
use crate::cli::Reload;
use crate::failure::Failure;

pub(super) fn run(reload: &Reload) -> Result<ExitCode, Failure> {
    let (client, runtime) = running::client(&reload.node)?;
    runtime.block_on(client.reload())?;
    writeln!(std::io::stdout(), "reloaded").context("could not write to stdout")?;
    Ok(ExitCode::SUCCESS)
}
