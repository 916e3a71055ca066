//! The steps of `cargo xtask ci`. This is the only list of them.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::{packages, tidy};

/// A step: its name and what it does in the root folder.
type Step = (&'static str, fn(&Path) -> anyhow::Result<()>);

const STEPS: [Step; 7] = [
    ("fmt", |root| cargo(root, &["fmt", "--all", "--check"])),
    ("tidy", tidy::check),
    ("clippy", clippy),
    ("test", test),
    ("doc", doc),
    ("bench", bench),
    ("acceptance", acceptance),
];

/// Runs every step and prints how long each took.
pub(crate) fn all(root: &Path) -> anyhow::Result<()> {
    packages::install()?;
    let mut times = Vec::new();
    for step in STEPS {
        times.push((step.0, run(root, step)?));
    }
    let total: Duration = times.iter().map(|(_, took)| *took).sum();
    times.sort_by_key(|(_, took)| std::cmp::Reverse(*took));
    let slowest: Vec<_> =
        times.iter().map(|(name, took)| format!("{name} {:.0} s", took.as_secs_f64())).collect();
    println!("\nall steps passed in {:.0} s; slowest first: {}", total.as_secs_f64(), slowest.join(", "));
    Ok(())
}

/// Runs one step.
pub(crate) fn one(root: &Path, name: &str) -> anyhow::Result<()> {
    let step = STEPS.into_iter().find(|step| step.0 == name);
    let step = step.with_context(|| format!("there is no step `{name}`; `cargo xtask --help` lists them"))?;
    run(root, step).map(drop)
}

#[expect(clippy::disallowed_methods, reason = "steps are timed on the real clock")]
fn run(root: &Path, (name, step): Step) -> anyhow::Result<Duration> {
    println!("\n=== {name}");
    let started = Instant::now();
    step(root).with_context(|| format!("step `{name}` failed; run it alone with: cargo xtask {name}"))?;
    let took = started.elapsed();
    println!("=== {name}: {:.1} s", took.as_secs_f64());
    Ok(took)
}

fn clippy(root: &Path) -> anyhow::Result<()> {
    cargo(
        root,
        &["clippy", "--workspace", "--all-targets", "--all-features", "--quiet", "--", "-D", "warnings"],
    )
}

/// Unit, property and conformance tests, by nextest where it is installed, and the examples in docs.
fn test(root: &Path) -> anyhow::Result<()> {
    let scope = ["--workspace", "--all-features", "--exclude", "floodway-acceptance"];
    let has_nextest = Command::new("cargo").args(["nextest", "--version"]).output();
    if has_nextest.is_ok_and(|output| output.status.success()) {
        let arguments =
            ["nextest", "run", "--no-fail-fast", "--status-level", "slow", "--final-status-level", "slow"];
        cargo(root, &[&arguments[..], &scope[..]].concat())?;
    } else {
        cargo(
            root,
            &[&["test", "--quiet", "--lib", "--bins", "--tests", "--examples"], &scope[..]].concat(),
        )?;
    }
    cargo(root, &[&["test", "--quiet", "--doc"], &scope[..]].concat())
}

fn doc(root: &Path) -> anyhow::Result<()> {
    let mut command = Command::new("cargo");
    command.args(["doc", "--workspace", "--no-deps", "--quiet", "--document-private-items"]);
    expect_success(command.env("RUSTDOCFLAGS", "-D warnings").current_dir(root))
}

/// Every comparison in a small size: that it works, not what it says.
fn bench(root: &Path) -> anyhow::Result<()> {
    build_release(root)?;
    cargo(root, &["run", "--release", "--quiet", "--package", "floodway-compare", "--", "all", "--tiny"])
}

fn acceptance(root: &Path) -> anyhow::Result<()> {
    build_release(root)?;
    let arguments =
        ["test", "--release", "--package", "floodway-acceptance", "--", "--test-threads=1", "--nocapture"];
    cargo(root, &arguments)
}

/// What comparisons and acceptance run.
fn build_release(root: &Path) -> anyhow::Result<()> {
    cargo(root, &["build", "--release", "--quiet", "--package", "floodway", "--package", "shop"])
}

fn cargo(root: &Path, arguments: &[&str]) -> anyhow::Result<()> {
    expect_success(Command::new("cargo").args(arguments).current_dir(root))
}

fn expect_success(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("{command:?} could not be started"))?;
    if !status.success() {
        bail!("{command:?} ended with {status}");
    }
    Ok(())
}
