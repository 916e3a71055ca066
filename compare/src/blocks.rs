//! What services ask for, beside the servers that are asked for it elsewhere: state beside etcd and Redis, topics
//! beside RabbitMQ and NATS, locks beside etcd, and what a call costs more.
//!
//! Servers and callers share all cores, as they do on a small machine; all contenders of a workload take turns.

pub(crate) mod app;
mod calls;
mod closed;
mod etcd;
mod http;
mod keys;
mod locks;
mod resp;
mod servers;
mod state;
mod topics;

use std::any::Any;
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::ValueEnum;
use futures_util::future::LocalBoxFuture;
use serde::Serialize;

use self::closed::{Caller, Done};
use self::topics::Nats;
use crate::figures::median;
use crate::{Blocks, table};

/// A block that is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Block {
    /// Puts and gets beside etcd and Redis.
    State,
    /// Messages beside RabbitMQ and NATS.
    Topics,
    /// Locks beside etcd.
    Locks,
    /// Calls beside those that go straight.
    Calls,
}

/// How much is asked for.
#[derive(Debug, Clone, Copy)]
struct Size {
    /// Who asks at once.
    callers: usize,
    /// Values that are put at once, where that is measured.
    batch: usize,
    /// Messages that are published at once, where that is measured.
    many: usize,
    time: Duration,
}

/// The same asked of several servers.
struct Workload {
    title: String,
    contenders: Vec<Contender>,
    /// Held so that they run.
    servers: Arc<dyn Any>,
}

/// One way to get it done.
struct Contender {
    name: &'static str,
    /// When it answers: what its answer promises.
    durability: &'static str,
    measure: Box<dyn Fn() -> LocalBoxFuture<'static, Result<Done>>>,
}

/// What was found of a contender: medians over the rounds.
#[derive(Debug, Clone, Serialize)]
struct Found {
    workload: String,
    name: &'static str,
    durability: &'static str,
    per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
}

/// Measures and prints.
pub(crate) fn run(options: &Blocks) -> Result<()> {
    // Not the folder for temporary files: where that is memory, a sync costs nothing.
    std::fs::create_dir_all(&options.folder).context("cannot make the folder for the servers' files")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(run_all(options))
}

async fn run_all(options: &Blocks) -> Result<()> {
    let Blocks { rounds, floodway, nats, .. } = options;
    let size = Size {
        callers: options.callers,
        batch: 16,
        many: 100,
        time: Duration::from_secs_f64(options.seconds),
    };
    let only: &[Block] = if options.only.is_empty() { Block::value_variants() } else { &options.only };
    println!("{rounds} rounds of {} s each, in turns; callers and servers share the cores", options.seconds);
    let mut all = Vec::new();
    for block in only {
        let folder = tempfile::tempdir_in(&options.folder).context("cannot make a folder for servers")?;
        let workloads = match block {
            Block::State => state::workloads(floodway, folder.path(), size).await?,
            Block::Topics => {
                let nats = Nats { program: nats.clone(), can_sync: options.nats_can_sync };
                topics::workloads(floodway, &nats, folder.path(), size).await?
            }
            Block::Locks => locks::workloads(floodway, folder.path(), size).await?,
            Block::Calls => {
                calls::compare(floodway, folder.path(), size, *rounds).await?;
                continue;
            }
        };
        for mut workload in workloads {
            workload.contenders.retain(|contender| contender.name.contains(&options.matching));
            let found = measure(&workload, *rounds).await?;
            println!("\n{}\n\n{}", workload.title, render(&found));
            all.extend(found);
            drop(workload.servers);
        }
    }
    if let Some(file) = &options.json {
        write(&all, file)?;
    }
    Ok(())
}

fn write(all: &[Found], file: &Path) -> Result<()> {
    let text = serde_json::to_string_pretty(all)?;
    std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

async fn measure(workload: &Workload, rounds: u32) -> Result<Vec<Found>> {
    let mut found: Vec<Vec<Done>> = workload.contenders.iter().map(|_| Vec::new()).collect();
    for _ in 0..rounds {
        for (contender, found) in workload.contenders.iter().zip(&mut found) {
            let done = (contender.measure)().await;
            found.push(done.with_context(|| format!("{} on {}", workload.title, contender.name))?);
        }
    }
    let summed = workload.contenders.iter().zip(found);
    Ok(summed.map(|(contender, rounds)| Found::of(&workload.title, contender, &rounds)).collect())
}

impl Found {
    fn of(workload: &str, contender: &Contender, rounds: &[Done]) -> Self {
        let median_of = |figure: fn(&Done) -> f64| median(rounds.iter().map(figure).collect());
        Self {
            workload: workload.to_owned(),
            name: contender.name,
            durability: contender.durability,
            per_second: median_of(Done::per_second),
            p50_ms: median_of(|done| done.p50.as_secs_f64() * 1e3),
            p99_ms: median_of(|done| done.p99.as_secs_f64() * 1e3),
        }
    }
}

/// A line for each, with how many times it the first is.
fn render(found: &[Found]) -> String {
    let head = ["server", "durability", "per second", "p50 ms", "p99 ms"].map(str::to_owned);
    let ours: Vec<_> = found.iter().filter(|found| found.name.starts_with("floodway")).collect();
    let ratios = ours.iter().map(|ours| format!("x of {}", ours.name));
    let head: Vec<_> = head.into_iter().chain(ratios).collect();
    let lines = found.iter().map(|one| {
        let figures = [
            one.name.to_owned(),
            one.durability.to_owned(),
            format!("{:.0}", one.per_second),
            format!("{:.2}", one.p50_ms),
            format!("{:.2}", one.p99_ms),
        ];
        let ratios = ours.iter().map(|ours| format!("{:.2}", ours.per_second / one.per_second));
        figures.into_iter().chain(ratios).collect()
    });
    table::render(&head, &lines.collect::<Vec<_>>())
}

/// A contender whose callers are made anew for each round.
fn contender<C: Caller, F>(
    name: &'static str,
    durability: &'static str,
    size: Size,
    callers: impl Fn(Size) -> F + Send + Sync + Copy + 'static,
) -> Contender
where
    F: Future<Output = Result<Vec<C>>> + Send + 'static,
{
    let measure = move || -> LocalBoxFuture<'static, Result<Done>> {
        Box::pin(async move { closed::run(callers(size).await?, size.time).await })
    };
    Contender { name, durability, measure: Box::new(measure) }
}

/// Servers that run as long as somebody holds this.
fn held(servers: impl Any) -> Arc<dyn Any> {
    Arc::new(servers)
}
