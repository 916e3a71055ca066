//! The steps of CI. All share one target folder; the release build is made once, by the step that needs it
//! first.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::tidy;

/// One step of CI, which also runs alone as `cargo xtask NAME`.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) run: fn(&Path) -> Result<()>,
}

pub(crate) const STEPS: [Step; 7] = [
    Step { name: "fmt", about: "the code is formatted", run: fmt },
    Step { name: "tidy", about: "imports, sizes, bans, licences, error pages, links", run: tidy::run },
    Step { name: "clippy", about: "no lint, on all targets", run: clippy },
    Step { name: "test", about: "unit, property, conformance and socket tests", run: test },
    Step { name: "doc", about: "the documentation builds and its examples run", run: doc },
    Step { name: "bench", about: "every comparison runs, at a tiny size; quick suites pass", run: bench },
    Step { name: "acceptance", about: "the real binary, the shop's loads, faults", run: acceptance },
];

/// All that fail in one run; of those that pass, only the slow ones.
const NEXTEST: [&str; 8] = [
    "nextest",
    "run",
    "--config-file",
    "xtask/nextest.toml",
    "--no-fail-fast",
    "--status-level",
    "slow",
    "--final-status-level=slow",
];

/// Where proptest looks for the seed of its cases.
const PROPTEST_SEED: &str = "PROPTEST_RNG_SEED";

fn fmt(root: &Path) -> Result<()> {
    cargo(root, &["fmt", "--all", "--check"], &[])
}

fn clippy(root: &Path) -> Result<()> {
    let flags = ["clippy", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"];
    cargo(root, &flags, &[])
}

fn test(root: &Path) -> Result<()> {
    let which = ["--workspace", "--all-features", "--exclude", "floodway-acceptance"];
    let runner: &[&str] =
        if has_nextest() { &NEXTEST } else { &["test", "--no-fail-fast", "--lib", "--bins", "--tests"] };
    // The same cases in every run, so that a failure is the change's; by hand they differ from run to run.
    let seed = std::env::var(PROPTEST_SEED).unwrap_or_else(|_not_set| "1".to_owned());
    cargo(root, &[runner, &which].concat(), &[(PROPTEST_SEED, &seed)])
}

fn has_nextest() -> bool {
    let mut probe = Command::new(program());
    probe.args(["nextest", "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
    probe.status().is_ok_and(|status| status.success())
}

fn doc(root: &Path) -> Result<()> {
    let strict = [("RUSTDOCFLAGS", "-D warnings")];
    cargo(root, &["doc", "--workspace", "--no-deps", "--all-features"], &strict)?;
    cargo(
        root,
        &["test", "--doc", "--workspace", "--all-features", "--exclude", "floodway-acceptance"],
        &strict,
    )
}

fn bench(root: &Path) -> Result<()> {
    release(root)?;
    cargo(root, &["run", "--release", "--quiet", "-p", "floodway-compare", "--", "--tiny"], &[])
}

fn acceptance(root: &Path) -> Result<()> {
    release(root)?;
    cargo(
        root,
        &["test", "--release", "-p", "floodway-acceptance", "--", "--test-threads=1", "--nocapture"],
        &[],
    )
}

/// What the benches and the acceptance tests run.
fn release(root: &Path) -> Result<()> {
    cargo(root, &["build", "--release", "-p", "floodway", "-p", "shop"], &[])
}

fn cargo(root: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Result<()> {
    let shown = format!("cargo {}", arguments.join(" "));
    println!("$ {shown}");
    let mut command = Command::new(program());
    command.args(arguments).envs(environment.iter().copied()).current_dir(root);
    let status = command.status().with_context(|| format!("cannot start `{shown}`"))?;
    if !status.success() {
        bail!("`{shown}` ended with {status}");
    }
    Ok(())
}

fn program() -> String {
    std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned())
}
