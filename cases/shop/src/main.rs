//! An online shop: orders, inventory and payment on Floodway.
//!
//! One binary, three services and an audit. Each service decides in pure code (what to store, what to
//! answer) and performs in thin handlers, over the block API of the replica it is.

#![forbid(unsafe_code)]

mod audit;
mod contract;
mod event;
mod inventory;
mod money;
mod order;
mod payment;
mod problem;
mod serve;

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

/// An online shop on Floodway.
#[derive(Debug, Parser)]
enum Command {
    /// Takes orders, and confirms or cancels them when their payment is known.
    Order,
    /// Keeps the stock and its reservations.
    Inventory,
    /// Charges for orders, with a simulated provider.
    Payment,
    /// Checks a load's journal against everything the services know; exit status 1 on a difference.
    Audit(audit::Options),
}

fn main() -> ExitCode {
    let command = Command::parse();
    log();
    match run(command) {
        Ok(code) => code,
        Err(error) => {
            tracing::error!("{}", problem::chain(&*error));
            ExitCode::FAILURE
        }
    }
}

/// To standard error, at the level of `RUST_LOG` or `info`.
fn log() {
    let level = EnvFilter::try_from_default_env().unwrap_or_else(|_unset| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt().with_env_filter(level).with_target(false);
    lines.with_ansi(io::stderr().is_terminal()).with_writer(io::stderr).init();
}

fn run(command: Command) -> Result<ExitCode, Box<dyn std::error::Error>> {
    // Many small replicas share the machine: one thread each.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match command {
            Command::Order => order::run().await?,
            Command::Inventory => inventory::run().await?,
            Command::Payment => payment::run().await?,
            Command::Audit(options) => return Ok(audit::run(&options).await?),
        }
        Ok(ExitCode::SUCCESS)
    })
}
