//! `floodway drain`

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use floodway_node::supervisor::Then;

use super::running;
use crate::cli::Drain;
use crate::failure::Failure;

pub(super) fn run(drain: &Drain) -> Result<ExitCode, Failure> {
    if !is_replica(&drain.replica) {
        let text = format!("error: {} is no replica: expected a name like order/0", drain.replica);
        return Err(Failure::Mistake(text));
    }
    let (client, runtime) = running::client(&drain.node)?;
    let then = if drain.stop { Then::StayOut } else { Then::StartAgain };
    runtime.block_on(client.drain(&drain.replica, then))?;
    let what = if drain.stop { "drained and stopped" } else { "drained; a fresh one starts" };
    writeln!(std::io::stdout(), "{} {what}", drain.replica).context("could not write to stdout")?;
    Ok(ExitCode::SUCCESS)
}

/// A service's name, a slash and a number.
fn is_replica(text: &str) -> bool {
    text.split_once('/')
        .is_some_and(|(service, slot)| running::is_name(service) && slot.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::is_replica;

    #[test]
    fn knows_a_replicas_name() {
        assert!(is_replica("order/0") && is_replica("legacy-erp/12"));
        for wrong in ["order", "order/", "/0", "order/x", "order/0/1", "or der/0", "order/0?stop"] {
            assert!(!is_replica(wrong), "{wrong}");
        }
    }
}
