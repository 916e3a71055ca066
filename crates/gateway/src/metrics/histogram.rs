//! How long things took, in buckets that are fixed: nine to a decade, from 10 µs to 100 s.

use std::time::Duration;

use crate::counts::Counter;

/// Where the first bucket ends.
const FIRST_NANOS: u64 = 10_000;
/// Where the decades begin, in nanoseconds.
const DECADES: [u64; 7] = {
    let mut decades = [FIRST_NANOS; 7];
    let mut place = 1;
    while place < decades.len() {
        decades[place] = decades[place - 1] * 10;
        place += 1;
    }
    decades
};
/// Buckets that end somewhere, and one for what took longer.
const BUCKETS: usize = DECADES.len() * 9 + 2;
/// Of nine buckets so many are told apart outside: those that end with 1, 2 and 5.
const TOLD: [u64; 3] = [1, 2, 5];

/// One worker's histogram: a write costs a division and two stores.
#[derive(Debug)]
pub(crate) struct Histogram {
    buckets: [Counter; BUCKETS],
    sum_nanos: Counter,
}

/// What histograms of workers have counted together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Durations {
    buckets: [u64; BUCKETS],
    sum_nanos: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: std::array::from_fn(|_| Counter::default()), sum_nanos: Counter::default() }
    }
}

impl Histogram {
    pub(crate) fn observe(&self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.buckets[place(nanos)].add_one();
        self.sum_nanos.add(nanos);
    }
}

impl Default for Durations {
    fn default() -> Self {
        Self { buckets: [0; BUCKETS], sum_nanos: 0 }
    }
}

impl Durations {
    pub(crate) fn add(&mut self, worker: &Histogram) {
        for (sum, counter) in self.buckets.iter_mut().zip(&worker.buckets) {
            *sum += counter.get();
        }
        self.sum_nanos = self.sum_nanos.wrapping_add(worker.sum_nanos.get());
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for (sum, more) in self.buckets.iter_mut().zip(&other.buckets) {
            *sum += more;
        }
        self.sum_nanos = self.sum_nanos.wrapping_add(other.sum_nanos);
    }

    /// How many were in each bucket; the sum of their times is not kept.
    pub const fn buckets(&self) -> &[u64] {
        &self.buckets
    }

    /// The same again; what is missing counts as none.
    pub fn from_buckets(buckets: &[u64]) -> Self {
        let mut durations = Self::default();
        for (to, from) in durations.buckets.iter_mut().zip(buckets) {
            *to = *from;
        }
        durations
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// All of them together.
    pub const fn sum(&self) -> Duration {
        Duration::from_nanos(self.sum_nanos)
    }

    /// How many took at most so long, for the bounds 1, 2 and 5 of each decade.
    pub fn cumulative(&self) -> impl Iterator<Item = (Duration, u64)> {
        let mut count = 0;
        let bounds = (0..BUCKETS - 1).map(bound_nanos);
        let all = bounds.zip(&self.buckets).map(move |(bound, bucket)| {
            count += bucket;
            (bound, count)
        });
        let is_told = |bound: u64| TOLD.contains(&(bound / 10_u64.pow(bound.ilog10())));
        all.filter(move |(bound, _)| is_told(*bound))
            .map(|(bound, count)| (Duration::from_nanos(bound), count))
    }

    /// What happened between an earlier look and this one.
    pub fn since(&self, earlier: &Self) -> Self {
        let mut difference = self.clone();
        for (bucket, before) in difference.buckets.iter_mut().zip(&earlier.buckets) {
            *bucket = bucket.saturating_sub(*before);
        }
        difference.sum_nanos = self.sum_nanos.wrapping_sub(earlier.sum_nanos);
        difference
    }

    /// The time that a share of them, 0 to 1, did not exceed: where their bucket ends, so at most an
    /// eighth above for all but the first in a decade. `None` where there are none.
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let total = self.count();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a count")]
        let rank = ((share.clamp(0.0, 1.0) * total as f64).ceil() as u64).clamp(1, total.max(1));
        let mut count = 0;
        let place = self.buckets.iter().position(|bucket| {
            count += bucket;
            count >= rank
        })?;
        Some(Duration::from_nanos(bound_nanos(place.min(BUCKETS - 2))))
    }
}

/// The bucket of a time: the first whose bound is not below it.
fn place(nanos: u64) -> usize {
    if nanos <= FIRST_NANOS {
        return 0;
    }
    let Some(decade) = DECADES.iter().position(|begin| nanos <= begin * 10) else { return BUCKETS - 1 };
    // Two to ten: the end of one decade is the beginning of the next.
    let in_decade = nanos.div_ceil(DECADES[decade]) - 1;
    decade * 9 + usize::try_from(in_decade).unwrap_or(0)
}

/// Where a bucket ends; the last ends nowhere.
fn bound_nanos(place: usize) -> u64 {
    let decade = DECADES.get(place / 9).copied().unwrap_or(DECADES[DECADES.len() - 1] * 10);
    decade * (place as u64 % 9 + 1)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::{BUCKETS, Durations, Histogram, bound_nanos, place};

    fn durations(nanos: &[u64]) -> Durations {
        let histogram = Histogram::default();
        for nanos in nanos {
            histogram.observe(Duration::from_nanos(*nanos));
        }
        let mut durations = Durations::default();
        durations.add(&histogram);
        durations
    }

    #[test]
    fn bounds_grow_from_ten_microseconds_to_a_hundred_seconds() {
        let bounds: Vec<_> = (0..BUCKETS - 1).map(bound_nanos).collect();
        assert!(bounds.is_sorted_by(|a, b| a < b), "{bounds:?}");
        assert_eq!((bounds[0], bounds[9], bounds[BUCKETS - 2]), (10_000, 100_000, 100_000_000_000));
    }

    proptest! {
        #[test]
        fn a_time_is_in_the_first_bucket_that_holds_it(nanos in 0_u64..200_000_000_000) {
            let place = place(nanos);
            prop_assert!(place == BUCKETS - 1 || nanos <= bound_nanos(place));
            prop_assert!(place == 0 || nanos > bound_nanos(place - 1));
        }
    }

    #[test]
    fn counts_what_a_bound_holds() {
        let durations = durations(&[1, 10_000, 10_001, 1_000_000, 5_000_000_000, u64::MAX]);
        let told: Vec<_> = durations.cumulative().collect();
        assert_eq!(told.len(), 22);
        let at = |nanos| told.iter().find(|(bound, _)| *bound == Duration::from_nanos(nanos)).unwrap().1;
        assert_eq!((at(10_000), at(20_000), at(1_000_000), at(100_000_000_000)), (2, 3, 4, 5));
        assert_eq!(durations.count(), 6);
    }

    #[test]
    fn finds_quantiles_between_two_looks() {
        let early = durations(&[9_000_000; 10]);
        let both = durations(&[&[9_000_000; 10][..], &[1_000_000; 99], &[40_000_000]].concat());
        let later = both.since(&early);
        assert_eq!(later.count(), 100);
        assert_eq!(later.sum(), Duration::from_millis(99 + 40));
        assert_eq!(later.quantile(0.5), Some(Duration::from_millis(1)));
        assert_eq!(later.quantile(1.0), Some(Duration::from_millis(40)));
        assert_eq!(Durations::default().quantile(0.5), None);
    }
}
