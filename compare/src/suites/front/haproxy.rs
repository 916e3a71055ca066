use std::process::Command;

use anyhow::Result;

use super::{FrontKind, Ports};
use crate::suites::place::{Place, command};

pub(crate) const FRONT: FrontKind = FrontKind { name: "haproxy", command: start };

fn start(place: &Place, ports: &Ports) -> Result<Command> {
    let mut command = command("haproxy");
    command.args(["-db", "-f"]).arg(place.write("haproxy.cfg", config(place, ports))?);
    Ok(command)
}

/// `HAProxy` has no default time limits; these are the ones that its documentation shows.
fn config(place: &Place, ports: &Ports) -> String {
    format!(
        "global
  nbthread 1
defaults
  mode http
  timeout connect 5s
  timeout client 50s
  timeout server 50s
  timeout http-request 10s
  timeout http-keep-alive 75s
  timeout tunnel 1h
  option forwardfor
frontend in
  bind {plain}
  bind {tls} ssl crt {both} ca-file {ca} verify optional alpn h2,http/1.1
  bind {proxied} accept-proxy
  http-request del-header X-Forwarded-Client-Cert
  http-request set-header X-Forwarded-Client-Cert %[ssl_c_s_dn] if {{ ssl_c_used }}
  use_backend grpc if {{ path_beg /floodway.suite.Echo/ /grpc.health.v1.Health/ }}
  use_backend dead if {{ path_beg /floodway.suite.Dead/ }}
  use_backend websocket if {{ path /websocket }}
  default_backend http
backend http
  server s {http}
backend grpc
  server s {grpc} proto h2
backend dead
  server s {dead} proto h2
backend websocket
  server s {websocket}
",
        plain = ports.plain,
        tls = ports.tls,
        proxied = ports.proxied,
        both = place.file("server.both"),
        ca = place.file("ca.pem"),
        http = place.http,
        grpc = place.grpc,
        dead = place.dead,
        websocket = place.websocket,
    )
}
