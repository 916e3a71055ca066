//! `floodway check`

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;

use super::running;
use crate::cli::Check;
use crate::failure::Failure;

pub(super) fn run(check: &Check) -> Result<ExitCode, Failure> {
    let text = {
        let system = running::system(&check.file, check.profile.as_deref())?;
        let replicas: usize = system.services.iter().map(floodway_system::Service::endpoints).sum();
        let routes = system.gateway.as_ref().map_or(0, |gateway| gateway.routes.len());
        format!(
            "{}: system {} is sound: {} services, {replicas} replicas, {routes} routes, {} loads",
            system.file.display(),
            system.name,
            system.services.len(),
            system.loads.len()
        )
    };
    writeln!(std::io::stdout(), "{text}").context("could not write to stdout")?;
    Ok(ExitCode::SUCCESS)
}
