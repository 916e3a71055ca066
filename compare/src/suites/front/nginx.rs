use std::process::Command;

use anyhow::Result;

use super::{FrontKind, Ports};
use crate::suites::place::{Place, command};

pub(crate) const FRONT: FrontKind = FrontKind { name: "nginx", command: start };

fn start(place: &Place, ports: &Ports) -> Result<Command> {
    let mut command = command("nginx");
    command.arg("-e").arg(place.path("nginx.log"));
    command.arg("-c").arg(place.write("nginx.conf", config(place, ports))?);
    Ok(command)
}

/// Buffers are on and limits as by default, but for the size of bodies. Where the master is root, workers are too:
/// the folder is nobody else's.
fn config(place: &Place, ports: &Ports) -> String {
    format!(
        "daemon off;
user root;
worker_processes 1;
pid {folder}/nginx.pid;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {folder}/client_body;
  proxy_temp_path {folder}/proxy_temp;
  client_max_body_size 64m;
  upstream http {{ server {http}; keepalive 16; }}
  upstream grpc {{ server {grpc}; keepalive 16; }}
  map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
  server {{
    listen {plain};
    listen {http2} http2;
    listen {tls} ssl http2;
    listen {proxied} proxy_protocol;
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_certificate {folder}/server.pem;
    ssl_certificate_key {folder}/server.key;
    ssl_client_certificate {folder}/ca.pem;
    ssl_verify_client optional;
    location / {{
      proxy_pass http://http;
      proxy_http_version 1.1;
      proxy_set_header Connection \"\";
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Client-Cert $ssl_client_s_dn;
    }}
    location = /websocket {{
      proxy_pass http://{websocket};
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
      proxy_set_header Host $http_host;
    }}
    location ~ ^/(floodway\\.suite\\.Echo|grpc\\.health\\.v1\\.Health)/ {{
      client_max_body_size 0;
      grpc_pass grpc://grpc;
    }}
    location /floodway.suite.Dead/ {{ grpc_pass grpc://{dead}; }}
  }}
}}
",
        folder = place.file(""),
        http = place.http,
        grpc = place.grpc,
        dead = place.dead,
        websocket = place.websocket,
        plain = ports.plain,
        http2 = ports.http2,
        tls = ports.tls,
        proxied = ports.proxied,
    )
}
