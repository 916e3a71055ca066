//! `HAProxy`, one thread.

use std::process::Command;

use anyhow::{Context, Result};

use super::{Peer, Setup, first_line};

pub(crate) const PEER: Peer =
    Peer { name: "haproxy", reads_http: true, version: |_| first_line("haproxy", "-v"), command };

fn command(setup: &Setup<'_>) -> Result<Command> {
    let file = setup.folder.join("haproxy.cfg");
    std::fs::write(&file, config(setup)).context("cannot write HAProxy's configuration")?;
    let mut command = setup.cores.for_proxy("haproxy");
    command.args(["-db", "-f"]).arg(file);
    Ok(command)
}

/// `HAProxy` has no default time limits and warns without them.
fn config(setup: &Setup<'_>) -> String {
    let servers = setup.backends.iter().enumerate();
    let servers = servers.map(|(index, address)| format!("  server s{index} {address}\n"));
    let servers = servers.collect::<Vec<_>>().concat();
    let tls = if setup.front.is_tls() {
        let folder = setup.folder.display();
        format!("  bind {} ssl crt {folder}/server.both alpn h2,http/1.1\n", setup.loaded)
    } else {
        String::new()
    };
    format!(
        "global
  nbthread 1
  maxconn {connections}
  no strict-limits
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
  option forwardfor
frontend in
  bind {listen}
{tls}  default_backend backends
backend backends
  balance {balance}
{servers}",
        listen = setup.listen,
        connections = setup.connections,
        tls = tls,
        balance = if setup.balance == "least-requests" { "leastconn" } else { "roundrobin" },
    )
}
