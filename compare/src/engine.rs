//! The embedded engine, in process, beside the syncs that the raw disk under it makes.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, bail};
use clap::Args;
use serde_json::Value;

/// How the engine is measured.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// Length of each measurement.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Keys that are written to.
    #[arg(long, default_value_t = 1_000_000)]
    keys: u64,
    /// Where its files are; by default a temporary folder beside the build, on a real disk.
    #[arg(long)]
    folder: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self { seconds: 5.0, keys: 1_000_000, folder: None }
    }
}

impl Options {
    pub(crate) fn tiny() -> Self {
        Self { seconds: 0.2, keys: 1_000, folder: None }
    }
}

/// Measures and prints a table.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let folder = match &options.folder {
        Some(folder) => tempfile::tempdir_in(folder)?,
        None => tempfile::tempdir_in(crate::built(""))?,
    };
    let output = Command::new("cargo")
        .args([
            "run",
            "--release",
            "--quiet",
            "--package",
            "floodway-embedded",
            "--example",
            "throughput",
            "--",
        ])
        .arg("--folder")
        .arg(folder.path())
        .args(["--seconds", &options.seconds.to_string(), "--keys", &options.keys.to_string()])
        .output()
        .context("cargo could not be started")?;
    if !output.status.success() {
        bail!("the engine's measurement failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    let report: Value = serde_json::from_slice(&output.stdout).context("the measurement printed no JSON")?;
    let disk = number(&report["disk_append_fdatasync_per_s"])?;
    println!("\n                                    per s   per sync of the disk");
    row("disk: 4 KiB append + fdatasync", disk, disk);
    row("disk: the same, zeroed in advance", number(&report["disk_zeroed_fdatasync_per_s"])?, disk);
    for (level, label) in [("fsync", "durable"), ("none", "not synced")] {
        row(&format!("state puts, {label}"), number(&report[level]["state"]["puts_per_s"])?, disk);
        row(&format!("topic messages, {label}"), number(&report[level]["topics"]["published_per_s"])?, disk);
    }
    Ok(())
}

fn row(label: &str, per_second: f64, disk: f64) {
    println!("{label:<34} {per_second:>8.0} {:>18.1}x", per_second / disk);
}

fn number(value: &Value) -> anyhow::Result<f64> {
    value.as_f64().with_context(|| format!("{value} is no figure"))
}
