//! How long who asks will wait, as it is told from hop to hop: the time that is left, so that no two clocks
//! must agree.
//!
//! gRPC tells it in `grpc-timeout` (PROTOCOL-HTTP2.md of gRPC, "Timeout"). HTTP has no header of its own for
//! it; the one of Envoy, `x-envoy-expected-rq-timeout-ms`, has whole milliseconds, and services in a mesh
//! know it.

use core::fmt;
use core::time::Duration;

use crate::time::Time;

/// What a timeout of gRPC says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GrpcTimeout(pub Duration);

/// A timeout of gRPC has so many digits at most.
const DIGITS_MAX: usize = 8;
const NUMBER_MAX: u128 = 99_999_999;
/// As many digits as milliseconds may have: eleven days.
const MILLIS_DIGITS_MAX: usize = 9;

/// When who asks gives up, by the times that it says are left of `now`: the shortest counts.
/// [`Time::NEVER`] where it says none.
pub fn gives_up(left: impl Iterator<Item = Duration>, now: Time) -> Time {
    left.min().map_or(Time::NEVER, |left| now.after(left))
}

/// Reads whole milliseconds; `None` for what is none.
pub fn millis(text: &[u8]) -> Option<Duration> {
    number(text, MILLIS_DIGITS_MAX).map(Duration::from_millis)
}

/// What to tell of the time that is left: whole milliseconds, at least one, as none could be taken for no
/// bound.
pub fn millis_left(left: Duration) -> u64 {
    u64::try_from(left.as_millis()).unwrap_or(u64::MAX).clamp(1, 999_999_999)
}

fn number(text: &[u8], digits_max: usize) -> Option<u64> {
    if !(1..=digits_max).contains(&text.len()) || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(text.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
}

impl GrpcTimeout {
    /// Reads up to eight digits and a unit; `None` for what is none.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (unit, digits) = text.split_last()?;
        let count = number(digits, DIGITS_MAX)?;
        let time = match unit {
            b'H' => Duration::from_secs(count * 3_600),
            b'M' => Duration::from_secs(count * 60),
            b'S' => Duration::from_secs(count),
            b'm' => Duration::from_millis(count),
            b'u' => Duration::from_micros(count),
            b'n' => Duration::from_nanos(count),
            _ => return None,
        };
        Some(Self(time))
    }
}

impl fmt::Display for GrpcTimeout {
    /// In the smallest unit from microseconds that takes it, rounded down, but never nothing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (micros, millis) = (self.0.as_micros(), self.0.as_millis());
        if micros <= NUMBER_MAX {
            write!(f, "{}u", micros.max(1))
        } else if millis <= NUMBER_MAX {
            write!(f, "{millis}m")
        } else {
            write!(f, "{}S", u128::from(self.0.as_secs()).min(NUMBER_MAX))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::{prop_assert, proptest};
    use std::string::ToString;

    #[test]
    fn reads_what_grpc_says_and_nothing_else() {
        let read = |text: &str| GrpcTimeout::parse(text.as_bytes()).map(|timeout| timeout.0);
        assert_eq!(read("1H"), Some(Duration::from_hours(1)));
        assert_eq!(read("99999999M"), Some(Duration::from_mins(99_999_999)));
        assert_eq!(read("20S"), Some(Duration::from_secs(20)));
        assert_eq!(read("0m"), Some(Duration::ZERO));
        assert_eq!(read("250m"), Some(Duration::from_millis(250)));
        assert_eq!(read("7u"), Some(Duration::from_micros(7)));
        assert_eq!(read("7n"), Some(Duration::from_nanos(7)));
        for text in ["", "m", "1", "1s", "-1m", "+1m", "1.5S", " 1m", "123456789n", "1 m"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn reads_whole_milliseconds() {
        assert_eq!(millis(b"1500"), Some(Duration::from_millis(1_500)));
        assert_eq!(millis(b"0"), Some(Duration::ZERO));
        for text in ["", "1.5", "-1", "1s", "1000000000"] {
            assert_eq!(millis(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        /// What is told can be read, is never more than what is left, and loses little of it.
        #[test]
        fn what_is_told_is_what_is_left(micros in 1_u64..99_999_999_000_000) {
            let left = Duration::from_micros(micros);
            let told = GrpcTimeout::parse(GrpcTimeout(left).to_string().as_bytes()).expect("it can be read").0;
            prop_assert!(told <= left && told + Duration::from_millis(1) >= left.mul_f64(0.999), "{told:?} of {left:?}");
            let told = millis(millis_left(left).to_string().as_bytes()).expect("it can be read");
            prop_assert!(told <= left.max(Duration::from_millis(1)));
        }

        #[test]
        fn takes_any_bytes(text in vec(proptest::num::u8::ANY, 0..12)) {
            let (grpc, millis) = (GrpcTimeout::parse(&text), millis(&text));
            prop_assert!(grpc.is_none() || millis.is_none());
        }
    }

    #[test]
    fn the_shortest_counts() {
        let now = Time::from_nanos(5);
        let times = [Duration::from_nanos(9), Duration::from_nanos(3)];
        assert_eq!(gives_up(times.into_iter(), now), Time::from_nanos(8));
        assert_eq!(gives_up([].into_iter(), now), Time::NEVER);
    }
}
