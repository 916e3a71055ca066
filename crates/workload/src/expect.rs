//! What a load is expected to come to.

use std::collections::BTreeMap;
use std::fmt;

use crate::report::Report;

/// The counts that a load must end with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expectations {
    /// Requests answered with 2xx; `None` where any number will do.
    pub accepted: Option<u64>,
    /// Requests answered with each other status. One that is not listed must not occur.
    pub rejected: BTreeMap<u16, u64>,
}

/// An expectation that did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unmet {
    /// Another number was accepted.
    Accepted {
        /// What was expected.
        expected: u64,
        /// What came.
        actual: u64,
    },
    /// Another number was rejected with a status.
    Rejected {
        /// The status.
        status: u16,
        /// What was expected; 0 for a status that was not listed.
        expected: u64,
        /// What came.
        actual: u64,
    },
    /// Requests were never answered, which none may be.
    Unanswered {
        /// How many.
        actual: u64,
    },
}

// === impl Expectations ===

impl Expectations {
    /// What does not hold, in the order accepted, rejected by status, unanswered; empty if all does.
    pub fn check(&self, report: &Report) -> Vec<Unmet> {
        let accepted = self
            .accepted
            .filter(|expected| *expected != report.accepted)
            .map(|expected| Unmet::Accepted { expected, actual: report.accepted });
        let unanswered = (report.unanswered > 0).then_some(Unmet::Unanswered { actual: report.unanswered });
        accepted.into_iter().chain(self.unmet_rejections(report)).chain(unanswered).collect()
    }

    fn unmet_rejections(&self, report: &Report) -> impl Iterator<Item = Unmet> {
        let mut counts: BTreeMap<u16, (u64, u64)> =
            self.rejected.iter().map(|(status, expected)| (*status, (*expected, 0))).collect();
        for (status, actual) in &report.rejected {
            counts.entry(*status).or_default().1 = *actual;
        }
        counts
            .into_iter()
            .filter(|(_, (expected, actual))| expected != actual)
            .map(|(status, (expected, actual))| Unmet::Rejected { status, expected, actual })
    }
}

// === impl Unmet ===

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted { expected, actual } => {
                write!(f, "expected {expected} accepted, found {actual}")
            }
            Self::Rejected { status, expected, actual } => {
                write!(f, "expected {expected} rejected with {status}, found {actual}")
            }
            Self::Unanswered { actual } => write!(f, "expected every request answered, {actual} were not"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::{Observation, Recorder};
    use floodway_policy::Time;
    use std::time::Duration;

    fn report(statuses: &[(u16, u64)]) -> Report {
        let mut recorder = Recorder::new();
        for &(status, count) in statuses {
            for _ in 0..count {
                recorder.record(&Observation {
                    status: (status != 0).then_some(status),
                    attempts: 1,
                    intended: Time::ZERO,
                    started: Time::ZERO,
                    ended: Time::from_nanos(1_000),
                    late: Duration::ZERO,
                });
            }
        }
        recorder.report(Duration::from_secs(1))
    }

    fn expectations(accepted: Option<u64>, rejected: &[(u16, u64)]) -> Expectations {
        Expectations { accepted, rejected: rejected.iter().copied().collect() }
    }

    #[test]
    fn holds_when_the_counts_are_exact() {
        let report = report(&[(200, 2), (201, 3), (409, 4)]);
        assert_eq!(expectations(Some(5), &[(409, 4)]).check(&report), []);
        assert_eq!(expectations(None, &[(409, 4)]).check(&report), []);
    }

    #[test]
    fn says_each_thing_that_does_not_hold() {
        let report = report(&[(201, 3), (500, 1), (0, 2)]);
        let unmet: Vec<_> =
            expectations(Some(4), &[(409, 4)]).check(&report).iter().map(ToString::to_string).collect();
        assert_eq!(
            unmet,
            [
                "expected 4 accepted, found 3",
                "expected 4 rejected with 409, found 0",
                "expected 0 rejected with 500, found 1",
                "expected every request answered, 2 were not",
            ]
        );
    }

    #[test]
    fn expects_every_request_answered_even_when_nothing_is_listed() {
        let expected = [Unmet::Unanswered { actual: 1 }];
        assert_eq!(Expectations::default().check(&report(&[(0, 1)])), expected);
    }
}
