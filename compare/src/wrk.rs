//! The load generator: `wrk`, a closed loop on a fixed number of connections.

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

/// What one run of the generator found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Load {
    pub(crate) requests: u64,
    /// Answers other than 2xx and 3xx, and broken connections.
    pub(crate) failed: u64,
    pub(crate) per_second: f64,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
}

/// Keeps `connections` busy for some seconds.
pub(crate) fn run(mut command: Command, target: SocketAddr, connections: u32, seconds: u32) -> Result<Load> {
    command.args(["--latency", "-t1"]).arg(format!("-c{connections}")).arg(format!("-d{seconds}s"));
    command.arg(format!("http://{target}/")).stdin(Stdio::null());
    let output = command.output().context("cannot start wrk; `cargo xtask packages` installs it")?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        bail!("wrk ended with {}: {text}{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    parse(&text)
}

/// Reads what wrk prints.
fn parse(text: &str) -> Result<Load> {
    let after = |label: &str| {
        let found = text.lines().find_map(|line| line.trim().strip_prefix(label));
        found.map(str::trim).with_context(|| format!("wrk prints no `{label}`:\n{text}"))
    };
    let requests = text.lines().find_map(|line| line.trim().split_once(" requests in "));
    let (requests, _) = requests.with_context(|| format!("wrk prints no number of requests:\n{text}"))?;
    let refused = after("Non-2xx or 3xx responses:").map_or(Ok(0), str::parse)?;
    let broken = after("Socket errors:").map_or(0, errors);
    let load = Load {
        requests: requests.parse().with_context(|| format!("`{requests}` is no number of requests"))?,
        failed: refused + broken,
        per_second: after("Requests/sec:")?.parse()?,
        p50: duration(after("50%")?)?,
        p99: duration(after("99%")?)?,
    };
    ensure!(load.requests > 0, "nothing was answered:\n{text}");
    Ok(load)
}

/// Sum of `connect 0, read 1, write 0, timeout 2`.
fn errors(text: &str) -> u64 {
    text.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse::<u64>().ok()).sum()
}

/// Reads `812.00us`, `1.10ms`, `1.02s`, `1.50m`.
fn duration(text: &str) -> Result<Duration> {
    let at = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let seconds = match unit {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        _ => bail!("`{text}` is no duration"),
    };
    let number: f64 = number.parse().with_context(|| format!("`{text}` is no duration"))?;
    Duration::try_from_secs_f64(number * seconds).with_context(|| format!("`{text}` is no duration"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "\
Running 4s test @ http://127.0.0.1:8080/
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.30ms  512.10us  12.50ms   86.11%
    Req/Sec    47.10k     2.20k   51.00k    70.00%
  Latency Distribution
     50%    1.10ms
     75%    1.62ms
     90%    2.01ms
     99%  812.50us
  187654 requests in 4.00s, 72.10MB read
Requests/sec:  46800.12
Transfer/sec:     18.02MB
";

    #[test]
    fn reads_what_wrk_prints() {
        assert_eq!(
            parse(PRINTED).unwrap(),
            Load {
                requests: 187_654,
                failed: 0,
                per_second: 46_800.12,
                p50: Duration::from_micros(1_100),
                p99: Duration::from_nanos(812_500),
            }
        );
    }

    #[test]
    fn counts_refused_and_broken_requests() {
        let failing = PRINTED.replace(
            "Requests/sec",
            "  Socket errors: connect 1, read 2, write 0, timeout 4\n  Non-2xx or 3xx responses: 30\nRequests/sec",
        );
        assert_eq!(parse(&failing).unwrap().failed, 37);
    }

    #[test]
    fn refuses_what_is_no_result() {
        assert!(parse("unable to connect to 127.0.0.1:1 Connection refused").is_err());
        assert!(parse(&PRINTED.replace("187654", "0")).is_err());
        assert!(parse(&PRINTED.replace("1.10ms", "1.10 parsecs")).is_err());
    }
}
