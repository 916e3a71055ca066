//! A proxy that only copies bytes: one connection to a backend for each of a client. It shows what the
//! system calls alone cost.

use std::net::SocketAddr;

use anyhow::Context;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Copies until it is killed.
pub(crate) fn run(listen: SocketAddr, upstreams: &[SocketAddr]) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener =
            TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
        let mut pumps = JoinSet::new();
        for upstream in upstreams.iter().cycle() {
            let (client, _) = listener.accept().await?;
            pumps.spawn(pump(client, *upstream));
            while pumps.try_join_next().is_some() {}
        }
        anyhow::bail!("there is no upstream")
    })
}

async fn pump(mut client: TcpStream, upstream: SocketAddr) {
    let copied = async {
        let mut server = TcpStream::connect(upstream).await?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        tokio::io::copy_bidirectional(&mut client, &mut server).await
    };
    if let Err(error) = copied.await {
        eprintln!("pump: {error}");
    }
}
