//! A proxy as it stands before the servers of the suites: plain, HTTP/2 by prior knowledge, TLS with ALPN and
//! client certificates, and behind the PROXY protocol.

mod floodway;
mod haproxy;
mod nginx;

use std::net::SocketAddr;
use std::process::Command;

use anyhow::{Context, Result};
use floodway_kit::{Running, free_address, http};

use super::place::{Place, START_MAX};

/// How one proxy is started.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FrontKind {
    pub(crate) name: &'static str,
    /// Writes the configuration and says how to start it in the foreground.
    command: fn(&Place, &Ports) -> Result<Command>,
}

/// In the order of the table; ours first.
pub(crate) const FRONTS: [FrontKind; 3] = [floodway::FRONT, nginx::FRONT, haproxy::FRONT];

/// Where it listens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ports {
    pub(crate) plain: SocketAddr,
    /// HTTP/2 by prior knowledge; the same as `plain` for proxies that tell the two apart.
    pub(crate) http2: SocketAddr,
    pub(crate) tls: SocketAddr,
    /// Each connection begins with a header of the PROXY protocol.
    pub(crate) proxied: SocketAddr,
}

/// A running proxy.
#[derive(Debug)]
pub(crate) struct Front {
    pub(crate) ports: Ports,
    _process: Running,
}

impl Front {
    pub(crate) fn start(kind: FrontKind, place: &Place) -> Result<Self> {
        let plain = free_address();
        let http2 = if kind.name == nginx::FRONT.name { free_address() } else { plain };
        let ports = Ports { plain, http2, tls: free_address(), proxied: free_address() };
        let mut command = (kind.command)(place, &ports)?;
        let process = Running::start(&mut command);
        let process = process.with_context(|| format!("cannot start {}: {command:?}", kind.name))?;
        for address in [ports.plain, ports.http2, ports.tls, ports.proxied] {
            http::wait_port(address, START_MAX);
        }
        Ok(Self { ports, _process: process })
    }
}
