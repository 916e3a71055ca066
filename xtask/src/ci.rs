//! All steps in order, with their times.
#![expect(clippy::disallowed_methods, reason = "each step prints how long it took")]

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::packages;
use crate::steps::STEPS;

/// Runs every step; stops at the first that fails and says how to run it alone.
pub(crate) fn run(root: &Path) -> Result<()> {
    let started = Instant::now();
    timed("packages", || packages::install(root))?;
    let mut times = Vec::new();
    for (index, step) in STEPS.iter().enumerate() {
        println!("\n=== {} of {}: {} ({})", index + 1, STEPS.len(), step.name, step.about);
        times.push((step.name, timed(step.name, || (step.run)(root))?));
    }
    println!("\nall {} steps passed in {:.1?}; {}", times.len(), started.elapsed(), slowest(&times));
    Ok(())
}

fn timed(name: &str, step: impl FnOnce() -> Result<()>) -> Result<Duration> {
    let started = Instant::now();
    let outcome = step();
    let took = started.elapsed();
    println!("--- {name}: {} in {took:.1?}", if outcome.is_ok() { "passed" } else { "FAILED" });
    outcome.with_context(|| format!("step `{name}` failed; run it alone with `cargo xtask {name}`"))?;
    Ok(took)
}

fn slowest(times: &[(&str, Duration)]) -> String {
    let mut sorted = times.to_vec();
    sorted.sort_by_key(|(_, took)| std::cmp::Reverse(*took));
    let named: Vec<_> = sorted.iter().take(3).map(|(name, took)| format!("{name} {took:.1?}")).collect();
    format!("slowest: {}", named.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_step_says_how_to_run_it_alone() {
        let error = timed("tidy", || anyhow::bail!("two mistakes")).unwrap_err();
        let text = format!("{error:#}");
        assert!(text.contains("cargo xtask tidy") && text.contains("two mistakes"), "{text}");
    }

    #[test]
    fn names_the_slowest_first() {
        let times = [("a", Duration::from_secs(1)), ("b", Duration::from_secs(3)), ("c", Duration::ZERO)];
        assert_eq!(slowest(&times), "slowest: b 3.0s, a 1.0s, c 0.0ns");
    }
}
