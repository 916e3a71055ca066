//! A service's life: listen on the port it was given, answer, finish what is in flight, end.

use std::env::VarError;
use std::io;
use std::net::Ipv4Addr;
use std::num::ParseIntError;

use axum::Router;
use axum::routing::get;
use axum::serve::ListenerExt;
use floodway_client::SetupError;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::inventory::InitialStockError;

/// Why a service could not run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServiceError {
    #[error("[FW-9001] the environment has no PORT; Floodway sets it for every replica it starts")]
    NoPort(#[source] VarError),
    #[error("[FW-9001] PORT is {text:?}, which is no port number")]
    BadPort { text: String, source: ParseIntError },
    #[error("[FW-9001] the block API is not known")]
    NoApi(#[from] SetupError),
    #[error("[FW-9001] INITIAL_STOCK cannot be used")]
    InitialStock(#[from] InitialStockError),
    #[error("[FW-9001] could not listen on port {port}")]
    Listen { port: u16, source: io::Error },
    #[error("[FW-9001] could not serve")]
    Serve(#[source] io::Error),
}

/// Serves `router` and `/healthz` on 127.0.0.1 at `PORT` until SIGTERM or SIGINT, then finishes the
/// requests in flight.
pub(crate) async fn serve(router: Router) -> Result<(), ServiceError> {
    let port = port()?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
    let listener = listener.map_err(|source| ServiceError::Listen { port, source })?;
    let listener = listener.tap_io(|connection| {
        if let Err(error) = connection.set_nodelay(true) {
            tracing::debug!(%error, "answers on a connection may be delayed");
        }
    });
    let stopped = stopped().map_err(ServiceError::Serve)?;
    let router = router.route("/healthz", get(async || "ok"));
    axum::serve(listener, router).with_graceful_shutdown(stopped).await.map_err(ServiceError::Serve)
}

fn port() -> Result<u16, ServiceError> {
    let text = std::env::var("PORT").map_err(ServiceError::NoPort)?;
    text.parse().map_err(|source| ServiceError::BadPort { text, source })
}

/// Resolves when the process is asked to end.
fn stopped() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => (),
            _ = interrupt.recv() => (),
        }
    })
}
