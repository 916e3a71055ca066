//! Side by side with peers: the gateway beside other proxies, the embedded engine beside the raw disk.
//! All figures of a table come from one run, in rounds that take turns.

#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "the tables are this program's output")]

mod backends;
mod blocks;
mod cache_suite;
mod certificates;
mod cores;
mod costs;
mod engine;
mod fair;
mod figures;
mod front;
mod gateway;
mod h2load;
mod idle;
mod peers;
mod pump;
mod served;
mod steady;
mod suites;
mod table;
mod wrk;

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

use crate::blocks::Block;
use crate::engine::Build;
use crate::front::Front;
use crate::suites::Suite;

/// Compare Floodway with its peers.
#[derive(Debug, Parser)]
#[command(name = "compare")]
struct Cli {
    /// Run every comparison at the smallest size, as a test that it works; the figures mean nothing.
    #[arg(long)]
    tiny: bool,
    #[command(subcommand)]
    command: Option<What>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Requests per CPU-second of proxies.
    Gateway(Gateway),
    /// What each feature of the gateway costs.
    Costs(Costs),
    /// Durable writes per second beside what the disk can do.
    Engine(Engine),
    /// State, topics, locks and calls, beside servers that are made for one of them.
    Blocks(Blocks),
    /// The score of the HTTP cache in the public suite http-tests/cache-tests.
    CacheSuite(CacheSuite),
    /// What idle connections cost, and what others notice of slow clients.
    Idle(Idle),
    /// Scores of independent suites, for proxies beside each other.
    Suites(Suites),
    /// Pass bytes on without looking at them: the limit for a proxy. Started by `gateway`.
    #[command(hide = true)]
    Pump(Pump),
    /// The service that Floodway runs for `blocks`. Started by it.
    #[command(hide = true)]
    App,
}

/// How proxies are compared.
#[derive(Debug, Clone, Args)]
struct Gateway {
    /// Rounds; each measures every proxy once.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Seconds of load on one proxy in one round.
    #[arg(long, default_value_t = 4)]
    seconds: u32,
    /// Connections that the generator keeps busy.
    #[arg(long, default_value_t = 64)]
    connections: u32,
    /// Bytes of each answer's body.
    #[arg(long, default_value_t = 227, value_parser = clap::value_parser!(usize))]
    body: usize,
    /// What clients speak; wrk is the client by HTTP/1.1, else h2load.
    #[arg(long, value_enum, default_value_t = Front::Http1)]
    front: Front,
    /// Requests at once on each connection by HTTP/2.
    #[arg(long, default_value_t = 8)]
    streams: u32,
    /// Which backend gets the next request.
    #[arg(long, default_value = peers::BALANCES[0], value_parser = peers::BALANCES)]
    balance: String,
    /// Then ask each, by h2load at a steady rate, for this share of its own maximum, as in `0.7`.
    #[arg(long, value_name = "SHARE")]
    steady: Option<f64>,
    /// Compare only these, as in `nginx,pump`.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// The floodway program to measure.
    #[arg(long, default_value = "target/release/floodway")]
    floodway: PathBuf,
    /// Write all figures to this file as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
}

/// How features are compared.
#[derive(Debug, Clone, Args)]
struct Costs {
    /// Rounds; each measures every feature once.
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Seconds of load on one in one round.
    #[arg(long, default_value_t = 3)]
    seconds: u32,
    /// The floodway program to measure.
    #[arg(long, default_value = "target/release/floodway")]
    floodway: PathBuf,
}

/// How the embedded engine is measured.
#[derive(Debug, Clone, Args)]
struct Engine {
    /// Seconds for each figure.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Folder on the disk to measure; by default one for temporary files.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Write all figures to this file as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
}

/// How blocks are compared.
#[derive(Debug, Clone, Args)]
struct Blocks {
    /// Compare only these, as in `state,locks`.
    #[arg(long, value_delimiter = ',')]
    only: Vec<Block>,
    /// Measure only servers whose line of the table holds this, as in `stream`.
    #[arg(long, default_value = "")]
    matching: String,
    /// Rounds; each measures every server once.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Seconds for one server in one round.
    #[arg(long, default_value_t = 4.0)]
    seconds: f64,
    /// Who asks at once.
    #[arg(long, default_value_t = 64)]
    callers: usize,
    /// For the files of the servers: a folder on the disk to measure.
    #[arg(long, default_value = "target")]
    folder: PathBuf,
    /// The NATS server.
    #[arg(long, default_value = "nats-server")]
    nats: PathBuf,
    /// This NATS can sync before each answer (from 2.10 on): measure that too.
    #[arg(long)]
    nats_can_sync: bool,
    /// The floodway program to measure.
    #[arg(long, default_value = "target/release/floodway")]
    floodway: PathBuf,
    /// Write all figures to this file as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
}

