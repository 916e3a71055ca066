//! The servers behind the proxies, by other hands: Node's HTTP, grpcio and Python's websockets.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use floodway_kit::{Running, http};

use super::place::{Place, START_MAX, command, output};

const HTTP: &str = include_str!("../../suites/origin.mjs");
const ECHO: &str = include_str!("../../suites/websocket_echo.py");
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
    run_script(python, &[&script, "serve"], place.grpc)
}

/// WebSocket: says what it hears.
pub(crate) fn echo(place: &Place, python: &str) -> Result<Running> {
    let script = place.write("websocket_echo.py", ECHO)?;
    run_script(python, &[&script], place.websocket)
}

/// With the port as its last word.
fn run_script(python: &str, words: &[&str], listens: SocketAddr) -> Result<Running> {
    let mut server = command(python);
    // The Autobahn suite sends messages in more parts than websockets takes by default.
    server.args(words).arg(listens.port().to_string()).env("WEBSOCKETS_MAX_FRAGMENTS", "1000000");
    let running = Running::start(&mut server).context("python does not run")?;
    http::wait_port(listens, START_MAX);
    Ok(running)
}

/// Whether Python can import these.
pub(crate) fn has_modules(python: &str, modules: &str) -> Result<()> {
    let looked = output(60, python, &["-c".into(), format!("import {modules}")]);
    if !looked.is_ok_and(|output| output.status.success()) {
        bail!(
            "{python} has no {modules}; `cargo xtask packages` installs them, or name another with --python"
        );
    }
    Ok(())
}
