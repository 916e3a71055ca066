//! Latency below the maximum: each proxy at the same share of what it can do itself.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::cores::Cores;
use crate::figures::median;
use crate::gateway::Started;
use crate::h2load::{self, Width};
use crate::wrk::Load;
use crate::{Gateway, table};

/// Of what was asked for, how much must have been offered before latencies mean anything.
const OFFERED_MIN: f64 = 0.95;

/// Measures and prints. Rounds, seconds and connections are those of the maximum.
pub(crate) fn run(
    started: &[Started],
    options: &Gateway,
    share: f64,
    cores: Cores,
    log: &Path,
) -> Result<()> {
    ensure!(share > 0.0 && share < 1.0, "--steady is a share of the maximum, between 0 and 1, as in 0.7");
    let rates: Vec<u32> = started.iter().map(|one| rate(one, options, share)).collect();
    let mut loads = vec![Vec::new(); started.len()];
    for _ in 0..options.rounds {
        for ((one, &rate), loads) in started.iter().zip(&rates).zip(&mut loads) {
            loads.push(measure(one, options, rate, cores, log)?);
        }
    }
    let head = ["proxy", "asked for/s", "offered/s", "p50 ms", "p99 ms", "failed"].map(str::to_owned);
    let lines = started.iter().zip(&rates).zip(&loads);
    let lines = lines.map(|((one, rate), loads)| line(one.peer.name, rate * options.connections, loads));
    let title = format!("at {:.0} % of each one's own maximum, at a steady rate", share * 1e2);
    println!("\n{title}\n\n{}", table::render(&head, &lines.collect::<Vec<_>>()));
    Ok(())
}

/// Requests a second on each connection.
fn rate(one: &Started, options: &Gateway, share: f64) -> u32 {
    let each = one.figures().requests_per_second * share / f64::from(options.connections);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rate, and not a large one"
    )]
    let each = each as u32;
    each.max(1)
}

fn measure(one: &Started, options: &Gateway, rate: u32, cores: Cores, log: &Path) -> Result<Load> {
    let Gateway { connections, streams, front, seconds, .. } = *options;
    let width = Width { connections, streams, rate: Some(rate) };
    h2load::run(cores.for_rest("h2load"), one.loaded, front, width, seconds, log)
        .with_context(|| format!("cannot measure {}", one.peer.name))
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn line(name: &str, asked: u32, loads: &[Load]) -> Vec<String> {
    let of = |figure: fn(&Load) -> f64| median(loads.iter().map(figure).collect());
    let offered = of(|load| load.per_second);
    let is_behind = offered < f64::from(asked) * OFFERED_MIN;
    let failed: u64 = loads.iter().map(|load| load.failed).sum();
    vec![
        name.to_owned(),
        asked.to_string(),
        format!("{offered:.0}{}", if is_behind { " (the generator is behind)" } else { "" }),
        format!("{:.2}", of(|load| ms(load.p50))),
        format!("{:.2}", of(|load| ms(load.p99))),
        failed.to_string(),
    ]
}
