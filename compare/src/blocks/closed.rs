//! Callers in a closed loop: each asks again when it was answered.

use std::future::Future;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Someone who asks for the same again and again.
pub(super) trait Caller: Send + 'static {
    /// One request and its answer; how many operations it was.
    fn call(&mut self) -> impl Future<Output = Result<u64>> + Send;
}

/// What callers got done.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Done {
    pub(super) operations: u64,
    pub(super) took: Duration,
    /// Of a request, however many operations it is.
    pub(super) p50: Duration,
    pub(super) p99: Duration,
}

impl Done {
    pub(super) fn per_second(&self) -> f64 {
        self.operations as f64 / self.took.as_secs_f64()
    }
}

/// Lets all call until the time is over, and then end what they have begun.
pub(super) async fn run<C: Caller>(callers: Vec<C>, time: Duration) -> Result<Done> {
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for mut caller in callers {
        tasks.spawn(async move {
            let (mut operations, mut latencies) = (0, Vec::new());
            while started.elapsed() < time {
                let asked = Instant::now();
                operations += caller.call().await?;
                latencies.push(asked.elapsed());
            }
            anyhow::Ok((operations, latencies))
        });
    }
    let (mut operations, mut latencies) = (0, Vec::new());
    while let Some(ended) = tasks.join_next().await {
        let (more, times) = ended.context("a caller panicked")??;
        operations += more;
        latencies.extend(times);
    }
    let took = started.elapsed();
    let [p50, p99] = percentiles(latencies);
    Ok(Done { operations, took, p50, p99 })
}

/// The 50th and the 99th percentile; nothing of nothing.
pub(super) fn percentiles(mut latencies: Vec<Duration>) -> [Duration; 2] {
    latencies.sort_unstable();
    [50, 99].map(|percent| latencies.get(latencies.len() * percent / 100).copied().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_all() {
        let [p50, p99] = percentiles((0..1_000).rev().map(Duration::from_millis).collect());
        assert_eq!((p50, p99), (Duration::from_millis(500), Duration::from_millis(990)));
        assert_eq!(percentiles(Vec::new()), [Duration::ZERO; 2]);
    }

    struct Pairs;

    impl Caller for Pairs {
        async fn call(&mut self) -> Result<u64> {
            tokio::task::yield_now().await;
            Ok(2)
        }
    }

    #[tokio::test]
    async fn counts_operations_of_all_callers() {
        let done = run(vec![Pairs, Pairs], Duration::from_millis(5)).await.unwrap();
        assert!(done.operations >= 4 && done.operations % 2 == 0);
        assert!(done.per_second() > 0.0);
    }
}
