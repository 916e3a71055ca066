//! How long to wait before trying again.

use core::time::Duration;

use crate::rng::Rng;

/// Waits that double from `initial` up to `max`, each spread evenly over its upper half so that those
/// who failed together do not come back together ("equal jitter", Brooker 2015).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The first wait, before jitter.
    pub initial: Duration,
    /// No wait is longer.
    pub max: Duration,
}

impl Backoff {
    /// The wait before try number `failures + 1`, when `failures` tries have failed (at least 1).
    /// Between half of and the whole of `min(max, initial * 2^(failures - 1))`.
    pub fn wait(&self, failures: u32, rng: &mut Rng) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        let whole = self.initial.saturating_mul(1 << doublings).min(self.max);
        whole / 2 + (whole / 2).mul_f64(rng.unit())
    }
}

/// When a replica that died is started again.
#[derive(Debug, Clone)]
pub struct Restart {
    backoff: Backoff,
    /// A replica that lived this long starts with a clean record.
    forgive: Duration,
    deaths: u32,
}

impl Restart {
    /// Nothing has died yet.
    pub const fn new(backoff: Backoff, forgive: Duration) -> Self {
        Self { backoff, forgive, deaths: 0 }
    }

    /// A replica died after it had `lived` this long: wait so long before it is started again.
    pub fn died(&mut self, lived: Duration, rng: &mut Rng) -> Duration {
        self.deaths = if lived >= self.forgive { 1 } else { self.deaths.saturating_add(1) };
        self.backoff.wait(self.deaths, rng)
    }

    /// Deaths in a row without a life long enough to be forgiven.
    pub const fn deaths(&self) -> u32 {
        self.deaths
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{prop_assert, proptest};

    const BACKOFF: Backoff = Backoff { initial: Duration::from_millis(100), max: Duration::from_secs(5) };

    proptest! {
        #[test]
        fn every_wait_is_within_its_half(failures in 1_u32..1_000, seed: u64) {
            let wait = BACKOFF.wait(failures, &mut Rng::new(seed));
            let whole = BACKOFF.initial.saturating_mul(1 << (failures - 1).min(31)).min(BACKOFF.max);
            prop_assert!(wait >= whole / 2 && wait <= whole);
        }
    }

    #[test]
    fn forgets_deaths_after_a_long_life() {
        let mut restart = Restart::new(BACKOFF, Duration::from_secs(10));
        let mut rng = Rng::new(1);
        for _ in 0..20 {
            restart.died(Duration::from_millis(1), &mut rng);
        }
        assert_eq!(restart.deaths(), 20);
        assert!(restart.died(Duration::from_secs(11), &mut rng) <= BACKOFF.initial);
        assert_eq!(restart.deaths(), 1);
    }
}
