//! `floodway status`

mod watch;

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use floodway_node::status::{NodeStatus, SubscriptionStatus};

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
    if !status.subscriptions.is_empty() {
        lines.push(String::new());
        lines.extend(subscriptions(&status.subscriptions));
    }
    lines.join("\n")
}

fn subscriptions(all: &[SubscriptionStatus]) -> Vec<String> {
    let name = |it: &SubscriptionStatus| format!("{} < {}/{}", it.service, it.topics, it.topic);
    let width = all.iter().map(|it| name(it).len()).max().unwrap_or(0).max("subscription".len());
    let head = ["in flight", "oldest", "consumed", "redelivered", "dropped", "dead letters"];
    let head = head.map(|title| format!("{title:>12}")).join(" ");
    let mut lines = vec![format!("{:width$} {head}", "subscription")];
    lines.extend(all.iter().map(|it| {
        let oldest = format!("{:.0} s", it.oldest_s);
        format!(
            "{:width$} {:>12} {oldest:>12} {:>12} {:>12} {:>12} {:>12}",
            name(it),
            it.in_flight,
            it.consumed,
            it.redeliveries,
            it.dropped,
            it.dead_letters
        )
    }));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_subscriptions_in_columns() {
        let it = SubscriptionStatus {
            service: "mail".into(),
            topics: "events".into(),
            topic: "order.placed".into(),
            in_flight: 3,
            consumed: 1200,
            oldest_s: 61.2,
            dead_letters: 1,
            ..SubscriptionStatus::default()
        };
        let expected = "subscription                  in flight       oldest     consumed  redelivered      dropped dead letters\n\
                        mail < events/order.placed            3         61 s         1200            0            0            1";
        assert_eq!(subscriptions(&[it]).join("\n"), expected);
    }
}
