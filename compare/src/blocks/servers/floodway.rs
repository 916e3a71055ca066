//! Floodway with its embedded engine, and one service, through whose ports it is asked.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result};

use super::{Server, program, start};
use crate::blocks::http::Http;

/// The ports that Floodway gives the service.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ports {
    pub(crate) http: SocketAddr,
    pub(crate) grpc: SocketAddr,
    /// The service's own.
    pub(crate) app: SocketAddr,
}

/// The component of each kind in the system file.
pub(crate) const STORE: &str = "store";
pub(crate) const TOPICS: &str = "topics";
pub(crate) const LOCKS: &str = "locks";
pub(crate) const SERVICE: &str = "app";

pub(crate) async fn serve(floodway: &Path, folder: &Path) -> Result<Server<Ports>> {
    let file = folder.join("floodway.yaml");
    let listen = floodway_kit::free_address();
    std::fs::write(&file, config(listen, folder)?).context("cannot write Floodway's system file")?;
    let mut command = program(std::path::absolute(floodway)?);
    command.args(["up", "--quiet"]).arg(&file);
    let gateway = start("Floodway", command, listen, async |listen| ports(*listen).await.map(drop)).await?;
    let at = ports(gateway.at).await?;
    Ok(Server { at, process: gateway.process })
}

fn config(listen: SocketAddr, folder: &Path) -> Result<String> {
    let this = std::env::current_exe().context("cannot find this program")?;
    Ok(format!(
        "system: compare
node: {{ data: \"{folder}/floodway-data\" }}
services:
  {SERVICE}:
    run: \"'{this}' app\"
    health: {{ http: /healthz, period: 200ms }}
gateway:
  listen: {{ address: \"{listen}\", tls: false }}
  routes:
    - {{ match: {{ path: \"/*\" }}, to: {SERVICE} }}
stores: {{ {STORE}: {{ engine: embedded }} }}
topics: {{ {TOPICS}: {{ engine: embedded, in-flight: 1000 }} }}
locks: {{ {LOCKS}: {{ engine: embedded }} }}
",
        folder = folder.display(),
        this = this.display(),
    ))
}

/// The service tells its ports itself.
async fn ports(gateway: SocketAddr) -> Result<Ports> {
    let mut http = Http::connect(gateway).await?;
    let body = http.expect("GET", "/ports", b"").await?;
    let [http, grpc, app]: [u16; 3] = serde_json::from_slice(body).context("the service tells no ports")?;
    let [http, grpc, app] = [http, grpc, app].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
    Ok(Ports { http, grpc, app })
}
