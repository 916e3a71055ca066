//! Floodway beside its peers, in one run on one machine.
//!
//! Shared machines drift, so no absolute time here means much: what lasts is a ratio between programs
//! that were measured in turn, round after round, and requests per second of processor time.

#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line speaks to its user")]

mod engine;
mod gateway;
mod peers;
mod pump;
mod server;
mod wrk;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Measures Floodway beside its peers.
#[derive(Debug, Parser)]
#[command(after_help = "Examples:
  cargo run --release -p floodway-compare -- gateway
  cargo run --release -p floodway-compare -- gateway --rounds 5 --seconds 10 --json gateway.json
  cargo run --release -p floodway-compare -- engine")]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// The gateway beside nginx, `HAProxy` and a pump that only copies bytes.
    Gateway(gateway::Options),
    /// The embedded engine beside the raw disk.
    Engine(engine::Options),
    /// All of it; with --tiny in a few seconds, to see that it works.
    All {
        /// A moment of each, whose figures mean nothing.
        #[arg(long)]
        tiny: bool,
    },
    /// A proxy that only copies bytes: the limit of what a proxy can reach.
    #[command(hide = true)]
    Pump {
        /// Where it listens.
        listen: SocketAddr,
        /// Where it connects to, one after the other.
        upstreams: Vec<SocketAddr>,
    },
}

/// Where the release build is.
fn built(program: &str) -> PathBuf {
    let target = std::env::current_exe().ok().and_then(|own| own.parent().map(PathBuf::from));
    target.unwrap_or_default().join(program)
}

fn main() -> ExitCode {
    let done = match Arguments::parse().what {
        What::Gateway(options) => gateway::run(&options),
        What::Engine(options) => engine::run(&options),
        What::All { tiny: true } => {
            gateway::run(&gateway::Options::tiny()).and_then(|()| engine::run(&engine::Options::tiny()))
        }
        What::All { tiny: false } => {
            gateway::run(&gateway::Options::default()).and_then(|()| engine::run(&engine::Options::default()))
        }
        What::Pump { listen, upstreams } => pump::run(listen, &upstreams),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("compare: {error:#}");
            ExitCode::FAILURE
        }
    }
}
