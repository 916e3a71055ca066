//! From measurements to the figures that are shown.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::wrk::Load;

/// One round of one proxy.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Round {
    pub(crate) load: Load,
    /// User and system time of the proxy, with its children, during the load.
    pub(crate) cpu: Duration,
    /// Resident bytes of the proxy, with its children, right after the load.
    pub(crate) memory: u64,
}

/// Medians over the rounds of one proxy.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Figures {
    pub(crate) name: String,
    pub(crate) version: String,
    /// The figure that lasts: what one second of a core serves.
    pub(crate) requests_per_cpu_second: f64,
    /// The same, round by round.
    pub(crate) rounds: Vec<f64>,
    /// Bounded by the generator's core.
    pub(crate) requests_per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) memory_mib: f64,
    /// Over all rounds.
    pub(crate) failed: u64,
    /// This proxy's requests per CPU-second as a multiple of each other's.
    pub(crate) ratios: BTreeMap<String, f64>,
}

impl Round {
    fn per_cpu_second(&self) -> f64 {
        // The kernel counts hundredths: less than one is taken for one.
        self.load.requests as f64 / self.cpu.max(Duration::from_millis(10)).as_secs_f64()
    }
}

impl Figures {
    /// Sums up the rounds of one proxy; its ratios are still unknown.
    pub(crate) fn of(name: &str, version: &str, rounds: &[Round]) -> Self {
        let median_of = |figure: fn(&Round) -> f64| median(rounds.iter().map(figure).collect());
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            requests_per_cpu_second: median_of(Round::per_cpu_second),
            rounds: rounds.iter().map(Round::per_cpu_second).collect(),
            requests_per_second: median_of(|round| round.load.per_second),
            p50_ms: median_of(|round| round.load.p50.as_secs_f64() * 1e3),
            p99_ms: median_of(|round| round.load.p99.as_secs_f64() * 1e3),
            memory_mib: median_of(|round| round.memory as f64 / f64::from(1 << 20)),
            failed: rounds.iter().map(|round| round.load.failed).sum(),
            ratios: BTreeMap::new(),
        }
    }
}

/// Fills in how each compares with each other.
pub(crate) fn compare(all: &mut [Figures]) {
    let known: Vec<_> =
        all.iter().map(|figures| (figures.name.clone(), figures.requests_per_cpu_second)).collect();
    for figures in all {
        let others = known.iter().filter(|(name, _)| *name != figures.name);
        figures.ratios =
            others.map(|(name, rate)| (name.clone(), figures.requests_per_cpu_second / rate)).collect();
    }
}

/// The middle one; the mean of the two in the middle when their number is even; not a number of none.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let (lower, upper) = (values.len().saturating_sub(1) / 2, values.len() / 2);
    match (values.get(lower), values.get(upper)) {
        (Some(lower), Some(upper)) => f64::midpoint(*lower, *upper),
        _ => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(requests: u64, cpu_ms: u64) -> Round {
        let load = Load {
            requests,
            failed: 1,
            per_second: 10.0,
            p50: Duration::from_millis(1),
            p99: Duration::from_millis(2),
        };
        Round { load, cpu: Duration::from_millis(cpu_ms), memory: 3 << 20 }
    }

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9
    }

    #[test]
    fn the_median_is_the_middle() {
        assert!(near(median(vec![5.0, 1.0, 3.0]), 3.0));
        assert!(near(median(vec![4.0, 1.0, 3.0, 2.0]), 2.5));
        assert!(median(Vec::new()).is_nan());
    }

    #[test]
    fn sums_up_rounds() {
        let figures = Figures::of("a", "1", &[round(300, 1_000), round(100, 1_000), round(400, 2_000)]);
        assert!(near(figures.requests_per_cpu_second, 200.0));
        assert!(near(figures.p99_ms, 2.0) && near(figures.memory_mib, 3.0));
        assert_eq!((figures.failed, figures.rounds.len()), (3, 3));
    }

    #[test]
    fn compares_each_with_each_other() {
        let mut all =
            [Figures::of("a", "1", &[round(300, 1_000)]), Figures::of("b", "1", &[round(200, 1_000)])];
        compare(&mut all);
        assert!(near(all[0].ratios["b"], 1.5) && near(all[1].ratios["a"], 2.0 / 3.0));
        assert!(!all[0].ratios.contains_key("a"));
    }
}
