//! When something that repeats is due, and the texts that say so.
//!
//! The texts are those of Dapr's scheduler: six fields of cron with seconds first, `@every 90s`,
//! `@hourly` and its kin. A schedule counts in UTC, unless it begins with the zone it counts in:
//! `CRON_TZ=Europe/Rome 0 30 2 * * *`.

mod cron;
mod point;

use alloc::boxed::Box;
use alloc::string::String;
use core::time::Duration;

use self::cron::Cron;
pub use self::point::{PointError, go_duration, point};
use crate::calendar::{Moment, Zone};

/// When something is due again and again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    when: When,
    zone: Option<Box<str>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum When {
    /// At least a millisecond.
    Every(Duration),
    Cron(Cron),
}

/// Why a text is no schedule; says so to its author.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleError(String);

// === impl Schedule ===

impl Schedule {
    /// Reads a schedule.
    pub fn parse(text: &str) -> Result<Self, ScheduleError> {
        let (zone, text) = split_zone(text.trim())?;
        if text.is_empty() {
            return Err(ScheduleError("the schedule is empty".into()));
        }
        let when = match text.strip_prefix("@every") {
            Some(rest) if rest.starts_with(' ') && zone.is_none() => When::Every(every(rest.trim())?),
            Some(_) if zone.is_some() => {
                return Err(ScheduleError("`@every` counts from now on: it has no time zone".into()));
            }
            _ => When::Cron(Cron::parse(text)?),
        };
        Ok(Self { when, zone: zone.map(Into::into) })
    }

    /// As [`Schedule::parse`]; five fields of cron are those after the seconds, which are 0 then.
    pub fn parse_short(text: &str) -> Result<Self, ScheduleError> {
        let (zone, rest) = split_zone(text.trim())?;
        if rest.split_whitespace().count() != 5 {
            return Self::parse(text);
        }
        Ok(Self { when: When::Cron(Cron::parse(&alloc::format!("0 {rest}"))?), zone: zone.map(Into::into) })
    }

    /// The zone it counts in, by its name in the tz database; `None` for UTC.
    pub fn zone(&self) -> Option<&str> {
        self.zone.as_deref()
    }

    /// The first moment after `after` at which it is due; `None` if there is none within 12 years.
    ///
    /// `last` is when it was due last, at the latest `after`: `@every` counts from there, so it stays on
    /// its beat however late it was served. `zone` must be the zone of [`Schedule::zone`].
    ///
    /// What names its hours is due once a day for each, also where clocks are changed: what falls into the
    /// hour that is left out is due at its end, and what falls into the hour that comes twice is due in the
    /// first. What is due in every hour of the day is due whenever clocks show it.
    pub fn next(&self, last: Moment, after: Moment, zone: &dyn Zone) -> Option<Moment> {
        match &self.when {
            When::Every(period) => Some(on_beat(*period, last, after)),
            When::Cron(cron) => cron.next(after, zone),
        }
    }
}

impl core::fmt::Display for ScheduleError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&self.0)
    }
}

impl core::error::Error for ScheduleError {}

/// The zone before a schedule, if it names one.
fn split_zone(text: &str) -> Result<(Option<&str>, &str), ScheduleError> {
    let Some(rest) = text.strip_prefix("CRON_TZ=").or_else(|| text.strip_prefix("TZ=")) else {
        return Ok((None, text));
    };
    match rest.split_once(' ') {
        Some((zone, schedule)) if !zone.is_empty() => Ok((Some(zone), schedule.trim())),
        _ => Err(ScheduleError(alloc::format!("a zone and then a schedule is expected, not `{text}`"))),
    }
}

fn every(text: &str) -> Result<Duration, ScheduleError> {
    let period = go_duration(text).filter(|nanos| *nanos >= 1_000_000);
    let period = period.and_then(|nanos| u64::try_from(nanos).ok()).map(Duration::from_nanos);
    period.ok_or_else(|| {
        ScheduleError(alloc::format!("`{text}` is no duration of a millisecond or more, such as `1h30m`"))
    })
}

/// The first beat after `after`, counted from `last`.
fn on_beat(period: Duration, last: Moment, after: Moment) -> Moment {
    let period = i64::try_from(period.as_millis()).unwrap_or(i64::MAX).max(1);
    let beats = after.0.saturating_sub(last.0).max(0) / period;
    Moment(last.0.saturating_add(beats.saturating_add(1).saturating_mul(period)))
}

#[cfg(test)]
mod tests;
