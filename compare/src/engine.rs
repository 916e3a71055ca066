//! The embedded engine in process, beside what the disk under it can do. The engine's own program measures
//! both, one after the other; here its figures become ratios.

use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde_json::Value;

use crate::{Engine, table};

/// How the engine's program is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Build {
    Debug,
    Release,
}

/// What the engine's program prints, as far as the table shows it.
#[derive(Debug, Deserialize)]
struct Report {
    disk_append_fdatasync_per_s: f64,
    disk_zeroed_fdatasync_per_s: f64,
    fsync: Level,
    none: Level,
}

#[derive(Debug, Deserialize)]
struct Level {
    state: State,
    topics: Topics,
}

#[derive(Debug, Deserialize)]
struct State {
    puts_per_s: f64,
    p50_us: f64,
    p99_us: f64,
    gets_per_s: f64,
}

#[derive(Debug, Deserialize)]
struct Topics {
    published_per_s: f64,
    consumed_per_s: f64,
    lost: u64,
}

/// Measures and prints.
pub(crate) fn run(options: &Engine, build: Build) -> Result<()> {
    let text = measure(options, build)?;
    let report: Report =
        serde_json::from_str(&text).with_context(|| format!("cannot read the figures:\n{text}"))?;
    let lost = report.fsync.topics.lost + report.none.topics.lost;
    println!("{}", render(&report));
    if let Some(file) = &options.json {
        let value: Value = serde_json::from_str(&text)?;
        fs::write(file, serde_json::to_string_pretty(&value)?)
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    ensure!(lost == 0, "{lost} messages were published and not consumed");
    Ok(())
}

fn measure(options: &Engine, build: Build) -> Result<String> {
    // Not the folder for temporary files: where that is memory, a sync costs nothing.
    let parent = options.folder.clone().unwrap_or_else(|| "target".into());
    fs::create_dir_all(&parent).with_context(|| format!("cannot make {}", parent.display()))?;
    let folder =
        tempfile::tempdir_in(&parent).with_context(|| format!("cannot write in {}", parent.display()))?;
    let mut command = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()));
    command.args(["run", "--quiet", "-p", "floodway-embedded", "--example", "throughput"]);
    command.args((build == Build::Release).then_some("--release"));
    command.arg("--").arg("--folder").arg(folder.path()).arg("--seconds").arg(options.seconds.to_string());
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = output.context("cannot start cargo; run this from the checkout")?;
    if !output.status.success() {
        bail!("the engine's program ended with {}", output.status);
    }
    String::from_utf8(output.stdout).context("the engine's program prints no text")
}

fn render(report: &Report) -> String {
    let disk = report.disk_append_fdatasync_per_s;
    let line = |what: &str, rate: f64, latency: Option<(f64, f64)>| {
        let (p50, p99) = latency.map_or_else(
            || ("-".to_owned(), "-".to_owned()),
            |(p50, p99)| (format!("{:.2}", p50 / 1e3), format!("{:.2}", p99 / 1e3)),
        );
        vec![what.to_owned(), format!("{rate:.0}"), format!("{:.2}", rate / disk), p50, p99]
    };
    let mut lines = vec![
        line("disk: 4 KiB append, fdatasync", disk, None),
        line("disk: 4 KiB into zeroes, fdatasync", report.disk_zeroed_fdatasync_per_s, None),
    ];
    for (name, level) in [("fsync", &report.fsync), ("none", &report.none)] {
        let Level { state, topics } = level;
        lines.push(line(&format!("{name}: puts"), state.puts_per_s, Some((state.p50_us, state.p99_us))));
        lines.push(line(&format!("{name}: gets, one task"), state.gets_per_s, None));
        lines.push(line(&format!("{name}: messages published"), topics.published_per_s, None));
        lines.push(line(&format!("{name}: messages consumed"), topics.consumed_per_s, None));
    }
    let head = ["durability: what", "per second", "x disk append", "p50 ms", "p99 ms"].map(str::to_owned);
    table::render(&head, &lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEVEL: &str = r#"{"state":{"puts_per_s":50000,"p50_us":1200,"p99_us":2400,"gets_per_s":9},
        "topics":{"published_per_s":100000,"consumed_per_s":99000,"lost":0,"rss_mib":3}}"#;

    #[test]
    fn shows_rates_as_multiples_of_the_disks() {
        let text = format!(
            r#"{{"disk_append_fdatasync_per_s":5000,"disk_zeroed_fdatasync_per_s":7500,"fsync":{LEVEL},"none":{LEVEL}}}"#
        );
        let table = render(&serde_json::from_str(&text).unwrap());
        let cells = |what: &str| {
            let line = table.lines().find(|line| line.contains(what)).unwrap();
            line.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(cells("fsync: puts")[2..6], ["50000", "10.00", "1.20", "2.40"]);
        assert_eq!(cells("zeroes")[2..4], ["7500", "1.50"]);
    }
}
