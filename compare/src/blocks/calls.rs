//! Calls: what it adds to a call to go by Floodway, at a rate that leaves everyone idle for most of the time.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::closed::percentiles;
use super::http::Http;
use super::servers::floodway::SERVICE;
use super::{Size, servers};
use crate::table;

/// Calls a second of all callers together.
const RATE: u32 = 1_000;
const CALLERS: u32 = 16;

/// Measures and prints: the way straight to the service, and the way by the API, in turns.
pub(super) async fn compare(floodway: &Path, folder: &Path, size: Size, rounds: u32) -> Result<()> {
    let ours = servers::floodway::serve(floodway, folder).await?;
    let by_api = format!("/v1.0/invoke/{SERVICE}/method/hello");
    let ways = [("straight", ours.at.app, "/hello"), ("by floodway", ours.at.http, &by_api)];
    let mut found = [Vec::new(), Vec::new()];
    for _ in 0..rounds {
        for ((_, address, path), found) in ways.iter().zip(&mut found) {
            found.push(percentiles(call(*address, path, size.time).await?));
        }
    }
    let median = |of: &[[Duration; 2]], which: usize| {
        crate::figures::median(of.iter().map(|one| one[which].as_secs_f64() * 1e6).collect())
    };
    let lines: Vec<_> = ways
        .iter()
        .zip(&found)
        .map(|((name, ..), of)| {
            let added = |which| median(of, which) - median(&found[0], which);
            let figures = [median(of, 0), median(of, 1), added(0), added(1)];
            let figures = figures.map(|figure| format!("{figure:.0}"));
            [vec![(*name).to_owned()], figures.to_vec()].concat()
        })
        .collect();
    let head = ["way", "p50 us", "p99 us", "added at p50", "added at p99"].map(str::to_owned);
    println!("\ncalls, {RATE}/s on {CALLERS} connections\n\n{}", table::render(&head, &lines));
    Ok(())
}

async fn call(address: std::net::SocketAddr, path: &str, time: Duration) -> Result<Vec<Duration>> {
    let mut tasks = JoinSet::new();
    let started = Instant::now();
    let period = Duration::from_secs(1) * CALLERS / RATE;
    for number in 0..CALLERS {
        let (mut http, path) = (Http::connect(address).await?, path.to_owned());
        let mut ticks = interval_at(started + period * number / CALLERS, period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        tasks.spawn(async move {
            let mut latencies = Vec::new();
            while started.elapsed() < time {
                ticks.tick().await;
                let asked = Instant::now();
                http.expect("GET", &path, b"").await?;
                latencies.push(asked.elapsed());
            }
            anyhow::Ok(latencies)
        });
    }
    let mut latencies = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        latencies.extend(ended.context("a caller panicked")??);
    }
    Ok(latencies)
}
