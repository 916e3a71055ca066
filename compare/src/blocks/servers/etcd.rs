//! etcd, one member.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::Result;

use super::{Server, program, start};
use crate::blocks::etcd::{Etcd, Put};

pub(crate) async fn serve(folder: &Path) -> Result<Server<SocketAddr>> {
    let (clients, peers) = (floodway_kit::free_address(), floodway_kit::free_address());
    let (client_url, peer_url) = (format!("http://{clients}"), format!("http://{peers}"));
    let mut command = program("etcd");
    command.args(["--name", "one", "--initial-cluster"]).arg(format!("one={peer_url}"));
    command.arg("--data-dir").arg(folder.join("etcd"));
    command.args(["--listen-client-urls", &client_url, "--advertise-client-urls", &client_url]);
    command.args(["--listen-peer-urls", &peer_url, "--initial-advertise-peer-urls", &peer_url]);
    command.args(["--quota-backend-bytes", "8589934592", "--log-level", "error"]);
    start("etcd", command, clients, async |address| {
        let mut etcd = Etcd::connect(*address).await?;
        etcd.put(Put { key: b"started".to_vec(), value: b"yes".to_vec() }).await
    })
    .await
}
