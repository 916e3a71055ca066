//! Six fields of cron: second, minute, hour, day of month, month, day of week.
//!
//! ```text
//! field = part *("," part)      part = ("*" | "?" | value ["-" value]) ["/" step]
//! ```
//! A value with a step and no end runs to the end of its field. Where both days are restricted either
//! one will do, as crontab(5) has it.

use alloc::format;
use alloc::vec::Vec;

use super::ScheduleError;
use crate::calendar::{DAY_SECONDS, Date, Moment, Zone, days, days_of, weekday};

/// Which seconds, minutes, hours, days and months: a bit for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cron {
    second: u64,
    minute: u64,
    hour: u64,
    day: u64,
    month: u64,
    weekday: u64,
    /// Both days are restricted: either one will do.
    either_day: bool,
}

struct Field {
    name: &'static str,
    min: u32,
    max: u32,
    names: &'static [&'static str],
}

const FIELDS: [Field; 6] = [
    Field { name: "second", min: 0, max: 59, names: &[] },
    Field { name: "minute", min: 0, max: 59, names: &[] },
    Field { name: "hour", min: 0, max: 23, names: &[] },
    Field { name: "day of month", min: 1, max: 31, names: &[] },
    Field {
        name: "month",
        min: 1,
        max: 12,
        names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
    },
    Field { name: "day of week", min: 0, max: 6, names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"] },
];

const WORDS: [(&str, &str); 7] = [
    ("@yearly", "0 0 0 1 1 *"),
    ("@annually", "0 0 0 1 1 *"),
    ("@monthly", "0 0 0 1 * *"),
    ("@weekly", "0 0 0 * * 0"),
    ("@daily", "0 0 0 * * *"),
    ("@midnight", "0 0 0 * * *"),
    ("@hourly", "0 0 * * * *"),
];

const EVERY_HOUR: u64 = (1 << 24) - 1;
/// A leap day is at most eight years away; with a day of the week that must fit too, rarely more than
/// twelve would be needed, and nobody waits for it.
const DAYS_MAX: i64 = 12 * 366;
/// The clocks of a place are put forward or back by less than this.
const CHANGE_MAX: i64 = 26 * 3600;

// === impl Cron ===

impl Cron {
    pub(super) fn parse(text: &str) -> Result<Self, ScheduleError> {
        let text = match text.strip_prefix('@') {
            Some(_) => word(text)?,
            None => text,
        };
        let texts: Vec<&str> = text.split_whitespace().collect();
        let Ok(texts) = <[&str; 6]>::try_from(texts.as_slice()) else {
            let count = texts.len();
            return Err(ScheduleError(format!(
                "expected exactly 6 fields (second, minute, hour, day of month, month, day of week), found {count}: `{text}`"
            )));
        };
        let mut bits = [0; 6];
        let mut is_open = [false; 6];
        for (place, (field, text)) in FIELDS.iter().zip(texts).enumerate() {
            (bits[place], is_open[place]) = field.parse(text)?;
        }
        let [second, minute, hour, day, month, weekday] = bits;
        Ok(Self { second, minute, hour, day, month, weekday, either_day: !is_open[3] && !is_open[5] })
    }

    pub(super) fn next(&self, after: Moment, zone: &dyn Zone) -> Option<Moment> {
        let clocks = Clocks(zone);
        let after = after.seconds();
        let second = if self.hour == EVERY_HOUR {
            self.next_as_it_passes(after, clocks)?
        } else {
            // Later than `after` in any zone that changes its clocks at most once in two days.
            clocks.first_showing(self.next_shown(clocks.latest_shown(after))?).max(after + 1)
        };
        Moment::at_second(second).in_calendar()
    }

    /// For what is due in every hour: each time that the clocks show it, also where they do so twice.
    fn next_as_it_passes(&self, after: i64, clocks: Clocks<'_>) -> Option<i64> {
        let mut from = after;
        // Each round passes a change of the clocks: there are a few in a year.
        for _ in 0..64 {
            let ahead = clocks.ahead(from);
            let second = self.next_shown(from + ahead)? - ahead;
            if clocks.ahead(second) == ahead {
                return Some(second);
            }
            let change = clocks.change_between(from, second);
            let shown = change + clocks.ahead(change);
            if self.next_shown(shown - 1)? == shown {
                return Some(change);
            }
            from = change;
        }
        None
    }

    /// The first time after `after` that it names, both as clocks show them: seconds since the epoch as
    /// if there were no zones.
    fn next_shown(&self, after: i64) -> Option<i64> {
        let from = after + 1;
        let (first, mut second_of_day) = (from.div_euclid(DAY_SECONDS), from.rem_euclid(DAY_SECONDS));
        let mut day = first;
        while day <= first + DAYS_MAX {
            let Date { year, month, day: of_month } = Date::of(day);
            if !has(self.month, month) {
                day += days_of(year, month) - of_month + 1;
                second_of_day = 0;
                continue;
            }
            if self.names_day(day, of_month)
                && let Some(found) = self.next_of_day(second_of_day)
            {
                return Some(days(year, month, of_month) * DAY_SECONDS + found);
            }
            day += 1;
            second_of_day = 0;
        }
        None
    }

    fn names_day(&self, day: i64, of_month: i64) -> bool {
        let (by_month, by_week) = (has(self.day, of_month), has(self.weekday, weekday(day)));
        if self.either_day { by_month || by_week } else { by_month && by_week }
    }

    /// The first second of a day that it names, from `from` on.
    fn next_of_day(&self, from: i64) -> Option<i64> {
        let (hour, minute, second) = (from / 3600, from / 60 % 60, from % 60);
        let in_minute =
            |hour, minute, second| Some((hour * 60 + minute) * 60 + at_or_after(self.second, second)?);
        let in_hour = |hour, minute| in_minute(hour, at_or_after(self.minute, minute)?, 0);
        let now = has(self.hour, hour) && has(self.minute, minute);
        let soon = now.then(|| in_minute(hour, minute, second)).flatten();
        soon.or_else(|| has(self.hour, hour).then(|| in_hour(hour, minute + 1)).flatten())
            .or_else(|| in_hour(at_or_after(self.hour, hour + 1)?, 0))
    }
}

impl Field {
    /// Its bits, and whether it is open: `*`, without a step.
    fn parse(&self, text: &str) -> Result<(u64, bool), ScheduleError> {
        let (mut bits, mut is_open) = (0, false);
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let (found, open) = self.part(part)?;
            bits |= found;
            is_open |= open;
        }
        if bits == 0 { Err(self.wrong(text, "names nothing")) } else { Ok((bits, is_open)) }
    }

    fn part(&self, part: &str) -> Result<(u64, bool), ScheduleError> {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(self.number(step, part)?)),
            None => (part, None),
        };
        if step == Some(0) {
            return Err(self.wrong(part, "has a step of 0"));
        }
        let is_any = matches!(range, "*" | "?");
        let (start, end) = match range.split_once('-') {
            _ if is_any => (self.min, self.max),
            Some((start, end)) => (self.value(start, part)?, self.value(end, part)?),
            None => {
                let start = self.value(range, part)?;
                (start, if step.is_some() { self.max } else { start })
            }
        };
        if start < self.min || end > self.max {
            return Err(self.wrong(part, &format!("is not within {} to {}", self.min, self.max)));
        }
        if start > end {
            return Err(self.wrong(part, "ends before it begins"));
        }
        let step = step.unwrap_or(1);
        let bits = (start..=end).step_by(usize::try_from(step).unwrap_or(usize::MAX));
        Ok((bits.fold(0, |bits, value| bits | 1 << value), is_any && step == 1))
    }

    fn value(&self, text: &str, part: &str) -> Result<u32, ScheduleError> {
        let named = self.names.iter().position(|name| text.eq_ignore_ascii_case(name));
        match named.and_then(|place| u32::try_from(place).ok()) {
            Some(place) => Ok(self.min + place),
            None => self.number(text, part),
        }
    }

    fn number(&self, text: &str, part: &str) -> Result<u32, ScheduleError> {
        let is_number = !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
        let number = if is_number { text.parse().ok() } else { None };
        number.ok_or_else(|| self.wrong(part, "is no number"))
    }

    fn wrong(&self, part: &str, why: &str) -> ScheduleError {
        ScheduleError(format!("`{part}` {why}: it stands for the {}", self.name))
    }
}

