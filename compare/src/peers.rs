//! The proxies that are compared, a file for each. To add one: write its file and add it to [`PEERS`].

mod envoy;
pub(crate) mod floodway;
mod haproxy;
mod nginx;
mod pump;

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::cores::Cores;
use crate::front::Front;

/// A proxy that can be measured. It carries requests to the backends in turn over connections it keeps,
/// adds `X-Forwarded-For`, writes no access log, runs one worker, and is left as it is for the rest.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    /// It carries requests, so it is checked that it does all of the above; else it is a limit, not a proxy.
    pub(crate) reads_http: bool,
    /// What is measured, in words; an error if it is not there.
    pub(crate) version: fn(&Setup<'_>) -> Result<String>,
    /// Writes the configuration and says how to start it in the foreground.
    pub(crate) command: fn(&Setup<'_>) -> Result<Command>,
}

/// What a peer is started with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setup<'a> {
    /// HTTP/1.1.
    pub(crate) listen: SocketAddr,
    /// What clients speak under load, and where; by HTTP/1.1 the same address.
    pub(crate) front: Front,
    pub(crate) loaded: SocketAddr,
    pub(crate) backends: &'a [SocketAddr],
    /// For its configuration and whatever else it writes. `server.pem`, `server.key` and both together in
    /// `server.both` are there.
    pub(crate) folder: &'a Path,
    pub(crate) cores: Cores,
    /// The floodway program.
    pub(crate) floodway: &'a Path,
    /// Who gets the next request, in the words of the system file: one of [`BALANCES`].
    pub(crate) balance: &'a str,
    /// Bytes of each answer's body.
    pub(crate) body: usize,
    /// Room for client connections.
    pub(crate) connections: u32,
}

pub(crate) const ROUND_ROBIN: &str = "round-robin";
/// What all peers can do.
pub(crate) const BALANCES: [&str; 2] = [ROUND_ROBIN, "least-requests"];

/// In the order of the table.
pub(crate) const PEERS: [Peer; 5] = [floodway::PEER, nginx::PEER, haproxy::PEER, envoy::PEER, pump::PEER];

/// The first line that a program prints about itself, of those that say anything.
fn first_line(program: impl AsRef<std::ffi::OsStr>, flag: &str) -> Result<String> {
    use anyhow::Context;
    let program = program.as_ref();
    let output = Command::new(program).arg(flag).output();
    let output = output.with_context(|| format!("{} is not there", program.display()))?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    Ok(text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default().to_owned())
}
