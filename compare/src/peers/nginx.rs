//! nginx, one worker.

use std::process::Command;

use anyhow::{Context, Result};

use super::{Peer, Setup, first_line};
use crate::front::Front;

pub(crate) const PEER: Peer =
    Peer { name: "nginx", reads_http: true, version: |_| first_line("nginx", "-v"), command };

fn command(setup: &Setup<'_>) -> Result<Command> {
    let file = setup.folder.join("nginx.conf");
    std::fs::write(&file, config(setup)).context("cannot write nginx's configuration")?;
    let mut command = setup.cores.for_proxy("nginx");
    command.arg("-e").arg(setup.folder.join("nginx.log")).arg("-c").arg(file);
    Ok(command)
}

/// It closes idle connections as soon as few of its places are left, so there are twice as many; and others
/// after 1,000 requests, but h2load makes no new ones.
fn config(setup: &Setup<'_>) -> String {
    let servers = setup.backends.iter().map(|address| format!("    server {address};\n"));
    let servers = servers.collect::<Vec<_>>().concat();
    let (loaded, folder) = (setup.loaded, setup.folder.display());
    let tls = format!(
        "    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_certificate {folder}/server.pem;
    ssl_certificate_key {folder}/server.key;
"
    );
    let loaded = match setup.front {
        Front::Http1 => String::new(),
        Front::Http2 => format!("    listen {loaded} http2;\n"),
        Front::Tls => format!("    listen {loaded} ssl;\n{tls}"),
        Front::TlsHttp2 => format!("    listen {loaded} ssl http2;\n{tls}"),
    };
    format!(
        "daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
events {{ worker_connections {connections}; }}
http {{
  access_log off;
  upstream backends {{
{least}{servers}    keepalive 64;
  }}
  server {{
    listen {listen};
    keepalive_requests 1000000000;
{loaded}    location / {{
      proxy_pass http://backends;
      proxy_http_version 1.1;
      proxy_set_header Connection \"\";
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    }}
  }}
}}
",
        listen = setup.listen,
        connections = 2 * setup.connections,
        least = if setup.balance == "least-requests" { "    least_conn;\n" } else { "" },
    )
}
