//! `floodway status`

mod watch;

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use floodway_node::status::NodeStatus;

use super::running;
use crate::cli::Status;
use crate::console;
use crate::failure::Failure;

pub(super) fn run(status: &Status) -> Result<ExitCode, Failure> {
    let (client, runtime) = running::client(&status.node)?;
    if status.watch {
        watch::run(&client, &runtime)?;
    }
    let found = runtime.block_on(client.status())?;
    let text = if status.json {
        serde_json::to_string_pretty(&found).context("could not write the status as JSON")?
    } else {
        describe(&found)
    };
    writeln!(std::io::stdout(), "{text}").context("could not write to stdout")?;
    Ok(ExitCode::SUCCESS)
}

fn describe(status: &NodeStatus) -> String {
    let gateway = &status.gateway;
    let mut lines =
        vec![format!("{} runs as process {} for {:.0} s", status.system, status.pid, status.uptime_s)];
    if !gateway.addresses.is_empty() {
        let addresses: Vec<_> = gateway.addresses.iter().map(ToString::to_string).collect();
        lines.push(format!(
            "gateway {}: {} requests, {} in flight, {} connections",
            addresses.join(", "),
            gateway.requests,
            gateway.in_flight,
            gateway.connections
        ));
    }
    if let Some(engine) = &status.engine {
        let cut = match engine.cut_bytes {
            0 => String::new(),
            bytes => format!(", {bytes} B of an unfinished write cut off"),
        };
        lines.push(format!("engine: {} records replayed at the start{cut}", engine.replayed));
    }
    lines.push(String::new());
    lines.extend(console::table(status, usize::MAX));
    lines.join("\n")
}
