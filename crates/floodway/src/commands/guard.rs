//! `floodway guard`, started by the node.

use std::process::ExitCode;

use anyhow::Context;

use crate::failure::Failure;

pub(super) fn run() -> Result<ExitCode, Failure> {
    floodway_node::guard::watch().context("the guard could not do its work")?;
    Ok(ExitCode::SUCCESS)
}