/// How the suite for HTTP caches is run.
#[derive(Debug, Clone, Args)]
struct CacheSuite {
    /// The suite's folder, in which `npm i` was run.
    folder: PathBuf,
    /// The route's `cache`.
    #[arg(long, default_value = "{ stale-if-error: 1h }")]
    cache: String,
    /// The floodway program.
    #[arg(long, default_value = "target/release/floodway")]
    floodway: PathBuf,
}

/// How idle and slow clients are compared.
#[derive(Debug, Clone, Args)]
struct Idle {
    /// Idle connections.
    #[arg(long, default_value_t = 10_000)]
    connections: u32,
    /// Slow clients: a third with slow heads, a third with slow bodies, a third with slow readers.
    #[arg(long, default_value_t = 1_000)]
    slow: u32,
    /// Requests a second of the others.
    #[arg(long, default_value_t = 2_000)]
    rate: u32,
    /// Seconds of the steady load without the slow clients, and beside them.
    #[arg(long, default_value_t = 20)]
    seconds: u32,
    /// Compare only these, as in `nginx,floodway`.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// The floodway program to measure.
    #[arg(long, default_value = "target/release/floodway")]
    floodway: PathBuf,
}

/// How independent suites are run.
#[derive(Debug, Clone, Args)]
struct Suites {
    /// Run only these, as in `curl,grpc`; else all that are installed.
    #[arg(long, value_delimiter = ',')]
    only: Vec<Suite>,
    /// Only these proxies, as in `floodway,nginx`.
    #[arg(long, value_delimiter = ',')]
    proxies: Vec<String>,
    /// End with an error where floodway does not pass.
    #[arg(long)]
    strict: bool,
    /// A Python with grpcio.
    #[arg(long, default_value = "target/python/bin/python")]
    python: String,
    /// The floodway program.
    #[arg(long, default_value = "target/release/floodway")]
    floodway: PathBuf,
}

#[derive(Debug, Clone, Args)]
struct Pump {
    #[arg(long)]
    listen: SocketAddr,
    #[arg(long, value_delimiter = ',', required = true)]
    to: Vec<SocketAddr>,
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    match cli.command {
        Some(What::Gateway(options)) => gateway::run(&options),
        Some(What::Costs(Costs { rounds, seconds, floodway })) => {
            costs::run(&Gateway { rounds, seconds, floodway, ..Gateway::parse_from_nothing() })
        }
        Some(What::Engine(options)) => engine::run(&options, Build::Release),
        Some(What::Blocks(options)) => blocks::run(&options),
        Some(What::CacheSuite(suite)) => cache_suite::run(&suite),
        Some(What::Idle(options)) => idle::run(&options),
        Some(What::Suites(options)) => suites::run(&options),
        Some(What::Pump(pump)) => pump::run(pump.listen, &pump.to),
        Some(What::App) => blocks::app::run(),
        None if cli.tiny => tiny(),
        None => {
            gateway::run(&Gateway::parse_from_nothing())?;
            engine::run(&Engine::parse_from_nothing(), Build::Release)
        }
    }
}

fn tiny() -> Result<()> {
    // Named, so that one that is not there is an error.
    // Envoy may be: nobody packages it.
    let only =
        peers::PEERS.iter().filter(|peer| peer.name != "envoy").map(|peer| peer.name.to_owned()).collect();
    let tiny = Gateway { rounds: 1, seconds: 1, connections: 8, ..Gateway::parse_from_nothing() };
    gateway::run(&Gateway { only, ..tiny.clone() })?;
    costs::run(&tiny)?;
    let only = ["floodway", "nginx", "haproxy"].map(str::to_owned).to_vec();
    gateway::run(&Gateway { only: only.clone(), front: Front::TlsHttp2, ..tiny })?;
    let few = Idle { connections: 200, slow: 30, seconds: 1, ..Idle::parse_from_nothing() };
    idle::run(&Idle { only, ..few })?;
    engine::run(&Engine { seconds: 0.2, ..Engine::parse_from_nothing() }, Build::Debug)?;
    blocks::run(&Blocks { rounds: 1, seconds: 0.5, callers: 8, ..Blocks::parse_from_nothing() })?;
    let proxies = vec!["floodway".to_owned()];
    let only = suites::QUICK.to_vec();
    suites::run(&Suites { only, proxies, strict: true, ..Suites::parse_from_nothing() })
}

/// The defaults, as the command line gives them.
trait Defaults: Args {
    fn parse_from_nothing() -> Self {
        let matches = Self::augment_args(clap::Command::new("compare")).get_matches_from(["compare"]);
        Self::from_arg_matches(&matches).expect("every option has a default or is optional")
    }
}

impl Defaults for Gateway {}
impl Defaults for Engine {}
impl Defaults for Blocks {}
impl Defaults for Idle {}
impl Defaults for Suites {}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
        assert_eq!(Gateway::parse_from_nothing().rounds, 3);
        assert!(Engine::parse_from_nothing().folder.is_none());
    }
}
