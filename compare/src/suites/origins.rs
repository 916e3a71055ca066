//! The servers behind the proxies, by other hands: Node's HTTP and grpcio.

use anyhow::{Context, Result};
use floodway_kit::{Running, http};

use super::place::{Place, START_MAX, command};

const HTTP: &str = include_str!("../../suites/origin.mjs");
pub(crate) const GRPC: &str = include_str!("../../suites/grpc_suite.py");

/// Node, by HTTP/1.1.
pub(crate) fn http(place: &Place) -> Result<Running> {
    let script = place.write("origin.mjs", HTTP)?;
    let running = Running::start(command("node").arg(script).arg(place.http.port().to_string()));
    let running = running.context("node does not run; `cargo xtask packages` installs it")?;
    http::wait_port(place.http, START_MAX);
    Ok(running)
}

/// grpcio, by HTTP/2.
pub(crate) fn grpc(place: &Place, python: &str) -> Result<Running> {
    let script = place.write("grpc_suite.py", GRPC)?;
    let mut server = command(python);
    server.arg(script).args(["serve", &place.grpc.port().to_string()]);
    let running = Running::start(&mut server).context("python does not run")?;
    http::wait_port(place.grpc, START_MAX);
    Ok(running)
}