/// A word for six fields.
fn word(text: &str) -> Result<&'static str, ScheduleError> {
    let found = WORDS.iter().find(|(word, _)| *word == text);
    found.map(|(_, fields)| *fields).ok_or_else(|| {
        ScheduleError(format!(
            "`{text}` is unknown: expected `@every DURATION`, @yearly, @monthly, @weekly, @daily or @hourly"
        ))
    })
}

fn has(bits: u64, value: i64) -> bool {
    at_or_after(bits, value) == Some(value)
}

/// The first value that is set, from `from` on; `from` is at most 63.
fn at_or_after(bits: u64, from: i64) -> Option<i64> {
    let rest = bits & u64::MAX.checked_shl(u32::try_from(from).ok()?)?;
    (rest != 0).then(|| i64::from(rest.trailing_zeros()))
}

/// The clocks of a zone, by the second. What they show is in seconds since the epoch as if there were no
/// zones.
#[derive(Clone, Copy)]
struct Clocks<'a>(&'a dyn Zone);

impl Clocks<'_> {
    fn ahead(self, second: i64) -> i64 {
        i64::from(self.0.offset(Moment::at_second(second)))
    }

    /// The latest time that they have shown so far: later than what they show now, if they were put back.
    fn latest_shown(self, second: i64) -> i64 {
        let (before, shown) = (second - CHANGE_MAX, second + self.ahead(second));
        if self.ahead(before) <= self.ahead(second) {
            return shown;
        }
        let change = self.change_between(before, second);
        shown.max(change - 1 + self.ahead(change - 1))
    }

    /// The first second at which they show this time or a later one.
    fn first_showing(self, shown: i64) -> i64 {
        let (before, behind) = (self.ahead(shown - CHANGE_MAX), self.ahead(shown + CHANGE_MAX));
        let (early, late) = (shown - before.max(behind), shown - before.min(behind));
        if early + self.ahead(early) == shown {
            return early;
        }
        if late + self.ahead(late) == shown {
            return late;
        }
        // They jump over it.
        self.change_between(early, late)
    }

    /// The first second after `from` at which they have been changed, if `to` is one.
    fn change_between(self, from: i64, to: i64) -> i64 {
        let (mut old, mut new, ahead) = (from, to, self.ahead(from));
        while new - old > 1 {
            let middle = old + (new - old) / 2;
            if self.ahead(middle) == ahead {
                old = middle;
            } else {
                new = middle;
            }
        }
        new
    }
}
