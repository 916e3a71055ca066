//! Gathers what became of each request.
//!
//! The latency that counts runs from the *intended* start. Were it taken from the actual start, a system
//! that stalls would delay the requests behind the stall and so hide them from its own figures
//! (coordinated omission; Tene, "How not to measure latency", 2013).

use std::collections::BTreeMap;
use std::time::Duration;

use floodway_policy::Time;
use hdrhistogram::Histogram;

use crate::report::{Failures, Quantiles, Report};

/// What became of one request, all its attempts included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observation {
    /// The status of its last attempt; `None` where that had no answer.
    pub status: Option<u16>,
    /// How often it was sent; at least 1.
    pub attempts: u32,
    /// When it was meant to start.
    pub intended: Time,
    /// When its first attempt started.
    pub started: Time,
    /// When its last attempt ended.
    pub ended: Time,
    /// How long it waited for the generator itself, though there was room for it: not the system's fault.
    pub late: Duration,
}

/// Why an attempt has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// No connection could be made.
    Connect,
    /// The connection broke, or what came is no HTTP.
    Broken,
    /// It took too long.
    TimedOut,
}

/// Counts and histograms of a load so far. About 600 KiB, whatever the number of requests.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorder {
    statuses: BTreeMap<u16, u64>,
    unanswered: u64,
    attempts: u64,
    failures: Failures,
    latency: Latencies,
    service: Latencies,
    late: Latencies,
}

/// A histogram from a microsecond to an hour with three significant digits; what is beyond counts as an
/// hour.
#[derive(Debug, Clone, PartialEq)]
struct Latencies(Histogram<u64>);

// === impl Recorder ===

impl Recorder {
    /// Nothing yet.
    pub fn new() -> Self {
        Self {
            statuses: BTreeMap::new(),
            unanswered: 0,
            attempts: 0,
            failures: Failures::default(),
            latency: Latencies::new(),
            service: Latencies::new(),
            late: Latencies::new(),
        }
    }

    /// Adds a request that has ended.
    pub fn record(&mut self, seen: &Observation) {
        match seen.status {
            Some(status) => *self.statuses.entry(status).or_default() += 1,
            None => self.unanswered += 1,
        }
        self.attempts += u64::from(seen.attempts);
        self.latency.record(seen.ended.since(seen.intended));
        self.service.record(seen.ended.since(seen.started));
        self.late.record(seen.late);
    }

    /// Adds an attempt without an answer; the request itself is recorded when it ends.
    pub const fn record_failure(&mut self, failure: Failure) {
        let count = match failure {
            Failure::Connect => &mut self.failures.connect,
            Failure::Broken => &mut self.failures.broken,
            Failure::TimedOut => &mut self.failures.timed_out,
        };
        *count += 1;
    }

    /// Adds what another recorder has, as if it had been recorded here.
    pub fn merge(&mut self, other: &Self) {
        for (status, count) in &other.statuses {
            *self.statuses.entry(*status).or_default() += count;
        }
        self.unanswered += other.unanswered;
        self.attempts += other.attempts;
        self.failures.connect += other.failures.connect;
        self.failures.broken += other.failures.broken;
        self.failures.timed_out += other.failures.timed_out;
        self.latency.merge(&other.latency);
        self.service.merge(&other.service);
        self.late.merge(&other.late);
    }

    /// Requests recorded.
    pub fn len(&self) -> u64 {
        self.latency.0.len()
    }

    /// Whether nothing is recorded.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Requests recorded with a 2xx answer.
    pub fn accepted(&self) -> u64 {
        self.statuses.range(200..300).map(|(_, count)| count).sum()
    }

    /// Sums it all up, where it took `duration`.
    pub fn report(&self, duration: Duration) -> Report {
        let is_rejected = |status: &u16| !(200..300).contains(status);
        Report {
            offered: self.len(),
            accepted: self.accepted(),
            rejected: self.statuses.iter().filter(|(s, _)| is_rejected(s)).map(|(s, n)| (*s, *n)).collect(),
            unanswered: self.unanswered,
            attempts: self.attempts,
            failures: self.failures,
            duration,
            latency: self.latency.quantiles(),
            service: self.service.quantiles(),
            late: self.late.quantiles(),
        }
    }
}

