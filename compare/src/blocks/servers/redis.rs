//! Redis, which appends each write to its file and syncs it before the answer.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::Result;

use super::{Server, program, start};
use crate::blocks::resp::Redis;

pub(crate) async fn serve(folder: &Path) -> Result<Server<SocketAddr>> {
    let address = floodway_kit::free_address();
    let mut command = program("redis-server");
    command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "yes", "--appendfsync", "always"]);
    command.arg("--port").arg(address.port().to_string()).arg("--dir").arg(folder);
    start("Redis", command, address, async |address| {
        let mut redis = Redis::connect(*address).await?;
        redis.add(&[b"SET", b"started", b"yes"]);
        redis.send().await.map(drop)
    })
    .await
}
