//! A concurrency limit that finds itself: it grows while answers take about as long as they do unhurried, and
//! shrinks as they take longer. The gradient of the two times says by how much (Netflix concurrency-limits,
//! "Gradient"; Envoy's adaptive concurrency). Unhurried is the least mean of many answers; it is learned
//! upwards only while so few are in flight that none of them waits.

use core::time::Duration;

/// Between which bounds a limit may move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdaptivePolicy {
    /// It never goes below.
    pub min: u32,
    /// It never goes above.
    pub max: u32,
}

/// One worker's limit for one service.
#[derive(Debug, Clone)]
pub struct Adaptive {
    policy: AdaptivePolicy,
    limit: f64,
    /// Seconds that an answer takes without waiting; infinite before the first window.
    unhurried: f64,
    /// Seconds that the answers of this window took.
    sum: f64,
    count: u32,
    /// The most that were in flight in this window.
    in_flight: u32,
}

/// Answers that are looked at together: enough for their mean to say something.
const WINDOW: u32 = 50;
/// Answers may take so many times as long as unhurried before the limit shrinks.
const TOLERANCE: f64 = 2.0;
/// How much of a longer time is learned per window.
const LEARNED: f64 = 0.1;
/// The limit shrinks at most to this part of itself per window.
const GRADIENT_MIN: f64 = 0.5;

impl Default for AdaptivePolicy {
    fn default() -> Self {
        Self { min: 4, max: 1_000 }
    }
}

impl Adaptive {
    /// Starts at its least: so it learns how long an answer takes while none waits.
    pub fn new(policy: AdaptivePolicy) -> Self {
        let max = policy.max.max(1);
        let policy = AdaptivePolicy { min: policy.min.clamp(1, max), max };
        let limit = f64::from(policy.min);
        Self { policy, limit, unhurried: f64::INFINITY, sum: 0.0, count: 0, in_flight: 0 }
    }

    /// How many may be in flight.
    pub fn limit(&self) -> u32 {
        // Rounding down within bounds that are whole: what is cut off is the fraction.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within u32 bounds")]
        {
            self.limit as u32
        }
    }

    /// An answer took so long while so many were in flight.
    pub fn observe(&mut self, took: Duration, in_flight: u32) {
        self.sum += took.as_secs_f64();
        self.count += 1;
        self.in_flight = self.in_flight.max(in_flight);
        if self.count >= WINDOW {
            self.look(self.sum / f64::from(self.count));
            (self.sum, self.count, self.in_flight) = (0.0, 0, 0);
        }
    }

    fn look(&mut self, mean: f64) {
        let in_flight = f64::from(self.in_flight);
        let is_calm = in_flight <= f64::from(self.policy.min).max(self.limit / 4.0);
        if mean < self.unhurried {
            self.unhurried = mean;
        } else if is_calm {
            self.unhurried += (mean - self.unhurried) * LEARNED;
        }
        // A limit that nobody comes near says nothing.
        if mean <= 0.0 || in_flight < self.limit / 2.0 {
            return;
        }
        let gradient = (TOLERANCE * self.unhurried / mean).clamp(GRADIENT_MIN, 1.0);
        let room = (self.limit / 10.0).clamp(1.0, 8.0);
        let next = self.limit * gradient + room;
        self.limit = next.clamp(f64::from(self.policy.min), f64::from(self.policy.max));
    }

    /// A request was given up or refused by the service: it is beyond what it can do.
    pub fn overloaded(&mut self) {
        self.limit = (self.limit * 0.9).max(f64::from(self.policy.min));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;
    use proptest::collection::vec;
    use proptest::{prop_assert, proptest};

    /// A service with so many servers of so many seconds each, about: beyond them, all wait.
    fn settle(limit: &mut Adaptive, servers: u32, service: f64, rounds: u32, rng: &mut Rng) {
        for _ in 0..rounds {
            let in_flight = limit.limit();
            let wait = (f64::from(in_flight) / f64::from(servers)).max(1.0);
            // The sum of eight is spread by a fifth about its mean.
            let spread = (0..8).fold(0.0, |sum, _| sum + rng.unit()) / 4.0;
            limit.observe(Duration::from_secs_f64(service * wait * spread), in_flight);
        }
    }

    #[test]
    fn finds_about_what_a_service_can_do_at_once() {
        let mut rng = Rng::new(7);
        for servers in [10, 50, 200] {
            let mut limit = Adaptive::new(AdaptivePolicy::default());
            settle(&mut limit, servers, 0.01, 50_000, &mut rng);
            let found = limit.limit();
            assert!(found >= servers * 9 / 10 && found <= servers * 3, "{found} for {servers}");
        }
    }

    #[test]
    fn follows_a_service_that_becomes_slower_and_back() {
        let mut rng = Rng::new(7);
        let mut limit = Adaptive::new(AdaptivePolicy::default());
        settle(&mut limit, 100, 0.01, 20_000, &mut rng);
        let before = limit.limit();
        settle(&mut limit, 10, 0.01, 2_000, &mut rng);
        assert!(limit.limit() < before / 3, "{} of {before}", limit.limit());
        settle(&mut limit, 100, 0.01, 20_000, &mut rng);
        assert!(limit.limit() > before / 2, "{} of {before}", limit.limit());
    }

    #[test]
    fn learns_that_a_service_is_slower_for_good() {
        let mut rng = Rng::new(7);
        let mut limit = Adaptive::new(AdaptivePolicy::default());
        settle(&mut limit, 50, 0.01, 20_000, &mut rng);
        settle(&mut limit, 50, 0.1, 50_000, &mut rng);
        assert!(limit.limit() >= 45, "{}", limit.limit());
    }

    #[test]
    fn does_not_grow_unused() {
        let mut limit = Adaptive::new(AdaptivePolicy::default());
        let before = limit.limit();
        (0..1_000).for_each(|_| limit.observe(Duration::from_millis(5), 1));
        assert_eq!(limit.limit(), before);
    }

    proptest! {
        #[test]
        fn stays_within_its_bounds(took in vec((0_u64..10_000_000, 0_u32..2_000), 0..500), min in 0_u32..50, max in 0_u32..500) {
            let mut limit = Adaptive::new(AdaptivePolicy { min, max });
            for (micros, in_flight) in took {
                limit.observe(Duration::from_micros(micros), in_flight);
                if micros % 7 == 0 {
                    limit.overloaded();
                }
                let max = max.max(1);
                prop_assert!((min.clamp(1, max)..=max).contains(&limit.limit()), "{}", limit.limit());
            }
        }
    }
}
