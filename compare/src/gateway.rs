//! The gateway beside other proxies: each alone on processor 0 with one worker, the generator and the
//! backends on processor 1, in turn, round after round.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use serde_json::json;

use crate::peers::{self, Peer};
use crate::server::Server;
use crate::wrk;

/// How the gateway is measured.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// How often each proxy is measured.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Length of one measurement.
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// Connections of the generator.
    #[arg(long, default_value_t = 64)]
    connections: u32,
    /// Only these proxies.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Also write the figures as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
}

/// A proxy that is being measured.
struct Contender {
    name: &'static str,
    address: SocketAddr,
    server: Server,
    figures: Vec<Figures>,
}

#[derive(Debug, Clone, Copy)]
struct Figures {
    per_cpu_second: f64,
    per_second: f64,
    p50: Duration,
    p99: Duration,
    memory: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { rounds: 3, seconds: 4, connections: 64, only: Vec::new(), json: None }
    }
}

impl Options {
    pub(crate) fn tiny() -> Self {
        Self { rounds: 1, seconds: 1, ..Self::default() }
    }
}

/// Measures and prints a table.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let others = usize::from(processors > 1);
    if others == 0 {
        println!("there is one processor only: proxy and generator share it");
    }
    let folder = tempfile::tempdir()?;
    let backends = [floodway_kit::free_address(), floodway_kit::free_address(), floodway_kit::free_address()];
    let backend_folder = sub_folder(folder.path(), "backend")?;
    let _backends = Server::start(&mut peers::backend(&backend_folder, &backends)?, others, backends[0])?;
    let mut contenders = Vec::new();
    for peer in peers::all() {
        if options.only.is_empty() || options.only.iter().any(|name| name == peer.name()) {
            contenders.push(start(&*peer, folder.path(), &backends)?);
        }
    }
    if contenders.is_empty() {
        bail!("--only names no proxy");
    }
    for round in 1..=options.rounds {
        for contender in &mut contenders {
            let figures = measure(contender, options, others)?;
            println!(
                "round {round}: {:<10} {:>9.0} requests per CPU-second, {:>9.0}/s",
                contender.name, figures.per_cpu_second, figures.per_second
            );
            contender.figures.push(figures);
        }
    }
    let medians: Vec<(&str, Figures)> =
        contenders.iter().map(|contender| (contender.name, median(&contender.figures))).collect();
    print_table(&medians);
    match &options.json {
        Some(path) => write_json(path, &medians),
        None => Ok(()),
    }
}

fn start(peer: &dyn Peer, folder: &Path, backends: &[SocketAddr]) -> anyhow::Result<Contender> {
    let address = floodway_kit::free_address();
    let own = sub_folder(folder, peer.name())?;
    let mut command = peer.command(&own, address, backends)?;
    let server = Server::start(&mut command, 0, address)?;
    // A first moment, so that all connections to the backends are there.
    wrk::run(address, 16, Duration::from_secs(1), 0)
        .with_context(|| format!("{} does not answer", peer.name()))?;
    Ok(Contender { name: peer.name(), address, server, figures: Vec::new() })
}

fn sub_folder(folder: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let folder = folder.join(name.replace(' ', "-"));
    std::fs::create_dir(&folder)?;
    Ok(folder)
}

fn measure(contender: &Contender, options: &Options, processor: usize) -> anyhow::Result<Figures> {
    let before = contender.server.cpu_time();
    let time = Duration::from_secs(options.seconds);
    let run = wrk::run(contender.address, options.connections, time, processor)?;
    let used = contender.server.cpu_time().saturating_sub(before);
    if run.errors > 0 {
        bail!("{}: {} of {} requests failed", contender.name, run.errors, run.requests);
    }
    Ok(Figures {
        per_cpu_second: run.requests as f64 / used.as_secs_f64().max(0.01),
        per_second: run.per_second,
        p50: run.p50,
        p99: run.p99,
        memory: contender.server.memory(),
    })
}

fn median(figures: &[Figures]) -> Figures {
    let middle = |of: fn(&Figures) -> f64| {
        let mut values: Vec<f64> = figures.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    Figures {
        per_cpu_second: middle(|figures| figures.per_cpu_second),
        per_second: middle(|figures| figures.per_second),
        p50: Duration::from_secs_f64(middle(|figures| figures.p50.as_secs_f64())),
        p99: Duration::from_secs_f64(middle(|figures| figures.p99.as_secs_f64())),
        memory: figures.last().map_or(0, |figures| figures.memory),
    }
}

fn print_table(medians: &[(&str, Figures)]) {
    let (_, first) = medians[0];
    println!(
        "\nmedians            per CPU-second      per s       p50       p99    memory   {} is",
        medians[0].0
    );
    for (name, figures) in medians {
        println!(
            "{name:<20} {:>12.0} {:>10.0} {:>8.2?} {:>8.2?} {:>5.1} MiB   {:.2}x",
            figures.per_cpu_second,
            figures.per_second,
            figures.p50,
            figures.p99,
            figures.memory as f64 / f64::from(1 << 20),
            first.per_cpu_second / figures.per_cpu_second,
        );
    }
}

fn write_json(path: &Path, medians: &[(&str, Figures)]) -> anyhow::Result<()> {
    let rows: Vec<_> = medians
        .iter()
        .map(|(name, figures)| {
            json!({
                "proxy": name,
                "requests_per_cpu_second": figures.per_cpu_second,
                "requests_per_second": figures.per_second,
                "p50_us": figures.p50.as_micros(),
                "p99_us": figures.p99.as_micros(),
                "memory_bytes": figures.memory,
            })
        })
        .collect();
    std::fs::write(path, serde_json::to_vec_pretty(&rows)?)
        .with_context(|| format!("cannot write {}", path.display()))
}
