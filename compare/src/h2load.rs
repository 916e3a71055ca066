//! The load generator for HTTP/2 and TLS: `h2load`, a closed loop on a fixed number of connections and streams.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::front::Front;
use crate::wrk::Load;

/// How much is kept under way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Width {
    pub(crate) connections: u32,
    /// Requests at once on each connection; HTTP/1.1 has one.
    pub(crate) streams: u32,
    /// Requests a second on each connection; as many as can be without.
    pub(crate) rate: Option<u32>,
}

/// Keeps the connections busy for some seconds. `log` is written and read again.
pub(crate) fn run(
    mut command: Command,
    target: SocketAddr,
    front: Front,
    width: Width,
    seconds: u32,
    log: &Path,
) -> Result<Load> {
    if log.exists() {
        fs::remove_file(log).context("cannot remove the last log of h2load")?;
    }
    let streams = if front.is_http2() { width.streams } else { 1 };
    command.args((!front.is_http2()).then_some("--h1"));
    command.args(["-t", "1", "-c", &width.connections.to_string(), "-m", &streams.to_string()]);
    command.args(["-D", &seconds.to_string(), &format!("--log-file={}", log.display())]);
    command.args(width.rate.map(|rate| format!("--rps={rate}")));
    let scheme = if front.is_tls() { "https" } else { "http" };
    command.arg(format!("{scheme}://{target}/")).stdin(Stdio::null());
    let output = command.output().context("cannot start h2load; `cargo xtask packages` installs it")?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        bail!("h2load ended with {}: {text}{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    let log = fs::read_to_string(log).context("h2load wrote no log")?;
    summed_up(&times(&log)?, failed(&text)?, seconds)
}

/// What failed by its own count, in `requests: 9 total, 9 started, 9 done, 8 succeeded, 1 failed, …`.
fn failed(text: &str) -> Result<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("requests:"));
    let line = line.with_context(|| format!("h2load prints no number of requests:\n{text}"))?;
    let failed = line.split(", ").find_map(|part| part.strip_suffix(" failed")?.parse().ok());
    failed.with_context(|| format!("`{line}` does not say how many failed"))
}

/// Microseconds of each request, the third word of lines as `1795447478034758 200 516`, with tabs.
fn times(log: &str) -> Result<Vec<u64>> {
    let read = |line: &str| {
        let time = line.split('\t').nth(2).and_then(|time| time.parse().ok());
        time.with_context(|| format!("`{line}` is no request"))
    };
    let mut times: Vec<u64> = log.lines().map(read).collect::<Result<_>>()?;
    times.sort_unstable();
    Ok(times)
}

fn summed_up(times: &[u64], failed: u64, seconds: u32) -> Result<Load> {
    ensure!(!times.is_empty(), "nothing was answered");
    let quantile = |percent: usize| {
        let time = times.get((times.len() * percent / 100).min(times.len() - 1));
        Duration::from_micros(time.copied().unwrap_or_default())
    };
    let requests = times.len() as u64;
    let per_second = requests as f64 / f64::from(seconds);
    Ok(Load { requests, failed, per_second, p50: quantile(50), p99: quantile(99) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_up_the_log() {
        let lines = (1..=200).rev().map(|time| format!("1795447478034758\t200\t{time}\n"));
        let log = lines.collect::<Vec<_>>().concat();
        let load = summed_up(&times(&log).unwrap(), 3, 2).unwrap();
        assert_eq!((load.requests, load.failed), (200, 3));
        assert_eq!((load.p50, load.p99), (Duration::from_micros(101), Duration::from_micros(199)));
        assert!((load.per_second - 100.0).abs() < 1e-9);
    }

    #[test]
    fn refuses_what_is_no_result() {
        assert!(times("1\t2").is_err() && summed_up(&[], 0, 1).is_err());
        assert_eq!(failed("requests: 9 total, 9 done, 8 succeeded, 1 failed, 0 errored").unwrap(), 1);
        assert!(failed("nothing").is_err());
    }
}
