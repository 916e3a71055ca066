//! `floodway restart`

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;

use super::running;
use crate::cli::Restart;
use crate::failure::Failure;

pub(super) fn run(restart: &Restart) -> Result<ExitCode, Failure> {
    let service = &restart.service;
    if !running::is_name(service) {
        return Err(Failure::Mistake(format!("error: {service} is no name of a service")));
    }
    let (client, runtime) = running::client(&restart.node)?;
    let replicas = runtime.block_on(client.restart(service))?;
    writeln!(std::io::stdout(), "{service} restarted, replicas: {replicas}")
        .context("could not write to stdout")?;
    Ok(ExitCode::SUCCESS)
}