impl Default for Recorder {
    fn default() -> Self {
        Self::new()
    }
}

// === impl Latencies ===

impl Latencies {
    const MIN_NS: u64 = 1_000;
    const MAX_NS: u64 = 3_600_000_000_000;
    const DIGITS: u8 = 3;

    fn new() -> Self {
        let histogram = Histogram::new_with_bounds(Self::MIN_NS, Self::MAX_NS, Self::DIGITS);
        Self(histogram.expect("1 us to 1 h with 3 digits is a range that a histogram can have"))
    }

    fn record(&mut self, latency: Duration) {
        let nanos = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        self.0.saturating_record(nanos.min(Self::MAX_NS));
    }

    fn merge(&mut self, other: &Self) {
        self.0.add(&other.0).expect("all have the same range");
    }

    fn quantiles(&self) -> Quantiles {
        let at = |quantile| Duration::from_nanos(self.0.value_at_quantile(quantile));
        Quantiles { p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max: at(1.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::strategy::Strategy;
    use proptest::{option, prop_assert, prop_assert_eq, proptest};

    fn observation() -> impl Strategy<Value = Observation> {
        let times = (0_u64..1 << 42, 0_u64..1 << 30, 0_u64..1 << 42, 0_u64..1 << 30);
        (option::of(100_u16..600), 1_u32..6, times).prop_map(|(status, attempts, (at, wait, took, late))| {
            Observation {
                status,
                attempts,
                intended: Time::from_nanos(at),
                started: Time::from_nanos(at + wait),
                ended: Time::from_nanos(at + wait + took),
                late: Duration::from_nanos(late),
            }
        })
    }

    fn recorded(all: &[Observation]) -> Recorder {
        let mut recorder = Recorder::new();
        for seen in all {
            recorder.record(seen);
            if seen.status.is_none() {
                recorder.record_failure(Failure::Broken);
            }
        }
        recorder
    }

    proptest! {
        #[test]
        fn merging_is_the_same_as_recording_into_one(a in vec(observation(), 0..50), b in vec(observation(), 0..50)) {
            let mut merged = recorded(&a);
            merged.merge(&recorded(&b));
            prop_assert_eq!(merged, recorded(&[a, b].concat()));
        }

        #[test]
        fn every_request_is_counted_once(all in vec(observation(), 0..100)) {
            let report = recorded(&all).report(Duration::from_secs(1));
            prop_assert_eq!(report.offered, all.len() as u64);
            prop_assert_eq!(report.accepted + report.rejected_total() + report.unanswered, report.offered);
            prop_assert_eq!(report.attempts, all.iter().map(|seen| u64::from(seen.attempts)).sum::<u64>());
        }

        #[test]
        fn quantiles_are_ordered_and_true_to_three_digits(all in vec(observation(), 1..100)) {
            let report = recorded(&all).report(Duration::from_secs(1));
            for q in [report.latency, report.service, report.late] {
                prop_assert!(q.p50 <= q.p90 && q.p90 <= q.p99 && q.p99 <= q.p999 && q.p999 <= q.max);
            }
            let longest = all.iter().map(|seen| seen.ended.since(seen.intended)).max().unwrap();
            let longest = longest.min(Duration::from_nanos(Latencies::MAX_NS));
            prop_assert!(report.latency.max.abs_diff(longest) <= longest / 1_000 + Duration::from_micros(1));
        }

        #[test]
        fn latency_is_never_below_service(all in vec(observation(), 1..100)) {
            let report = recorded(&all).report(Duration::from_secs(1));
            prop_assert!(report.latency.p50 >= report.service.p50 && report.latency.max >= report.service.max);
        }
    }
}
