//! Passes bytes between each client and one backend of its own, without looking at them. A read and a write
//! each way for a request is what no proxy on epoll can do without.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Serves until it is killed.
pub(crate) fn run(listen: SocketAddr, backends: &[SocketAddr]) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener =
            TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
        let mut clients = JoinSet::new();
        for backend in backends.iter().cycle().copied() {
            let (client, _) = listener.accept().await.context("cannot accept")?;
            clients.spawn(pump(client, backend));
            while clients.try_join_next().is_some() {}
        }
        Ok(())
    })
}

/// Ends when either side does; there is nobody to tell.
async fn pump(mut client: TcpStream, backend: SocketAddr) -> std::io::Result<()> {
    let mut server = TcpStream::connect(backend).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}
