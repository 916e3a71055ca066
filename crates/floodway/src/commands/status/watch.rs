//! `floodway status --watch`: a table of what happens, drawn again and again.

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use anyhow::Context;
use floodway_node::admin::client::Client;
use floodway_node::status::{NodeStatus, RouteStatus};
use tokio::runtime::Runtime;

use super::describe;
use crate::failure::Failure;

/// Time between two looks.
const PAUSE: Duration = Duration::from_secs(1);
/// Homes the cursor and clears the screen (ECMA-48).
const CLEAR: &str = "\x1b[H\x1b[2J";

/// Draws until the node is gone or the process is ended.
pub(super) fn run(client: &Client, runtime: &Runtime) -> Result<(), Failure> {
    let mut out = std::io::stdout();
    let before = if out.is_terminal() { CLEAR } else { "" };
    let mut earlier = runtime.block_on(client.status())?;
    loop {
        runtime.block_on(async { tokio::time::sleep(PAUSE).await });
        let now = runtime.block_on(client.status())?;
        let text = format!("{before}{}\n\n{}\n", describe(&now), routes(&earlier, &now));
        out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("could not write to stdout")?;
        earlier = now;
    }
}

/// What each route did since the last look.
fn routes(earlier: &NodeStatus, now: &NodeStatus) -> String {
    let seconds = now.uptime_s - earlier.uptime_s;
    let width = now.routes.iter().map(|route| route.route.chars().count()).max().unwrap_or_default().max(5);
    let mut text = format!(
        "{:width$}  {:>9}  {:>8}  {:>9}  {:>9}  {:>9}",
        "route", "req/s", "5xx", "in flight", "p50", "p99"
    );
    for route in &now.routes {
        let nothing = RouteStatus::default();
        let before = earlier.routes.iter().find(|before| before.route == route.route).unwrap_or(&nothing);
        let rates = route.since(before, seconds);
        let failed = format!("{:.1} %", rates.failed * 100.0);
        let line = write!(
            text,
            "\n{:width$}  {:>9.1}  {failed:>8}  {:>9}  {:>9}  {:>9}",
            route.route,
            rates.per_second,
            route.in_flight,
            time(rates.p50),
            time(rates.p99)
        );
        line.expect("a string takes all text");
    }
    text
}

fn time(time: Option<Duration>) -> String {
    match time {
        None => "-".to_owned(),
        Some(time) if time >= Duration::from_secs(1) => format!("{:.1} s", time.as_secs_f64()),
        Some(time) => format!("{:.2} ms", time.as_secs_f64() * 1e3),
    }
}

#[cfg(test)]
mod tests {
    use floodway_node::status::{NodeStatus, RouteStatus};

    use super::routes;

    fn status(uptime_s: f64, requests: u64, failed: u64, durations: Vec<u64>) -> NodeStatus {
        let route = RouteStatus { route: "POST /orders".into(), requests, failed, in_flight: 3, durations };
        NodeStatus { uptime_s, routes: vec![route], ..NodeStatus::default() }
    }

    #[test]
    fn tells_what_happened_between_two_looks() {
        let mut durations = vec![0; 65];
        durations[18] = 7;
        let earlier = status(10.0, 7, 0, durations.clone());
        durations[18] += 99;
        durations[36] += 1;
        let table = routes(&earlier, &status(12.0, 107, 1, durations));
        let expected = "route             req/s       5xx  in flight        p50        p99\n\
                        POST /orders       50.0     1.0 %          3    1.00 ms    1.00 ms";
        assert_eq!(table, expected);
        let later = status(13.0, 107, 1, vec![0; 65]);
        assert!(routes(&later, &later).ends_with("0.0     0.0 %          3          -          -"));
    }
}
