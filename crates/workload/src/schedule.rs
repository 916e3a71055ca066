//! When each request is meant to start.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use floodway_policy::Time;

/// So many events in so much time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    count: NonZeroU32,
    /// Not zero.
    per: Duration,
}

/// The arrivals of a load, as times since its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schedule {
    /// Open loop: evenly spaced, and no later when the system is slow.
    Uniform(Rate),
    /// Closed loop: each as soon as there is room for it.
    FullSpeed,
}

// === impl Rate ===

impl Rate {
    /// `count` events in each `per`; `None` where `per` is zero.
    pub const fn new(count: NonZeroU32, per: Duration) -> Option<Self> {
        if per.is_zero() { None } else { Some(Self { count, per }) }
    }

    /// `count` events in each second.
    pub const fn per_second(count: NonZeroU32) -> Self {
        Self { count, per: Duration::from_secs(1) }
    }

    /// Events in each [`Rate::per`].
    pub const fn count(self) -> NonZeroU32 {
        self.count
    }

    /// The time that [`Rate::count`] is for; not zero.
    pub const fn per(self) -> Duration {
        self.per
    }

    /// Events in a second, for people.
    pub fn events_per_second(self) -> f64 {
        f64::from(self.count.get()) / self.per.as_secs_f64()
    }

    /// The time of `events` events, rounded down to a nanosecond; [`Time::NEVER`] where out of range.
    /// Each is computed from the start, so that no rounding adds up.
    fn time_of(self, events: u64) -> Time {
        let periods = u128::from(events).checked_mul(self.per.as_nanos());
        let nanos = periods.map(|nanos| nanos / u128::from(self.count.get()));
        nanos.and_then(|nanos| u64::try_from(nanos).ok()).map_or(Time::NEVER, Time::from_nanos)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.per == Duration::from_secs(1) {
            write!(f, "{}/s", self.count)
        } else {
            write!(f, "{} per {:?}", self.count, self.per)
        }
    }
}

// === impl Schedule ===

impl Schedule {
    /// When request number `index`, counted from 0, is meant to start; `None` for as soon as possible.
    pub fn intended(self, index: u64) -> Option<Time> {
        match self {
            Self::Uniform(rate) => Some(rate.time_of(index)),
            Self::FullSpeed => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{prop_assert, prop_assert_eq, proptest};

    fn rate(count: u32, per: Duration) -> Rate {
        Rate::new(NonZeroU32::new(count).unwrap(), per).unwrap()
    }

    #[test]
    fn spaces_requests_evenly_from_the_start() {
        let schedule = Schedule::Uniform(rate(3, Duration::from_secs(1)));
        let nanos: Vec<_> = (0..4).map(|index| schedule.intended(index).unwrap().nanos()).collect();
        assert_eq!(nanos, [0, 333_333_333, 666_666_666, 1_000_000_000]);
    }

    #[test]
    fn has_no_time_at_full_speed() {
        assert_eq!(Schedule::FullSpeed.intended(7), None);
    }

    #[test]
    fn refuses_a_rate_over_no_time() {
        assert_eq!(Rate::new(NonZeroU32::MIN, Duration::ZERO), None);
    }

    proptest! {
        #[test]
        fn never_goes_back_and_never_drifts(count in 1_u32..2_000_000, per_ms in 1_u64..86_400_000, periods in 0_u64..1_000) {
            let per = Duration::from_millis(per_ms);
            let schedule = Schedule::Uniform(rate(count, per));
            let whole = periods * u64::from(count);
            prop_assert_eq!(u128::from(schedule.intended(whole).unwrap().nanos()), per.as_nanos() * u128::from(periods));
            prop_assert!(schedule.intended(whole) <= schedule.intended(whole + 1));
        }

        #[test]
        fn saturates_instead_of_wrapping(index: u64) {
            let schedule = Schedule::Uniform(rate(1, Duration::MAX));
            prop_assert_eq!(schedule.intended(index).unwrap(), if index == 0 { Time::ZERO } else { Time::NEVER });
        }
    }
}
