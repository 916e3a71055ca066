//! gRPC by grpcio on both sides of the proxy.

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::front::Front;
use super::origins::{self, GRPC};
use super::place::{Place, output};
use super::report::Case;

/// One line of the script.
#[derive(Debug, Deserialize)]
struct Line {
    name: String,
    why: Option<String>,
}

pub(crate) fn is_there(python: &str) -> Result<()> {
    origins::has_modules(python, "grpc, grpc_health.v1.health")
}

pub(crate) fn run(place: &Place, front: &Front, python: &str) -> Result<Vec<Case>> {
    let script = place.write("grpc_suite.py", GRPC)?;
    let tls = format!("localhost:{}", front.ports.tls.port());
    let words = [script, "check".to_owned(), front.ports.http2.to_string(), tls, place.file("ca.pem")];
    let ran = output(300, python, &words)?;
    let text = String::from_utf8_lossy(&ran.stdout);
    ensure!(
        ran.status.success(),
        "the script ended with {}: {}",
        ran.status,
        String::from_utf8_lossy(&ran.stderr)
    );
    let read = |line| -> Result<Case> {
        let Line { name, why } = serde_json::from_str(line).with_context(|| format!("`{line}`"))?;
        Ok(Case { name, why })
    };
    text.lines().map(read).collect()
}
