//! How long to wait before trying again.

use core::time::Duration;

use crate::rng::Rng;

/// Waits that double from `initial` up to `max`, each spread evenly over its upper half so that those
/// who failed together do not come back together ("equal jitter", Brooker 2015). Where `initial` is `max`, each
/// wait is just that.
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
        if self.initial >= self.max {
            return self.max;
        }
        let doublings = failures.saturating_sub(1).min(31);
        let whole = self.initial.saturating_mul(1 << doublings).min(self.max);
        whole / 2 + (whole / 2).mul_f64(rng.unit())
    }
}

/// When a request is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Tries after the first; at most [`RetryPolicy::MAX`].
    pub max: u8,
    /// Statuses that are tried again, where the request may happen twice.
    pub statuses: Statuses,
    /// A try that takes longer is given up for another one.
    pub try_timeout: Option<Duration>,
    /// The waits before all tries but the first two: a first retry goes elsewhere at once.
    pub backoff: Backoff,
}

/// A set of statuses that say that a service, not the request, is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Statuses(u16);

impl RetryPolicy {
    /// A bound on `max`.
    pub const MAX: u8 = 5;
    /// No retry.
    pub const NONE: Self = Self { max: 0, ..Self::DEFAULT };
    const DEFAULT: Self = Self {
        max: 2,
        statuses: Statuses::NONE,
        try_timeout: None,
        backoff: Backoff { initial: Duration::from_millis(25), max: Duration::from_millis(250) },
    };
}

impl Default for RetryPolicy {
    /// Two retries; the waits are Envoy's.
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl Statuses {
    /// No status.
    pub const NONE: Self = Self(0);

    /// The set with a status added; `None` for one that no retry can help: only 429 and 500 to 514 can be
    /// members.
    #[must_use]
    pub fn with(self, status: u16) -> Option<Self> {
        Self::bit(status).map(|bit| Self(self.0 | bit))
    }

    /// Whether a status is a member.
    pub fn contains(self, status: u16) -> bool {
        Self::bit(status).is_some_and(|bit| self.0 & bit != 0)
    }

    const fn bit(status: u16) -> Option<u16> {
        match status {
            429 => Some(1 << 15),
            500..=514 => Some(1 << (status - 500)),
            _ => None,
        }
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
    fn a_constant_wait_is_not_left_to_chance() {
        let second = Duration::from_secs(1);
        let constant = Backoff { initial: second, max: second };
        assert!((1..50).all(|failures| constant.wait(failures, &mut Rng::new(7)) == second));
    }

    #[test]
    fn only_what_was_added_is_a_member() {
        let statuses = [502, 503, 429].into_iter().try_fold(Statuses::default(), Statuses::with);
        let statuses = statuses.expect("all can be");
        let members: std::vec::Vec<_> = (100..1_000).filter(|status| statuses.contains(*status)).collect();
        assert_eq!(members, [429, 502, 503]);
        assert_eq!(Statuses::default().with(404), None);
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
