use core::time::Duration;
use std::string::String;
use std::{format, vec, vec::Vec};

use proptest::prelude::*;

use super::*;
use crate::calendar::{Utc, days};

/// A zone whose clocks are changed once.
#[derive(Debug, Clone, Copy)]
struct Changed {
    second: i64,
    before: i32,
    after: i32,
}

impl Zone for Changed {
    fn offset(&self, at: Moment) -> i32 {
        if at.seconds() < self.second { self.before } else { self.after }
    }
}

fn at(text: &str) -> Moment {
    point(text, Moment(0)).expect("a time")
}

/// The next times of a schedule, as RFC 3339 would write them.
fn next(schedule: &str, after: &str, count: usize, zone: &dyn Zone) -> Vec<Moment> {
    let schedule = Schedule::parse(schedule).expect("a schedule");
    let mut last = at(after);
    let step = |_| {
        last = schedule.next(last, last, zone)?;
        Some(last)
    };
    (0..count).map_while(step).collect()
}

#[track_caller]
fn check(schedule: &str, after: &str, expected: &[&str]) {
    let expected: Vec<Moment> = expected.iter().map(|text| at(text)).collect();
    assert_eq!(next(schedule, after, expected.len(), &Utc), expected, "{schedule}");
}

#[test]
fn counts_by_six_fields() {
    check("* * * * * *", "2026-11-23T17:45:00.5Z", &["2026-11-23T17:45:01Z", "2026-11-23T17:45:02Z"]);
    check("30 15 3 * * *", "2026-11-23T03:15:30Z", &["2026-11-24T03:15:30Z"]);
    check("0 30 9 * * MON-FRI", "2026-11-20T10:00:00Z", &["2026-11-23T09:30:00Z", "2026-11-24T09:30:00Z"]);
    check("0 0 0 29 2 *", "2026-01-01T00:00:00Z", &["2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"]);
    check("*/20 * * * * *", "2026-11-23T17:45:50Z", &["2026-11-23T17:46:00Z", "2026-11-23T17:46:20Z"]);
    check("0 5/25 6 * * ?", "2026-11-23T06:06:00Z", &["2026-11-23T06:30:00Z", "2026-11-23T06:55:00Z"]);
    check("0 0 12 1,15 jan,JUL *", "2026-01-02T00:00:00Z", &["2026-01-15T12:00:00Z", "2026-07-01T12:00:00Z"]);
}

#[test]
fn either_of_two_restricted_days_will_do() {
    check("0 0 0 13 * FRI", "2026-11-10T00:00:00Z", &["2026-11-13T00:00:00Z", "2026-11-20T00:00:00Z"]);
    check("0 0 0 25 * FRI", "2026-11-20T00:00:00Z", &["2026-11-25T00:00:00Z", "2026-11-27T00:00:00Z"]);
    check("0 0 0 13 * *", "2026-11-10T00:00:00Z", &["2026-11-13T00:00:00Z", "2026-12-13T00:00:00Z"]);
}

#[test]
fn knows_the_words() {
    let after = "2026-11-23T17:45:00Z";
    check("@hourly", after, &["2026-11-23T18:00:00Z", "2026-11-23T19:00:00Z"]);
    check("@daily", after, &["2026-11-24T00:00:00Z"]);
    check("@midnight", after, &["2026-11-24T00:00:00Z"]);
    check("@weekly", after, &["2026-11-29T00:00:00Z"]);
    check("@monthly", after, &["2026-12-01T00:00:00Z"]);
    check("@yearly", after, &["2027-01-01T00:00:00Z"]);
    check("@every 1h30m", after, &["2026-11-23T19:15:00Z", "2026-11-23T20:45:00Z"]);
    check("@every 1ms", after, &["2026-11-23T17:45:00.001Z"]);
}

#[test]
fn stays_on_its_beat_however_late_it_was_served() {
    let schedule = Schedule::parse("@every 10s").expect("a schedule");
    let late = at("2026-11-23T17:45:34.5Z");
    let next = schedule.next(at("2026-11-23T17:45:00Z"), late, &Utc);
    assert_eq!(next, Some(at("2026-11-23T17:45:40Z")));
}

