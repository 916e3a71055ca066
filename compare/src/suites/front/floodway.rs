use std::process::Command;

use anyhow::Result;

use super::{FrontKind, Ports};
use crate::suites::place::{Place, command};

pub(crate) const FRONT: FrontKind = FrontKind { name: "floodway", command: start };

fn start(place: &Place, ports: &Ports) -> Result<Command> {
    let mut command = command(&place.floodway);
    command.args(["up", "--quiet"]).arg(place.write("floodway.yaml", config(place, ports))?);
    Ok(command)
}

fn config(place: &Place, ports: &Ports) -> String {
    format!(
        "system: suites
node: {{ workers: 1 }}
services:
  http: {{ at: [\"{http}\"] }}
  grpc: {{ at: [\"{grpc}\"], protocol: http2 }}
  dead: {{ at: [\"{dead}\"], protocol: http2 }}
  websocket: {{ at: [\"{websocket}\"] }}
gateway:
  listen:
    - {{ address: \"{plain}\", tls: false }}
    - {{ address: \"{tls}\" }}
    - {{ address: \"{proxied}\", tls: false, proxy-protocol: true }}
  trusted-proxies: [127.0.0.1/32]
  tls:
    certificates: [{{ cert: server.pem, key: server.key }}]
    client: {{ ca: ca.pem, required: false }}
  limits: {{ body: 64MiB }}
  routes:
    - {{ match: {{ path: \"/floodway.suite.Echo/*\" }}, to: grpc }}
    - {{ match: {{ path: \"/floodway.suite.Dead/*\" }}, to: dead }}
    - {{ match: {{ path: \"/grpc.health.v1.Health/*\" }}, to: grpc }}
    - {{ match: {{ path: /websocket }}, to: websocket }}
    - {{ match: {{ path: \"/*\" }}, to: http }}
",
        http = place.http,
        grpc = place.grpc,
        dead = place.dead,
        websocket = place.websocket,
        plain = ports.plain,
        tls = ports.tls,
        proxied = ports.proxied,
    )
}
