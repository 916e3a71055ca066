//! The listener of one port: a task for each connection, until the end.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use hyper_util::server::graceful::GracefulConnection;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

/// Out of descriptors or memory: what is open goes on, and may end soon.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves connections, `most` at once, until `shutdown`; then they have `grace` to end in. Must run in a
/// `LocalSet`.
pub(crate) async fn serve<F: Future<Output = ()> + 'static>(
    listener: TcpListener,
    most: usize,
    grace: Duration,
    shutdown: &CancellationToken,
    serve: impl Fn(TcpStream, SocketAddr) -> F,
) {
    let mut connections = JoinSet::new();
    loop {
        let has_room = connections.len() < most;
        tokio::select! {
            accepted = listener.accept(), if has_room => match accepted {
                Ok((stream, peer)) => match stream.set_nodelay(true) {
                    Ok(()) => drop(connections.spawn_local(serve(stream, peer))),
                    Err(error) => tracing::debug!(%error, "a connection was gone at once"),
                },
                Err(error) => {
                    tracing::warn!(%error, "a connection to the API could not be taken");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(ended) = connections.join_next() => log_panic(ended),
            () = shutdown.cancelled() => break,
        }
    }
    drop(listener);
    drain(connections, grace).await;
}

/// Drives a connection to its end; after `shutdown` it takes no more requests. One that breaks is its caller's
/// affair.
pub(crate) async fn drive(
    connection: impl GracefulConnection<Error = hyper::Error>,
    shutdown: &CancellationToken,
) {
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection to the API broke");
    }
}

async fn drain(mut connections: JoinSet<()>, grace: Duration) {
    let ended = async {
        while let Some(ended) = connections.join_next().await {
            log_panic(ended);
        }
    };
    if tokio::time::timeout(grace, ended).await.is_err() {
        tracing::warn!(connections = connections.len(), ?grace, "requests to the API did not end in time");
        connections.shutdown().await;
    }
}

pub(crate) fn log_panic(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "a task of the API panicked");
    }
}
