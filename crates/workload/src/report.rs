//! A load summed up.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// What was offered and what came back.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Requests that were offered.
    pub offered: u64,
    /// Those that were answered with 2xx.
    pub accepted: u64,
    /// Those that were answered with another status, by status.
    pub rejected: BTreeMap<u16, u64>,
    /// Those whose last attempt had no answer.
    pub unanswered: u64,
    /// How often they were sent, all together.
    pub attempts: u64,
    /// Why attempts had no answer.
    pub failures: Failures,
    /// From the start of the load to its last answer.
    pub duration: Duration,
    /// From the intended start to the end of the last attempt; what a user waits.
    pub latency: Quantiles,
    /// From the actual start to the end of the last attempt.
    pub service: Quantiles,
    /// How long requests waited for the generator itself though there was room for them.
    pub late: Quantiles,
}

/// Attempts without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Failures {
    /// No connection could be made.
    pub connect: u64,
    /// The connection broke, or what came is no HTTP.
    pub broken: u64,
    /// It took too long.
    pub timed_out: u64,
}

/// Points of a distribution, to three significant digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Quantiles {
    /// Half are at most this.
    pub p50: Duration,
    /// Nine in ten are at most this.
    pub p90: Duration,
    /// 99 in a hundred are at most this.
    pub p99: Duration,
    /// 999 in a thousand are at most this.
    pub p999: Duration,
    /// All are at most this.
    pub max: Duration,
}

// === impl Report ===

impl Report {
    /// A generator that starts one request in a hundred later than this did not offer what it says.
    pub const LATE_P99_MAX: Duration = Duration::from_millis(10);

    /// Requests that were answered, but not with 2xx.
    pub fn rejected_total(&self) -> u64 {
        self.rejected.values().sum()
    }

    /// Attempts after the first.
    pub const fn retries(&self) -> u64 {
        self.attempts.saturating_sub(self.offered)
    }

    /// Requests that ended in a second.
    pub fn rate(&self) -> f64 {
        if self.duration.is_zero() { 0.0 } else { self.offered as f64 / self.duration.as_secs_f64() }
    }

    /// Whether the generator started requests when it meant to. If it did not, the figures speak of a
    /// lesser load than the one that was asked for.
    pub fn kept_its_schedule(&self) -> bool {
        self.late.p99 <= Self::LATE_P99_MAX
    }
}

impl fmt::Display for Report {
    /// A table for people, without a line break at its end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count =
            |f: &mut fmt::Formatter<'_>, name: &str, n: u64| writeln!(f, "{name:<14}{:>12}", grouped(n));
        count(f, "offered", self.offered)?;
        count(f, "accepted", self.accepted)?;
        for (status, n) in &self.rejected {
            count(f, &format!("rejected {status}"), *n)?;
        }
        count(f, "unanswered", self.unanswered)?;
        count(f, "retries", self.retries())?;
        self.failures.fmt_nonzero(f)?;
        writeln!(f, "{:<14}{:>12}", "duration", format!("{:.2} s", self.duration.as_secs_f64()))?;
        writeln!(f, "{:<14}{:>12}", "rate", format!("{:.1}/s", self.rate()))?;
        writeln!(f)?;
        writeln!(f, "{:<14}{:>12}{:>12}{:>12}{:>12}{:>12}", "", "p50", "p90", "p99", "p99.9", "max")?;
        self.latency.fmt_row("latency", f)?;
        writeln!(f)?;
        self.service.fmt_row("service time", f)?;
        writeln!(f)?;
        self.late.fmt_row("sent late by", f)?;
        if !self.kept_its_schedule() {
            write!(f, "\nthe generator did not keep its schedule: these figures are of a lesser load")?;
        }
        Ok(())
    }
}

// === impl Failures ===

impl Failures {
    fn fmt_nonzero(self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named =
            [("no connection", self.connect), ("broken off", self.broken), ("timed out", self.timed_out)];
        for (name, count) in named.into_iter().filter(|(_, count)| *count > 0) {
            writeln!(f, "{:<14}{:>12}", format!("  {name}"), grouped(count))?;
        }
        Ok(())
    }
}

// === impl Quantiles ===

impl Quantiles {
    fn fmt_row(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{name:<14}")?;
        for value in [self.p50, self.p90, self.p99, self.p999, self.max] {
            write!(f, "{:>12}", readable(value))?;
        }
        Ok(())
    }
}

/// A duration with three digits in the unit that suits it.
fn readable(duration: Duration) -> String {
    let us = duration.as_secs_f64() * 1e6;
    match us {
        _ if us < 1e3 => format!("{us:.0} us"),
        _ if us < 1e4 => format!("{:.2} ms", us / 1e3),
        _ if us < 1e5 => format!("{:.1} ms", us / 1e3),
        _ if us < 1e6 => format!("{:.0} ms", us / 1e3),
        _ => format!("{:.2} s", us / 1e6),
    }
}

/// A number with its thousands set apart.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    fn report() -> Report {
        let us = Duration::from_micros;
        Report {
            offered: 69_659,
            accepted: 60_650,
            rejected: BTreeMap::from([(409, 9_000), (503, 7)]),
            unanswered: 2,
            attempts: 69_700,
            failures: Failures { connect: 40, broken: 0, timed_out: 3 },
            duration: Duration::from_millis(46_439),
            latency: Quantiles {
                p50: us(412),
                p90: us(1_230),
                p99: us(23_400),
                p999: us(456_000),
                max: us(7_890_000),
            },
            service: Quantiles {
                p50: us(400),
                p90: us(1_000),
                p99: us(2_000),
                p999: us(9_999),
                max: us(99_999),
            },
            late: Quantiles { p50: us(10), p90: us(20), p99: us(60), p999: us(800), max: us(999) },
        }
    }

    #[test]
    fn prints_an_aligned_table() {
        expect![[r#"
            offered             69,659
            accepted            60,650
            rejected 409         9,000
            rejected 503             7
            unanswered               2
            retries                 41
              no connection          40
              timed out              3
            duration           46.44 s
            rate              1500.0/s

                                   p50         p90         p99       p99.9         max
            latency             412 us     1.23 ms     23.4 ms      456 ms      7.89 s
            service time        400 us     1.00 ms     2.00 ms    10.00 ms    100.0 ms
            sent late by         10 us       20 us       60 us      800 us      999 us"#]]
        .assert_eq(&report().to_string());
    }

    #[test]
    fn says_when_the_generator_was_late() {
        let mut late = report();
        late.late.p99 = Duration::from_millis(11);
        assert!(report().kept_its_schedule() && !late.kept_its_schedule());
        assert!(late.to_string().contains("did not keep its schedule"));
    }

    #[test]
    fn has_no_rate_without_time() {
        let rate = Report { duration: Duration::ZERO, ..report() }.rate();
        assert!(rate.abs() < f64::EPSILON);
    }
}
