//! Endpoints that do worse than they should are left out for a while, by what their requests come to: passive
//! health checks, in Envoy's words outlier detection.
//!
//! Three rules eject: failures in a row, a share of successes far below the others', answers far slower than the
//! others'. Each ejection of the same endpoint lasts twice as long as the one before; every interval that it does
//! well takes one off again. Probes have the last word on who is there; this only leaves some of those out, and
//! never more than a share.

use alloc::vec::Vec;
use core::time::Duration;

use crate::guard::Outcome;
use crate::time::Time;

/// When endpoints are left out, and for how long. A worker judges by what it sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutlierPolicy {
    /// So many failures in a row eject; at least 1.
    pub consecutive: u32,
    /// Successes and times are compared over this time.
    pub interval: Duration,
    /// Only endpoints with so many requests in the interval are compared, and only three or more of them.
    pub volume: u32,
    /// Its answers take so many times as long as the median endpoint's: it is ejected. 0 for never.
    pub slow: u32,
    /// The first ejection.
    pub base: Duration,
    /// The longest.
    pub max: Duration,
    /// At most so many percent are out at once; one may always be, where there are two or more.
    pub share: u8,
    /// Where fewer than so many percent of the ready ones are left, nobody is out.
    pub panic: u8,
}

impl Default for OutlierPolicy {
    /// Envoy's failures in a row (5), interval (10 s), deviation (1.9) and longest time (5 min). Its first time is
    /// 30 s and its share 10 %, for large clusters; here both fit a service of a few replicas. nginx takes out
    /// after a single failure for 10 s.
    fn default() -> Self {
        Self {
            consecutive: 5,
            interval: Duration::from_secs(10),
            volume: 50,
            slow: 5,
            base: Duration::from_secs(10),
            max: Duration::from_mins(5),
            share: 50,
            panic: 50,
        }
    }
}

/// What one worker knows of one endpoint.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Record {
    /// Failures since the last success.
    in_a_row: u32,
    answered: u32,
    failed: u32,
    /// Nanoseconds of those that were answered.
    took: u64,
    /// Doubles the next ejection as often.
    ejections: u32,
    until: Time,
}

/// Squared standard deviations that the share of successes may be below the mean, in hundredths: 1.9 squared.
const DEVIATION_SQUARED: u128 = 361;
/// Fewer are no crowd to differ from.
const COMPARED_MIN: usize = 3;
/// Successes are compared in so many parts.
const PARTS: i128 = 1_000_000;

impl Record {
    /// Whether it is left out.
    pub(crate) fn is_out(&self, now: Time) -> bool {
        now < self.until
    }

    /// Until when; a moment of the past where it is not.
    pub(crate) const fn until(&self) -> Time {
        self.until
    }

    /// Takes an outcome in; whether there were too many failures in a row.
    pub(crate) fn observe(&mut self, outcome: Outcome, policy: &OutlierPolicy) -> bool {
        match outcome {
            Outcome::Answered(took) => {
                self.in_a_row = 0;
                self.answered = self.answered.saturating_add(1);
                let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
                self.took = self.took.saturating_add(nanos);
                false
            }
            Outcome::Failed | Outcome::TimedOut => {
                self.in_a_row = self.in_a_row.saturating_add(1);
                self.failed = self.failed.saturating_add(1);
                self.in_a_row >= policy.consecutive
            }
            Outcome::Abandoned => false,
        }
    }

    /// Leaves it out from now on.
    pub(crate) fn eject(&mut self, policy: &OutlierPolicy, now: Time) {
        let time = policy.base.saturating_mul(1 << self.ejections.min(31)).min(policy.max);
        self.ejections = self.ejections.saturating_add(1);
        self.in_a_row = 0;
        self.until = now.after(time);
    }

    /// Begins the next interval.
    pub(crate) fn begin_interval(&mut self, now: Time) {
        let did_well = self.answered > 0 && self.in_a_row == 0 && !self.is_out(now);
        self.ejections = self.ejections.saturating_sub(u32::from(did_well));
        (self.answered, self.failed, self.took) = (0, 0, 0);
    }

    const fn volume(&self) -> u32 {
        self.answered.saturating_add(self.failed)
    }

    /// Parts that were answered.
    fn success(&self) -> i128 {
        i128::from(self.answered) * PARTS / i128::from(self.volume().max(1))
    }

    fn mean_nanos(&self) -> u64 {
        self.took / u64::from(self.answered.max(1))
    }
}

