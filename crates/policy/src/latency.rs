//! How quickly an endpoint answers: a moving mean that rises at once and falls slowly ("peak EWMA", as in Twitter's
//! Finagle).

use core::time::Duration;

use crate::time::Time;

/// After this long without news a mean has fallen by half.
const DECAY: Duration = Duration::from_secs(10);

/// What one worker has seen of one endpoint.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Latency {
    /// Nothing was seen yet where it is 0.
    nanos: u64,
    at: Time,
}

impl Latency {
    /// An answer took so long. A longer time than expected is believed at once, a shorter one little by little.
    pub(crate) fn observe(&mut self, took: Duration, now: Time) {
        let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX).max(1);
        let present = self.nanos(now);
        // With the rational weight t / (t + age), as the exponential one is not in `core`.
        let (keep, age) = (DECAY.as_nanos(), now.since(self.at).as_nanos());
        let mean = (u128::from(self.nanos) * keep + u128::from(took) * age) / (keep + age);
        let mean = u64::try_from(mean).unwrap_or(u64::MAX);
        (self.nanos, self.at) = (if took >= present { took } else { mean.max(1) }, now);
    }

    /// What the next answer is expected to take; 0 where nothing is known. It falls while nothing is heard, so that
    /// one that was slow gets another chance.
    pub(crate) fn nanos(&self, now: Time) -> u64 {
        let (keep, age) = (DECAY.as_nanos(), now.since(self.at).as_nanos());
        u64::try_from(u128::from(self.nanos) * keep / (keep + age)).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Time {
        Time::ZERO.after(Duration::from_secs(seconds))
    }

    #[test]
    fn rises_at_once_and_falls_slowly() {
        let mut latency = Latency::default();
        assert_eq!(latency.nanos(at(1)), 0);
        latency.observe(Duration::from_millis(10), at(1));
        latency.observe(Duration::from_millis(100), at(1));
        assert_eq!(latency.nanos(at(1)), 100_000_000);
        latency.observe(Duration::from_millis(10), at(2));
        let after = latency.nanos(at(2));
        assert!((80_000_000..100_000_000).contains(&after), "{after}");
        assert_eq!(latency.nanos(at(12)), after / 2);
    }
}
