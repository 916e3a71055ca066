//! `floodway check`

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use floodway_system::{Service, System};

use super::running;
use crate::cli::Check;
use crate::failure::Failure;

pub(super) fn run(check: &Check) -> Result<ExitCode, Failure> {
    let text = if check.schema {
        let schema = floodway_system::schema(floodway_node::ENGINES);
        serde_json::to_string_pretty(&schema).context("could not write the schema")?
    } else {
        let system = running::system_with(&check.file, check.profile.as_deref(), &check.resources)?;
        floodway_node::check_tls(&system)?;
        describe(&system)
    };
    writeln!(std::io::stdout(), "{text}").context("could not write to stdout")?;
    Ok(ExitCode::SUCCESS)
}

fn describe(system: &System) -> String {
    let replicas: usize = system.services.iter().map(Service::endpoints).sum();
    let routes = system.gateway.as_ref().map_or(0, |gateway| gateway.routes.len());
    format!(
        "{}: system {} is sound: {} services, {replicas} replicas, {routes} routes, {} loads",
        system.file.display(),
        system.name,
        system.services.len(),
        system.loads.len()
    )
}
