//! `floodway upgrade`

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use floodway_node::NodeError;

use super::running;
use crate::cli::{RunningNode, Upgrade};
use crate::failure::Failure;

/// Pause between two looks.
const LOOK: Duration = Duration::from_millis(100);
/// Time for the old program to drain and for the new one to be ready.
const PATIENCE: Duration = Duration::from_mins(2);

pub(super) fn run(upgrade: &Upgrade) -> Result<ExitCode, Failure> {
    let (client, runtime) = running::client(&upgrade.node)?;
    let before = runtime.block_on(client.status())?.start;
    runtime.block_on(client.upgrade())?;
    let wait = async {
        while !is_upgraded(&upgrade.node, before).await {
            tokio::time::sleep(LOOK).await;
        }
    };
    let waited = runtime.block_on(async { tokio::time::timeout(PATIENCE, wait).await });
    waited.map_err(|_elapsed| NodeError::Refused {
        detail: format!("the new program was not ready after {PATIENCE:?}"),
    })?;
    writeln!(std::io::stdout(), "upgraded; all replicas are ready").context("could not write to stdout")?;
    Ok(ExitCode::SUCCESS)
}

/// In between there is nobody to ask.
async fn is_upgraded(node: &RunningNode, before: u64) -> bool {
    let Ok(client) = running::find(node) else { return false };
    let Ok(status) = client.status().await else { return false };
    status.start != before && status.unready().is_empty()
}