/// The places of those that did far worse than the others in the interval.
pub(crate) fn outliers<'a>(
    records: impl Iterator<Item = (usize, &'a Record)>,
    policy: &OutlierPolicy,
) -> Vec<usize> {
    let compared: Vec<_> = records.filter(|(_, record)| record.volume() >= policy.volume.max(1)).collect();
    if compared.len() < COMPARED_MIN {
        return Vec::new();
    }
    let count = i128::try_from(compared.len()).unwrap_or(i128::MAX);
    let mean = compared.iter().map(|(_, record)| record.success()).sum::<i128>() / count;
    let square = |record: &Record| (record.success() - mean).unsigned_abs().pow(2);
    let variance = compared.iter().map(|(_, record)| square(record)).sum::<u128>() / count.unsigned_abs();
    let mut means: Vec<_> = compared.iter().map(|(_, record)| record.mean_nanos()).collect();
    means.sort_unstable();
    let median = means[means.len() / 2];
    let bound = median.saturating_mul(u64::from(policy.slow));
    let is_worse = |record: &Record| {
        let fails_more = record.success() < mean && square(record) * 100 > variance * DEVIATION_SQUARED;
        let is_slower = policy.slow > 0 && record.answered > 0 && record.mean_nanos() > bound;
        fails_more || is_slower
    };
    compared.into_iter().filter(|(_, record)| is_worse(record)).map(|(place, _)| place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: OutlierPolicy = OutlierPolicy {
        consecutive: 3,
        interval: Duration::from_secs(10),
        volume: 10,
        slow: 3,
        base: Duration::from_secs(1),
        max: Duration::from_secs(5),
        share: 50,
        panic: 50,
    };

    fn record(answered: u32, failed: u32, millis: u64) -> Record {
        let mut record = Record::default();
        let took = Outcome::Answered(Duration::from_millis(millis));
        (0..answered).for_each(|_| assert!(!record.observe(took, &POLICY)));
        for _ in 0..failed {
            record.observe(Outcome::Failed, &POLICY);
        }
        record
    }

    fn found(records: &[Record]) -> Vec<usize> {
        outliers(records.iter().enumerate(), &POLICY)
    }

    #[test]
    fn failures_in_a_row_count_until_a_success() {
        let mut record = record(0, 2, 1);
        assert!(!record.observe(Outcome::Answered(Duration::ZERO), &POLICY));
        assert!(!record.observe(Outcome::Failed, &POLICY));
        assert!(!record.observe(Outcome::Abandoned, &POLICY) && !record.observe(Outcome::Failed, &POLICY));
        assert!(record.observe(Outcome::TimedOut, &POLICY));
    }

    #[test]
    fn each_ejection_is_longer_until_it_does_well() {
        let mut record = Record::default();
        let mut now = Time::ZERO;
        let mut eject = |record: &mut Record| {
            record.eject(&POLICY, now);
            let time = record.until().since(now);
            now = record.until();
            assert!(!record.is_out(now));
            time.as_secs()
        };
        let times: Vec<_> = (0..5).map(|_| eject(&mut record)).collect();
        assert_eq!(times, [1, 2, 4, 5, 5]);
        record.begin_interval(Time::NEVER);
        for _ in 0..3 {
            record.observe(Outcome::Answered(Duration::ZERO), &POLICY);
            record.begin_interval(Time::NEVER);
        }
        assert_eq!(eject(&mut record), 4, "three of five were forgiven");
    }

    #[test]
    fn one_that_fails_far_more_than_the_others_is_found() {
        let even = record(95, 5, 1);
        assert_eq!(found(&[even, even, even, even, record(50, 50, 1)]), [4]);
        assert_eq!(found(&[even, even, even, even, record(95, 4, 1)]), []);
        assert_eq!(found(&[record(50, 50, 1); 5]), [], "all fail alike");
    }

    #[test]
    fn one_that_is_far_slower_than_the_median_is_found() {
        let even = record(100, 0, 10);
        assert_eq!(found(&[even, record(100, 0, 31), even]), [1]);
        assert_eq!(found(&[even, record(100, 0, 29), even]), []);
    }

    #[test]
    fn few_requests_and_few_endpoints_prove_nothing() {
        let even = record(100, 0, 10);
        assert_eq!(found(&[even, even, even, record(0, 9, 1)]), []);
        assert_eq!(found(&[even, record(0, 100, 1)]), []);
    }
}
