//! `HAProxy` with one thread: keep-alive to the servers shared among clients, the client's address passed on.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use super::Peer;

pub(super) struct Haproxy;

impl Peer for Haproxy {
    fn name(&self) -> &'static str {
        "haproxy"
    }

    fn command(&self, folder: &Path, listen: SocketAddr, backends: &[SocketAddr]) -> anyhow::Result<Command> {
        let file = folder.join("haproxy.cfg");
        let servers: Vec<String> = (0..)
            .zip(backends)
            .map(|(index, address)| format!("  server s{index} {address} check"))
            .collect();
        let text = format!(
            "global
  nbthread 1
  maxconn 4096
defaults
  mode http
  timeout connect 1s
  timeout client 75s
  timeout server 30s
  timeout http-request 10s
  option forwardfor
  option redispatch
  retries 2
  http-reuse always
  unique-id-format %[uuid]
  unique-id-header x-request-id
frontend entry
  bind {listen}
  default_backend servers
backend servers
  balance roundrobin
{}
",
            servers.join("\n"),
        );
        fs::write(&file, text)?;
        let mut command = Command::new("/usr/sbin/haproxy");
        command.arg("-db").arg("-f").arg(file);
        Ok(command)
    }
}
