//! A circuit breaker: a service that fails most of its requests is left alone for a while
//! (Nygard, Release It!, 2018).

mod condition;

use core::time::Duration;

pub use condition::{Condition, ConditionError, Counts};

use crate::time::Time;

/// When a breaker opens, and for how long.
#[derive(Debug, Clone, PartialEq)]
pub struct BreakerPolicy {
    /// What opens it.
    pub trip: Trip,
    /// It stays open so long, then lets a few requests try.
    pub open: Duration,
    /// So many tries must succeed for it to close.
    pub tries: u32,
}

/// What opens a breaker; looked at whenever a request has failed.
#[derive(Debug, Clone, PartialEq)]
pub enum Trip {
    /// Too many failures among those of the last time.
    Share {
        /// So many of a hundred requests failed ...
        percent: u8,
        /// ... of so many at least ...
        volume: u32,
        /// ... within this time.
        window: Duration,
    },
    /// What was counted since it closed, or since it was last counted from nought.
    Counts {
        /// What must hold.
        condition: Condition,
        /// It is counted from nought so often; never, if that is not given.
        every: Option<Duration>,
    },
}

/// One worker's breaker for one service.
#[derive(Debug, Clone)]
pub struct Breaker {
    policy: BreakerPolicy,
    state: State,
    window: Window,
    counts: Counts,
    /// When counting begins anew.
    counted_until: Option<Time>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed,
    Open {
        until: Time,
    },
    /// So many tries may still begin, so many have succeeded.
    Trying {
        left: u32,
        succeeded: u32,
    },
}

/// What happened in the last time, part by part.
#[derive(Debug, Clone)]
struct Window([Slice; SLICES]);

/// What happened in a part of it.
#[derive(Debug, Clone, Copy)]
struct Slice {
    number: u64,
    failed: u32,
    ended: u32,
}

/// Parts of the window; the oldest is forgotten at once.
const SLICES: usize = 10;

impl Default for BreakerPolicy {
    /// Hystrix's and resilience4j's: half of at least twenty in ten seconds; five seconds' rest.
    fn default() -> Self {
        Self {
            trip: Trip::Share { percent: 50, volume: 20, window: Duration::from_secs(10) },
            open: Duration::from_secs(5),
            tries: 3,
        }
    }
}

impl Breaker {
    /// A closed breaker.
    pub const fn new(policy: BreakerPolicy) -> Self {
        Self {
            policy,
            state: State::Closed,
            window: Window::EMPTY,
            counts: Counts::NONE,
            counted_until: None,
        }
    }

    /// Whether a request may be sent.
    pub fn admit(&mut self, now: Time) -> bool {
        if let State::Open { until } = self.state
            && now >= until
        {
            self.state = State::Trying { left: self.policy.tries, succeeded: 0 };
        }
        match &mut self.state {
            State::Closed => true,
            State::Open { .. } | State::Trying { left: 0, .. } => false,
            State::Trying { left, .. } => {
                *left -= 1;
                true
            }
        }
    }

    /// A request that was sent has failed or succeeded.
    pub fn report(&mut self, failed: bool, now: Time) {
        match &mut self.state {
            State::Closed => {
                if self.trips(failed, now) {
                    self.open(now);
                }
            }
            State::Open { .. } => {}
            State::Trying { .. } if failed => self.open(now),
            State::Trying { succeeded, .. } => {
                *succeeded += 1;
                if *succeeded >= self.policy.tries {
                    self.state = State::Closed;
                    self.window = Window::EMPTY;
                    (self.counts, self.counted_until) = (Counts::NONE, None);
                }
            }
        }
    }

    /// A request that was admitted came to nothing that says how the service is.
    pub const fn withdraw(&mut self) {
        if let State::Trying { left, .. } = &mut self.state {
            *left += 1;
        }
    }

    /// Whether requests are refused now.
    pub fn is_open(&self, now: Time) -> bool {
        matches!(self.state, State::Open { until } if now < until)
    }

    /// When it lets requests through again; `None` where it does, or where those that try are waited for.
    pub fn closed_until(&self, now: Time) -> Option<Time> {
        match self.state {
            State::Open { until } => Some(until).filter(|until| now < *until),
            State::Closed | State::Trying { .. } => None,
        }
    }

    fn open(&mut self, now: Time) {
        self.state = State::Open { until: now.after(self.policy.open) };
    }

    fn trips(&mut self, failed: bool, now: Time) -> bool {
        match &self.policy.trip {
            Trip::Share { percent, volume, window } => {
                let (failed, ended) = self.window.observe(failed, *window, now);
                failed > 0 && ended >= u64::from(*volume) && failed * 100 >= ended * u64::from(*percent)
            }
            Trip::Counts { condition, every } => {
                if self.counted_until.is_some_and(|until| now >= until) {
                    (self.counts, self.counted_until) = (Counts::NONE, None);
                }
                if self.counted_until.is_none() {
                    self.counted_until = every.map(|every| now.after(every));
                }
                self.counts.add(failed);
                failed && condition.holds(&self.counts)
            }
        }
    }
}

// === impl Window ===

impl Window {
    const EMPTY: Self = Self([Slice { number: 0, failed: 0, ended: 0 }; SLICES]);

