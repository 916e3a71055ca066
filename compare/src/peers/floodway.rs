//! Floodway's gateway, one worker.

use std::process::Command;

use anyhow::{Context, Result};

use super::{Peer, Setup, first_line};

pub(crate) const PEER: Peer = Peer {
    name: "floodway",
    reads_http: true,
    version: |setup| first_line(setup.floodway, "--version"),
    command,
};

/// What is set besides, as lines of the system file.
#[derive(Debug, Default)]
pub(crate) struct Extra {
    /// Of the service, as in `breaker: {}`.
    pub(crate) service: String,
    /// Of the route.
    pub(crate) route: String,
    /// Under `telemetry`.
    pub(crate) telemetry: String,
}

fn command(setup: &Setup<'_>) -> Result<Command> {
    start_with(setup, &Extra::default())
}

/// The same with more set.
pub(crate) fn start_with(setup: &Setup<'_>, extra: &Extra) -> Result<Command> {
    let file = setup.folder.join("floodway.yaml");
    std::fs::write(&file, config(setup, extra)).context("cannot write Floodway's system file")?;
    let mut command = setup.cores.for_proxy(std::path::absolute(setup.floodway)?);
    command.args(["up", "--quiet"]).arg(file);
    Ok(command)
}

fn config(setup: &Setup<'_>, extra: &Extra) -> String {
    let backends: Vec<_> = setup.backends.iter().map(|address| format!("\"{address}\"")).collect();
    let folder = setup.folder.display();
    let plain = format!("{{ address: \"{}\", tls: false }}", setup.listen);
    let (listen, tls) = if setup.front.is_tls() {
        let pair = format!("{{ cert: \"{folder}/server.pem\", key: \"{folder}/server.key\" }}");
        (format!("{plain}, \"{}\"", setup.loaded), format!("  tls: {{ certificates: [{pair}] }}\n"))
    } else {
        (plain, String::new())
    };
    format!(
        "system: compare
node: {{ data: \"{folder}/floodway-data\", workers: 1 }}
services:
  backend:
    at: [{backends}]
    balance: {balance}
    {service}
gateway:
  listen: [{listen}]
  limits: {{ connections: {connections} }}
{tls}  routes:
    - match: {{ path: \"/*\" }}
      to: backend
      {route}
telemetry:
  {telemetry}
",
        connections = setup.connections,
        backends = backends.join(", "),
        balance = setup.balance,
        service = extra.service,
        route = extra.route,
        telemetry = if extra.telemetry.is_empty() { "{}" } else { &extra.telemetry },
    )
}
