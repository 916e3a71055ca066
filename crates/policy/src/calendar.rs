//! Wall time as decisions see it: moments, dates, and how the clocks of a place stand.

use core::fmt;
use core::time::Duration;

/// A moment of wall time: milliseconds since 1970-01-01T00:00:00Z, leap seconds not counted. Never
/// beyond the year 9999 if it was read from a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(pub i64);

/// How the clocks of a place stand.
pub trait Zone: fmt::Debug {
    /// Seconds that its clocks are ahead of UTC at this moment; within a day either way.
    fn offset(&self, at: Moment) -> i32;
}

/// The zone without an offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Utc;

/// A day of the Gregorian calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Date {
    pub(crate) year: i64,
    /// 1 to 12.
    pub(crate) month: i64,
    /// 1 to 31.
    pub(crate) day: i64,
}

pub(crate) const DAY_SECONDS: i64 = 86_400;
/// The end of the year 9999, after which RFC 3339 has no texts.
const LAST: Moment = Moment(253_402_300_799_999);
/// The beginning of the year 0.
const FIRST: Moment = Moment(-62_167_219_200_000);

// === impl Moment ===

impl Moment {
    /// The whole seconds of it, rounded down.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// The moment at a second.
    pub const fn at_second(second: i64) -> Self {
        Self(second.saturating_mul(1000))
    }

    /// The moment `by` later, in whole milliseconds.
    pub fn after(self, by: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
    }

    /// How long ago `earlier` was; zero if it is still to come.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or_default())
    }

    /// Itself, if a text can name it.
    pub(crate) fn in_calendar(self) -> Option<Self> {
        (FIRST..=LAST).contains(&self).then_some(self)
    }
}

// === impl Utc ===

impl Zone for Utc {
    fn offset(&self, _at: Moment) -> i32 {
        0
    }
}

// === impl Date ===

impl Date {
    /// The date of a day, counted from 1970-01-01 as day 0.
    pub(crate) const fn of(days: i64) -> Self {
        // As `days`, backwards: eras of 400 years, years that begin with March.
        let days = days + 719_468;
        let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * day_of_year + 2) / 153;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        let year = era * 400 + year_of_era + (month <= 2) as i64;
        Self { year, month, day: day_of_year - (153 * from_march + 2) / 5 + 1 }
    }
}

/// The day of the week of a day since 1970-01-01, a Thursday: 0 is Sunday.
pub(crate) const fn weekday(days: i64) -> i64 {
    (days + 4).rem_euclid(7)
}

/// The days of a month.
pub(crate) const fn days_of(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the Gregorian calendar, counted from March so that the leap day is the last
/// of its year. Checked: 2000-03-01 is day 11017.
pub(crate) const fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let from_march = (month + 9) % 12;
    let day_of_year = (153 * from_march + 2) / 5 + day - 1;
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn counts_every_day_once_and_back(day in -800_000_i64..3_000_000) {
            let Date { year, month, day: of_month } = Date::of(day);
            prop_assert!((1..=12).contains(&month) && (1..=days_of(year, month)).contains(&of_month));
            prop_assert_eq!(days(year, month, of_month), day);
            prop_assert!(Date::of(day) < Date::of(day + 1));
        }
    }

    #[test]
    fn knows_days_of_the_week() {
        assert_eq!(weekday(days(2026, 11, 23)), 1);
        assert_eq!(weekday(days(1969, 12, 28)), 0);
    }
}
