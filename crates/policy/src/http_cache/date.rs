//! Dates of HTTP (RFC 9110 §5.6.7): three forms, each to the letter but for case.

use core::time::Duration;

use crate::calendar::{DAY_SECONDS, days, days_of};

/// A wall-clock moment: seconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Wall(pub i64);

const DAYS: [&[u8]; 7] =
    [b"monday", b"tuesday", b"wednesday", b"thursday", b"friday", b"saturday", b"sunday"];
const MONTHS: [&[u8; 3]; 12] =
    [b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec"];

impl Wall {
    /// Reads a date in any of the three forms. A year of two digits that would be more than 50 years
    /// after `now` is of the century before.
    pub fn parse(text: &[u8], now: Self) -> Option<Self> {
        imf_fixdate(text).or_else(|| rfc850(text, now)).or_else(|| asctime(text))
    }

    /// How long ago `earlier` was; zero if it is still to come.
    pub fn since(self, earlier: Self) -> Duration {
        let seconds = self.0.saturating_sub(earlier.0);
        Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
    }

    fn year(self) -> i64 {
        let day = self.0.div_euclid(DAY_SECONDS);
        // By the mean year: good to a day.
        let year = 1970 + day * 400 / 146_097;
        let begins = |year| days(year, 1, 1);
        if day < begins(year) { year - 1 } else { year + i64::from(day >= begins(year + 1)) }
    }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`
fn imf_fixdate(text: &[u8]) -> Option<Wall> {
    let text = text.strip_suffix_ignore_case(b" gmt")?;
    let (day, rest) = text.split_at_checked(3)?;
    let rest = rest.strip_prefix(b", ")?;
    let is_day = DAYS.iter().any(|name| name.get(..3).is_some_and(|name| day.eq_ignore_ascii_case(name)));
    let [d1, d2, b' ', m1, m2, m3, b' ', y1, y2, y3, y4, b' ', time @ ..] = rest else { return None };
    let year = number(&[*y1, *y2, *y3, *y4])?;
    moment(is_day, year, month(&[*m1, *m2, *m3])?, number(&[*d1, *d2])?, time)
}

/// `Sunday, 06-Nov-94 08:49:37 GMT`
fn rfc850(text: &[u8], now: Wall) -> Option<Wall> {
    let text = text.strip_suffix_ignore_case(b" gmt")?;
    let comma = text.iter().position(|byte| *byte == b',')?;
    let (day, rest) = text.split_at_checked(comma)?;
    let rest = rest.strip_prefix(b", ")?;
    let is_day = DAYS.iter().any(|name| day.eq_ignore_ascii_case(name));
    let [d1, d2, b'-', m1, m2, m3, b'-', y1, y2, b' ', time @ ..] = rest else { return None };
    let this_year = now.year();
    let year = this_year - this_year % 100 + number(&[*y1, *y2])?;
    let year = if year > this_year + 50 { year - 100 } else { year };
    moment(is_day, year, month(&[*m1, *m2, *m3])?, number(&[*d1, *d2])?, time)
}

/// `Sun Nov  6 08:49:37 1994`
fn asctime(text: &[u8]) -> Option<Wall> {
    let (day, rest) = text.split_at_checked(3)?;
    let is_day = DAYS.iter().any(|name| name.get(..3).is_some_and(|name| day.eq_ignore_ascii_case(name)));
    let [b' ', m1, m2, m3, b' ', d1, d2, b' ', rest @ ..] = rest else { return None };
    let d1 = if *d1 == b' ' { b'0' } else { *d1 };
    let [time @ .., b' ', y1, y2, y3, y4] = rest else { return None };
    let year = number(&[*y1, *y2, *y3, *y4])?;
    moment(is_day, year, month(&[*m1, *m2, *m3])?, number(&[d1, *d2])?, time)
}

fn month(name: &[u8]) -> Option<i64> {
    let place = MONTHS.iter().position(|month| name.eq_ignore_ascii_case(&month[..]))?;
    i64::try_from(place).ok().map(|place| place + 1)
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + i64::from(digit - b'0')))
}

fn moment(is_day: bool, year: i64, month: i64, day: i64, time: &[u8]) -> Option<Wall> {
    let [h1, h2, b':', m1, m2, b':', s1, s2] = time else { return None };
    let (hour, minute, second) = (number(&[*h1, *h2])?, number(&[*m1, *m2])?, number(&[*s1, *s2])?);
    let in_range = is_day
        && (1..=days_of(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        // A leap second is allowed for.
        && second <= 60;
    in_range.then(|| Wall(days(year, month, day) * DAY_SECONDS + hour * 3600 + minute * 60 + second))
}

trait StripIgnoreCase {
    fn strip_suffix_ignore_case(&self, suffix: &[u8]) -> Option<&[u8]>;
}

impl StripIgnoreCase for [u8] {
    fn strip_suffix_ignore_case(&self, suffix: &[u8]) -> Option<&[u8]> {
        let (rest, end) = self.split_at_checked(self.len().checked_sub(suffix.len())?)?;
        end.eq_ignore_ascii_case(suffix).then_some(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Wall = Wall(1_795_000_000);

    fn parse(text: &str) -> Option<i64> {
        Wall::parse(text.as_bytes(), NOW).map(|wall| wall.0)
    }

    #[test]
    fn reads_the_three_forms() {
        let same = Some(784_111_777);
        assert_eq!(parse("Sun, 06 Nov 1994 08:49:37 GMT"), same);
        assert_eq!(parse("Sunday, 06-Nov-94 08:49:37 GMT"), same);
        assert_eq!(parse("Sun Nov  6 08:49:37 1994"), same);
        assert_eq!(parse("sUN, 06 nOV 1994 08:49:37 gmt"), same);
        assert_eq!(parse("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        assert_eq!(parse("Wed, 01 Mar 2000 00:00:00 GMT"), Some(11_017 * DAY_SECONDS));
        assert_eq!(parse("Sat, 20 Nov 2286 17:46:39 GMT"), Some(9_999_999_999));
    }

    #[test]
    fn takes_two_digits_of_a_year_for_the_nearest_past_or_the_next_50_years() {
        assert_eq!(parse("Thursday, 18-Aug-50 02:01:18 GMT"), parse("Thu, 18 Aug 2050 02:01:18 GMT"));
        assert_eq!(parse("Thursday, 18-Aug-90 02:01:18 GMT"), parse("Thu, 18 Aug 1990 02:01:18 GMT"));
    }

    #[test]
    fn refuses_what_is_nearly_a_date() {
        for text in [
            "",
            "0",
            "Thu, 18 Aug 2050 02:01:18 UTC",
            "Thu, 18 Aug 2050 02:01:18 AEST",
            "Thu, 18 Aug 50 02:01:18 GMT",
            "Thu 18 Aug 2050 02:01:18 GMT",
            "Thu, 18  Aug  2050 02:01:18 GMT",
            "Thu, 18-Aug-2050 02:01:18 GMT",
            "Thu, 18-Aug-50 02:01:18 GMT",
            "Thu, 18 Aug 2050 02.01.18 GMT",
            "Thu, 18 Aug 2050 2:01:18 GMT",
            "Thu, 18 Aug 2050 24:01:18 GMT",
            "Thu, 31 Apr 2050 02:01:18 GMT",
            "Thu, 29 Feb 2100 02:01:18 GMT",
            "Thu, 00 Aug 2050 02:01:18 GMT",
            "Foo, 18 Aug 2050 02:01:18 GMT",
            "Thu, 18 Foo 2050 02:01:18 GMT",
            "Thu, 18 Aug 2050 02:01:18 GMT ",
            "Thu, 18 Aug +050 02:01:18 GMT",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn counts_every_day_once(day in 0_i64..200_000) {
            // Walks the calendar from the day's own date to the next one.
            let (mut year, mut month, mut left) = (1970, 1, day);
            while left >= days_of(year, month) {
                left -= days_of(year, month);
                month += 1;
                if month == 13 {
                    (year, month) = (year + 1, 1);
                }
            }
            prop_assert_eq!(days(year, month, left + 1), day);
            prop_assert_eq!(Wall(day * DAY_SECONDS + 43_200).year(), year);
        }

        #[test]
        fn never_fails_on_any_bytes(text: std::vec::Vec<u8>) {
            let _parsed = Wall::parse(&text, NOW);
        }
    }
}