#[test]
fn refuses_what_is_no_schedule() {
    for text in [
        "",
        "* * * * *",
        "* * * * * * *",
        "test",
        "@often",
        "@every",
        "@every 1",
        "@every 0s",
        "@every -1s",
        "@every 1us",
        "60 * * * * *",
        "* * 24 * * *",
        "* * * 0 * *",
        "* * * 32 * *",
        "* * * * 13 *",
        "* * * * * 7",
        "5-1 * * * * *",
        "1-2-3 * * * * *",
        "*/0 * * * * *",
        "*/x * * * * *",
        "-1 * * * * *",
        "+1 * * * * *",
        ", * * * * *",
        "CRON_TZ=Europe/Rome",
        "CRON_TZ= 0 0 0 * * *",
        "TZ=Europe/Rome @every 1h",
    ] {
        assert!(Schedule::parse(text).is_err(), "{text}");
    }
    let error = Schedule::parse("0 0 25 * * *").expect_err("no hour");
    assert_eq!(format!("{error}"), "`25` is not within 0 to 23: it stands for the hour");
}

#[test]
fn the_field_of_seconds_may_be_missing_where_that_is_allowed() {
    let short = |text| Schedule::parse_short(text).expect("a schedule");
    assert_eq!(short("*/5 * * * *"), short("0 */5 * * * *"));
    assert_eq!(short("TZ=Europe/Rome 30 9 * * *"), short("CRON_TZ=Europe/Rome 0 30 9 * * *"));
    assert_eq!(short("@every 5s"), Schedule::parse("@every 5s").expect("a schedule"));
    assert!(Schedule::parse_short("* * * *").is_err() && Schedule::parse_short("").is_err());
}

#[test]
fn what_never_comes_has_no_next_time() {
    assert_eq!(next("0 0 0 31 2 *", "2026-11-23T00:00:00Z", 1, &Utc), vec![]);
    assert_eq!(next("0 0 0 1 1 *", "9999-12-31T00:00:00Z", 1, &Utc), vec![]);
}

#[test]
fn names_its_zone() {
    let zone = |text| Schedule::parse(text).expect("a schedule").zone().map(String::from);
    assert_eq!(zone("CRON_TZ=Europe/Rome 0 0 9 * * *").as_deref(), Some("Europe/Rome"));
    assert_eq!(zone("TZ=UTC @daily").as_deref(), Some("UTC"));
    assert_eq!(zone("@daily"), None);
}

/// Rome puts its clocks forward on 29 March 2026 and back on 25 October, at 01:00 UTC.
const SPRING: Changed = Changed { second: days(2026, 3, 29) * 86_400 + 3600, before: 3600, after: 7200 };
const AUTUMN: Changed = Changed { second: days(2026, 10, 25) * 86_400 + 3600, before: 7200, after: 3600 };

#[test]
fn runs_once_at_the_end_of_an_hour_that_is_left_out() {
    let expected =
        ["2026-03-28T02:30:00+01:00", "2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"].map(at);
    assert_eq!(next("0 30 2 * * *", "2026-03-28T00:00:00+01:00", 3, &SPRING), expected);
    let expected = ["2026-03-29T03:00:00+02:00", "2026-03-30T02:00:00+02:00"].map(at);
    assert_eq!(next("0 */30 2 * * *", "2026-03-29T00:00:00+01:00", 2, &SPRING), expected);
    let hours = ["2026-03-29T01:30:00+01:00", "2026-03-29T03:30:00+02:00"].map(at);
    assert_eq!(next("0 30 * * * *", "2026-03-29T01:00:00+01:00", 2, &SPRING), hours);
}

#[test]
fn runs_in_the_first_of_an_hour_that_comes_twice() {
    let expected = ["2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"].map(at);
    assert_eq!(next("0 30 2 * * *", "2026-10-25T00:00:00+02:00", 2, &AUTUMN), expected);
    let hours = [
        "2026-10-25T01:30:00+02:00",
        "2026-10-25T02:30:00+02:00",
        "2026-10-25T02:30:00+01:00",
        "2026-10-25T03:30:00+01:00",
    ];
    assert_eq!(next("0 30 * * * *", "2026-10-25T01:00:00+02:00", 4, &AUTUMN), hours.map(at));
}

/// Whether clocks that show this minute are at a time of `minutes` and `hours`.
fn shows(shown: i64, minutes: &[i64], hours: &[i64]) -> bool {
    minutes.contains(&(shown.div_euclid(60) % 60)) && hours.contains(&(shown.div_euclid(3600).rem_euclid(24)))
}

/// The next time by walking minute for minute.
fn walked(zone: Changed, after: i64, minutes: &[i64], hours: &[i64]) -> Option<i64> {
    let shown = |second: i64| second + i64::from(zone.offset(Moment::at_second(second)));
    let mut latest = (-60 * 24..=0).map(|minute| shown(after + minute * 60)).max()?;
    for second in (1..60 * 24 * 4).map(|minute| after + minute * 60) {
        let now = shown(second);
        if hours.len() == 24 {
            if shows(now, minutes, hours) {
                return Some(second);
            }
        } else {
            let passed = (latest / 60 + 1..=now / 60).any(|minute| shows(minute * 60, minutes, hours));
            if passed {
                return Some(second);
            }
            latest = latest.max(now);
        }
    }
    None
}

