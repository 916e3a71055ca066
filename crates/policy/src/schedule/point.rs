//! Texts that name a moment: a date and time (RFC 3339), or how far it is away, as Go writes durations
//! (`1h30m`) or as ISO 8601 does (`P1DT2H`).

use core::fmt;

use crate::calendar::{DAY_SECONDS, Date, Moment, days, days_of};

/// A text that names no moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PointError;

impl fmt::Display for PointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected a time (RFC 3339), or a duration such as `1h30m` or `P1DT2H`")
    }
}

impl core::error::Error for PointError {}

/// The moment that a text names; durations count from `from`. The years, months and days of an ISO 8601
/// duration are those of the calendar in UTC: a month after 31 January is 3 March, as Go reckons. A
/// duration that repeats (`R5/PT1S`) names no moment.
pub fn point(text: &str, from: Moment) -> Result<Moment, PointError> {
    let nanos = |nanos: i128| {
        let millis = i64::try_from(nanos.div_euclid(1_000_000)).ok()?;
        from.0.checked_add(millis).map(Moment)
    };
    let found = rfc3339(text).or_else(|| go_duration(text).and_then(nanos)).or_else(|| iso8601(text, from));
    found.and_then(Moment::in_calendar).ok_or(PointError)
}

/// `2026-11-23T17:45:00.123+01:00`, by RFC 3339 §5.6. A leap second is the one after it.
fn rfc3339(text: &str) -> Option<Moment> {
    let (date, time) = text.split_at_checked(10)?;
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = <[u8; 10]>::try_from(date.as_bytes()).ok()? else {
        return None;
    };
    let (year, month, day) = (number(&[y1, y2, y3, y4])?, number(&[m1, m2])?, number(&[d1, d2])?);
    let is_date = (1..=12).contains(&month) && (1..=days_of(year, month)).contains(&day);
    let time = time.strip_prefix(['T', 't'])?;
    let (clock, rest) = time.split_at_checked(8)?;
    let [h1, h2, b':', m1, m2, b':', s1, s2] = <[u8; 8]>::try_from(clock.as_bytes()).ok()? else {
        return None;
    };
    let (hour, minute, second) = (number(&[h1, h2])?, number(&[m1, m2])?, number(&[s1, s2])?);
    let (millis, zone) = match rest.strip_prefix('.') {
        Some(rest) => fraction(rest)?,
        None => (0, rest),
    };
    let is_time = hour < 24 && minute < 60 && second <= 60;
    let seconds = days(year, month, day) * DAY_SECONDS + hour * 3600 + minute * 60 + second - offset(zone)?;
    (is_date && is_time).then_some(Moment(seconds * 1000 + millis))
}

/// The milliseconds of digits after a point, and what follows them.
fn fraction(text: &str) -> Option<(i64, &str)> {
    let end = text.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(end)?;
    let mut millis = 0;
    for place in 0..3 {
        millis = millis * 10 + digits.as_bytes().get(place).map_or(0, |digit| i64::from(digit - b'0'));
    }
    (!digits.is_empty()).then_some((millis, rest))
}

/// The seconds of `Z` or `+01:00`.
fn offset(text: &str) -> Option<i64> {
    if matches!(text, "Z" | "z") {
        return Some(0);
    }
    let [sign, h1, h2, b':', m1, m2] = <[u8; 6]>::try_from(text.as_bytes()).ok()? else { return None };
    let (hours, minutes) = (number(&[h1, h2])?, number(&[m1, m2])?);
    let seconds = (hours < 24 && minutes < 60).then_some(hours * 3600 + minutes * 60)?;
    match sign {
        b'+' => Some(seconds),
        b'-' => Some(-seconds),
        _ => None,
    }
}

