//! NATS with JetStream on files.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result};
use async_nats::jetstream;

use super::{Server, program, start};

/// When it syncs what it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sync {
    /// Every two minutes, as it is set when nobody says otherwise.
    Default,
    /// Before each answer; only newer versions can.
    Always,
}

pub(crate) async fn serve(nats: &Path, sync: Sync, folder: &Path) -> Result<Server<SocketAddr>> {
    let address = floodway_kit::free_address();
    let (name, more) = match sync {
        Sync::Default => ("default", ""),
        Sync::Always => ("always", ", sync_interval: always"),
    };
    let file = folder.join(format!("nats-{name}.conf"));
    let store = folder.join(format!("nats-{name}"));
    let text = format!("listen: \"{address}\"\njetstream {{ store_dir: \"{}\"{more} }}\n", store.display());
    std::fs::write(&file, text).context("cannot write the configuration of NATS")?;
    let mut command = program(nats);
    command.arg("-c").arg(&file);
    start("NATS", command, address, async |address| {
        let client = async_nats::connect(address.to_string()).await?;
        let stream = jetstream::stream::Config { name: "started".to_owned(), ..Default::default() };
        jetstream::new(client).get_or_create_stream(stream).await?;
        Ok(())
    })
    .await
}