    /// Takes an end in; how many of how many failed within `span`, nothing where this one did not.
    fn observe(&mut self, failed: bool, span: Duration, now: Time) -> (u64, u64) {
        let slice_nanos = (span.as_nanos() / SLICES as u128).max(1);
        let number = u64::try_from(u128::from(now.nanos()) / slice_nanos).unwrap_or(u64::MAX);
        let slice = &mut self.0[usize::try_from(number % SLICES as u64).unwrap_or_default()];
        if slice.number != number {
            *slice = Slice { number, failed: 0, ended: 0 };
        }
        slice.ended += 1;
        slice.failed += u32::from(failed);
        if !failed {
            return (0, 0);
        }
        let recent = self.0.iter().filter(|slice| number - slice.number < SLICES as u64);
        recent.fold((0, 0), |(f, e), slice| (f + u64::from(slice.failed), e + u64::from(slice.ended)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::{prop_assert, proptest};

    const POLICY: BreakerPolicy = BreakerPolicy {
        trip: Trip::Share { percent: 50, volume: 10, window: Duration::from_secs(10) },
        open: Duration::from_secs(5),
        tries: 2,
    };

    fn at(millis: u64) -> Time {
        Time::ZERO.after(Duration::from_millis(millis))
    }

    fn broken() -> Breaker {
        let mut breaker = Breaker::new(POLICY);
        (0..10).for_each(|_| breaker.report(true, at(0)));
        breaker
    }

    #[test]
    fn opens_at_its_share_of_enough_requests() {
        let mut breaker = Breaker::new(POLICY);
        (0..9).for_each(|_| breaker.report(true, at(0)));
        assert!(breaker.admit(at(1)), "nine are too few");
        breaker.report(true, at(1));
        assert!(!breaker.admit(at(2)));
        let mut breaker = Breaker::new(POLICY);
        for _ in 0..100 {
            breaker.report(false, at(0));
            breaker.report(false, at(0));
            breaker.report(true, at(0));
        }
        assert!(breaker.admit(at(1)), "a third is below its share");
    }

    #[test]
    fn forgets_what_is_older_than_its_window() {
        let mut breaker = Breaker::new(POLICY);
        (0..9).for_each(|_| breaker.report(true, at(0)));
        breaker.report(true, at(10_001));
        assert!(breaker.admit(at(10_002)));
    }

    #[test]
    fn closes_after_enough_tries_and_opens_again_after_one_that_fails() {
        let mut breaker = broken();
        assert!(!breaker.admit(at(4_999)));
        assert!(breaker.admit(at(5_000)) && breaker.admit(at(5_000)) && !breaker.admit(at(5_000)));
        breaker.report(false, at(5_001));
        breaker.report(false, at(5_002));
        assert!((0..50).all(|_| breaker.admit(at(5_003))));
        let mut breaker = broken();
        assert!(breaker.admit(at(5_000)));
        breaker.report(true, at(5_001));
        assert!(!breaker.admit(at(10_000)) && breaker.admit(at(10_001)));
    }

    #[test]
    fn a_try_that_says_nothing_is_made_again() {
        let mut breaker = broken();
        assert!(breaker.admit(at(5_000)) && breaker.admit(at(5_000)) && !breaker.admit(at(5_000)));
        breaker.withdraw();
        assert!(breaker.admit(at(5_000)));
    }

    fn counting(text: &str, every: Option<Duration>) -> Breaker {
        let condition = Condition::parse(text).expect("a condition");
        Breaker::new(BreakerPolicy { trip: Trip::Counts { condition, every }, tries: 1, ..POLICY })
    }

    #[test]
    fn opens_by_what_was_counted_since_it_closed() {
        let mut breaker = counting("consecutiveFailures > 2", None);
        for failed in [true, true, false, true, true] {
            breaker.report(failed, at(0));
        }
        assert!(breaker.admit(at(1)), "there was a success between");
        breaker.report(true, at(1_000_000));
        assert!(!breaker.admit(at(1_000_001)));
        assert_eq!(breaker.closed_until(at(1_000_001)), Some(at(1_005_000)));
        assert!(breaker.admit(at(1_005_000)) && !breaker.admit(at(1_005_000)));
        breaker.report(false, at(1_005_001));
        breaker.report(true, at(1_005_002));
        breaker.report(true, at(1_005_003));
        assert!(breaker.admit(at(1_005_004)), "what was before counts no more");
    }

    #[test]
    fn counts_from_nought_again_and_again() {
        let mut breaker = counting("totalFailures >= 3", Some(Duration::from_secs(1)));
        breaker.report(true, at(0));
        breaker.report(true, at(999));
        breaker.report(true, at(1_000));
        assert!(breaker.admit(at(1_001)));
        breaker.report(true, at(1_500));
        breaker.report(true, at(1_999));
        assert!(!breaker.admit(at(2_000)));
    }

    proptest! {
        /// Whatever is reported, it lets requests through again once it has rested.
        #[test]
        fn never_stays_open(reports in vec((proptest::bool::ANY, 0_u64..2_000), 0..300)) {
            let mut breaker = Breaker::new(POLICY);
            let mut now = 0;
            for (failed, pause) in reports {
                now += pause;
                if breaker.admit(at(now)) {
                    breaker.report(failed, at(now));
                }
            }
            prop_assert!(breaker.admit(at(now + 5_000)));
        }
    }
}