/// The nanoseconds of a duration as Go's `time.ParseDuration` reads it: signed numbers with fractions,
/// each with a unit of ns, us, µs, ms, s, m and h; or `0`. At most what 64 bits hold, 292 years.
pub fn go_duration(text: &str) -> Option<i128> {
    let (sign, mut rest) = match text.as_bytes().first()? {
        b'-' => (-1, text.get(1..)?),
        b'+' => (1, text.get(1..)?),
        _ => (1, text),
    };
    if rest == "0" {
        return Some(0);
    }
    let mut nanos = 0_i128;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let end = rest.bytes().position(|byte| !byte.is_ascii_digit() && byte != b'.')?;
        let (amount, after) = rest.split_at_checked(end)?;
        let end = after.bytes().position(|byte| byte.is_ascii_digit() || byte == b'.').unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(end)?;
        nanos += scaled(amount, unit_nanos(unit)?)?;
        if nanos > i128::from(i64::MAX) {
            return None;
        }
        rest = after;
    }
    Some(sign * nanos)
}

fn unit_nanos(unit: &str) -> Option<i128> {
    Some(match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

/// A decimal number of units, rounded down.
fn scaled(amount: &str, unit: i128) -> Option<i128> {
    let (whole, part) = amount.split_once('.').unwrap_or((amount, ""));
    let is_no_number = amount.is_empty() || amount == "." || part.contains('.');
    // More digits than 18 are less than a nanosecond.
    let digits = |text: &str, most: usize| {
        text.bytes().take(most).try_fold(0_i128, |sum, digit| Some(sum * 10 + i128::from(digit - b'0')))
    };
    if is_no_number || whole.len() > 19 {
        return None;
    }
    let places = u32::try_from(part.len().min(18)).ok()?;
    Some(digits(whole, 19)? * unit + digits(part, 18)? * unit / 10_i128.pow(places))
}

/// `P1Y2M3W4DT5H6M7S`, whole numbers, each part at most once and in any order, as Dapr reads it.
fn iso8601(text: &str, from: Moment) -> Option<Moment> {
    let mut rest = text.strip_prefix('P')?;
    let (mut months, mut days_more, mut seconds) = (0_i64, 0_i64, 0_i64);
    let (mut is_time, mut is_any) = (false, false);
    while !rest.is_empty() {
        if let Some(time) = rest.strip_prefix('T') {
            if is_time {
                return None;
            }
            (is_time, rest) = (true, time);
            continue;
        }
        let end = rest.bytes().position(|byte| !byte.is_ascii_digit())?;
        let (amount, after) = rest.split_at_checked(end)?;
        let amount = number(amount.as_bytes()).filter(|amount| *amount < 1_000_000_000)?;
        let (unit, after) = after.split_at_checked(1)?;
        match (is_time, unit) {
            (false, "Y") => months += amount * 12,
            (false, "M") => months += amount,
            (false, "W") => days_more += amount * 7,
            (false, "D") => days_more += amount,
            (true, "H") => seconds += amount * 3600,
            (true, "M") => seconds += amount * 60,
            (true, "S") => seconds += amount,
            _ => return None,
        }
        (is_any, rest) = (true, after);
    }
    is_any.then(|| later(from, months, days_more, seconds))
}

fn later(from: Moment, months: i64, days_more: i64, seconds: i64) -> Moment {
    let (day, of_day) = (from.seconds().div_euclid(DAY_SECONDS), from.0.rem_euclid(DAY_SECONDS * 1000));
    let Date { year, month, day: of_month } = Date::of(day);
    let months = month - 1 + months;
    let (year, month) = (year + months.div_euclid(12), months.rem_euclid(12) + 1);
    let day = days(year, month, 1) + of_month - 1 + days_more;
    Moment((day * DAY_SECONDS + seconds).saturating_mul(1000).saturating_add(of_day))
}

/// A number of ASCII digits; `None` for none at all, and for more than fit.
fn number(digits: &[u8]) -> Option<i64> {
    let value = |sum: i64, digit: &u8| {
        let digit = digit.is_ascii_digit().then(|| i64::from(digit - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit)
    };
    if digits.is_empty() { None } else { digits.iter().try_fold(0, value) }
}
