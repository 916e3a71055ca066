//! The load generator `wrk`, and what it says.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail};

/// What a run of the generator found.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Run {
    pub(crate) requests: u64,
    pub(crate) per_second: f64,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    /// Answers that are no success, and errors of the connection.
    pub(crate) errors: u64,
}

/// Runs it on one processor with one thread.
pub(crate) fn run(
    target: SocketAddr,
    connections: u32,
    time: Duration,
    processor: usize,
) -> anyhow::Result<Run> {
    let output = Command::new("taskset")
        .args(["-c", &processor.to_string(), "wrk", "-t1", "--latency"])
        .arg(format!("-c{connections}"))
        .arg(format!("-d{}s", time.as_secs().max(1)))
        .arg(format!("http://{target}/"))
        .output()
        .context("wrk could not be started; install it with: cargo xtask packages")?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        bail!("wrk ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    parse(&text).with_context(|| format!("wrk said what is not understood:\n{text}"))
}

fn parse(text: &str) -> Option<Run> {
    let after = |label: &str| text.lines().find_map(|line| line.trim().strip_prefix(label)).map(str::trim);
    let requests = text.lines().find(|line| line.contains(" requests in "))?.split_whitespace().next()?;
    let bad = after("Non-2xx or 3xx responses:").map_or(Some(0), |count| count.parse::<u64>().ok())?;
    let socket = after("Socket errors:").map_or(0, |line| {
        line.split(|c: char| !c.is_ascii_digit()).filter_map(|count| count.parse::<u64>().ok()).sum()
    });
    Some(Run {
        requests: requests.parse().ok()?,
        per_second: after("Requests/sec:")?.parse().ok()?,
        p50: duration(after("50%")?)?,
        p99: duration(after("99%")?)?,
        errors: bad + socket,
    })
}

fn duration(text: &str) -> Option<Duration> {
    let units = [("us", 1e-6), ("ms", 1e-3), ("s", 1.0)];
    let (number, scale) = units.iter().find_map(|(unit, scale)| Some((text.strip_suffix(unit)?, scale)))?;
    Some(Duration::from_secs_f64(number.parse::<f64>().ok()? * scale))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Running 3s test @ http://127.0.0.1:1/
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.10ms  300.00us   9.00ms   90.00%
  Latency Distribution
     50%    1.05ms
     75%    1.20ms
     90%    1.40ms
     99%    2.69ms
  158772 requests in 3.00s, 60.00MB read
  Socket errors: connect 0, read 2, write 0, timeout 1
  Non-2xx or 3xx responses: 4
Requests/sec:  52924.35
Transfer/sec:     20.00MB
";

    #[test]
    fn reads_what_wrk_says() {
        let run = parse(TEXT).expect("understood");
        assert_eq!((run.requests, run.errors), (158_772, 7));
        assert_eq!((run.p50, run.p99), (Duration::from_micros(1_050), Duration::from_micros(2_690)));
        assert!((run.per_second - 52_924.35).abs() < 1e-6);
    }

    #[test]
    fn does_not_make_figures_up() {
        assert_eq!(parse("unable to connect"), None);
    }
}