fn listed(values: &[i64]) -> String {
    let texts: Vec<String> = values.iter().map(|value| format!("{value}")).collect();
    texts.join(",")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn agrees_with_walking_where_clocks_are_changed(
        before in prop::sample::select(vec![-12_600, -3600, 0, 3600, 19_800]),
        change in prop::sample::select(vec![-7200, -3600, -1800, 1800, 3600, 7200]),
        start in -60_i64 * 30..60 * 30,
        minutes in prop::collection::btree_set(0_i64..60, 1..4),
        hours in prop_oneof![
            Just((0_i64..24).collect()),
            prop::collection::btree_set(0_i64..24, 1..6),
        ],
    ) {
        let zone = Changed { second: 20_000 * 86_400 + 3600, before, after: before + change };
        let (minutes, hours): (Vec<_>, Vec<_>) = (minutes.into_iter().collect(), hours.into_iter().collect());
        let schedule = format!("0 {} {} * * *", listed(&minutes), listed(&hours));
        let after = zone.second + start * 60;
        let found = Schedule::parse(&schedule).expect("a schedule").next(
            Moment::at_second(after), Moment::at_second(after), &zone,
        );
        prop_assert_eq!(found.map(Moment::seconds), walked(zone, after, &minutes, &hours), "{}", schedule);
    }

    #[test]
    fn the_next_time_is_always_later(
        text in "([0-9*/,?-]{1,4} ){3}[0-9*,?]{1,3} [0-9*]{1,2} [0-6*]", after in 0_i64..4_000_000_000_000,
    ) {
        if let Ok(schedule) = Schedule::parse(&text)
            && let Some(next) = schedule.next(Moment(after), Moment(after), &Utc)
        {
            prop_assert!(next > Moment(after));
        }
    }

    #[test]
    fn never_fails_on_any_text(text: String, from: i64) {
        let _parsed = (Schedule::parse(&text), point(&text, Moment(from)), go_duration(&text));
    }

    #[test]
    fn reads_its_own_durations_back(seconds in 0_u64..1_000_000, millis in 0_u64..1000) {
        let text = format!("{seconds}s{millis}ms");
        let expected = Duration::from_secs(seconds) + Duration::from_millis(millis);
        prop_assert_eq!(point(&text, Moment(0)), Ok(Moment(0).after(expected)));
    }
}

#[test]
fn reads_the_three_forms_of_a_moment() {
    let from = at("2026-01-31T10:00:00Z");
    for (text, expected) in [
        ("2026-11-23T17:45:00Z", "2026-11-23T17:45:00Z"),
        ("2026-11-23t17:45:00.25+01:00", "2026-11-23T16:45:00.250Z"),
        ("2026-11-23T17:45:00.123456789-09:30", "2026-11-24T03:15:00.123Z"),
        ("0", "2026-01-31T10:00:00Z"),
        ("0s", "2026-01-31T10:00:00Z"),
        ("1.5h", "2026-01-31T11:30:00Z"),
        ("1h30m20s5ms", "2026-01-31T11:30:20.005Z"),
        ("-1m", "2026-01-31T09:59:00Z"),
        ("+.5s", "2026-01-31T10:00:00.5Z"),
        ("1500us", "2026-01-31T10:00:00.001Z"),
        ("P1D", "2026-02-01T10:00:00Z"),
        ("P1M", "2026-03-03T10:00:00Z"),
        ("P1Y2M1W3DT4H5M6S", "2027-04-10T14:05:06Z"),
        ("PT0S", "2026-01-31T10:00:00Z"),
    ] {
        assert_eq!(point(text, from), Ok(at(expected)), "{text}");
    }
}

#[test]
fn refuses_what_names_no_moment() {
    for text in [
        "",
        "soon",
        "1",
        "1 s",
        "1.2.3s",
        ".s",
        "-",
        "10000000h",
        "P",
        "PT",
        "P1",
        "P1H",
        "PT1D",
        "PT1.5S",
        "R5/PT1S",
        "P-1D",
        "2026-11-23",
        "2026-11-23T17:45:00",
        "2026-02-29T00:00:00Z",
        "2026-11-23T24:00:00Z",
        "2026-11-23 17:45:00Z",
        "2026-11-23T17:45:00.Z",
        "P9999Y",
    ] {
        assert_eq!(point(text, at("2026-01-31T10:00:00Z")), Err(PointError), "{text}");
    }
}
