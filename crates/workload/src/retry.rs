//! Whether a request is sent again.

use std::time::Duration;

use floodway_policy::Rng;
use floodway_policy::retry::Backoff;

/// How often a request is sent, and how long to wait in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Attempts in all; at least 1, which means none after the first.
    pub attempts: u32,
    /// Waits between attempts.
    pub backoff: Backoff,
}

/// What became of one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// There is a whole answer.
    Answered {
        /// Its status.
        status: u16,
        /// The wait that it asks for.
        retry_after: Option<Duration>,
    },
    /// There is none: no connection, a broken answer, or none in time.
    Failed,
}

impl Default for Retry {
    /// One attempt.
    fn default() -> Self {
        let backoff = Backoff { initial: Duration::from_millis(100), max: Duration::from_secs(2) };
        Self { attempts: 1, backoff }
    }
}

impl Retry {
    /// The wait before the next attempt after `attempts` of them, the last of which ended so; `None`
    /// where that is the end of it. A wait that the answer asks for is kept as far as the backoff's `max`.
    pub fn wait(&self, attempts: u32, last: Attempt, rng: &mut Rng) -> Option<Duration> {
        if attempts >= self.attempts || !last.may_pass_later() {
            return None;
        }
        let asked = match last {
            Attempt::Answered { retry_after, .. } => retry_after.unwrap_or_default().min(self.backoff.max),
            Attempt::Failed => Duration::ZERO,
        };
        Some(self.backoff.wait(attempts, rng).max(asked))
    }
}

impl Attempt {
    /// Whether the same request may fare better later: it failed on the way, the upstream was not
    /// there, or the answer says when to come back (RFC 6585 §4).
    const fn may_pass_later(self) -> bool {
        match self {
            Self::Failed | Self::Answered { status: 502..=504, .. } => true,
            Self::Answered { status: 429, retry_after } => retry_after.is_some(),
            Self::Answered { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{prop_assert, proptest};

    const RETRY: Retry = Retry {
        attempts: 3,
        backoff: Backoff { initial: Duration::from_millis(100), max: Duration::from_secs(2) },
    };

    const fn answered(status: u16) -> Attempt {
        Attempt::Answered { status, retry_after: None }
    }

    fn retries(last: Attempt) -> bool {
        RETRY.wait(1, last, &mut Rng::new(1)).is_some()
    }

    #[test]
    fn tries_again_what_may_pass_later() {
        assert!([answered(502), answered(503), answered(504), Attempt::Failed].into_iter().all(retries));
        assert!(![200, 201, 400, 404, 409, 429, 500, 501].into_iter().map(answered).any(retries));
    }

    #[test]
    fn waits_as_long_as_the_answer_asks() {
        let ask = |secs| Attempt::Answered { status: 429, retry_after: Some(Duration::from_secs(secs)) };
        assert_eq!(RETRY.wait(1, ask(1), &mut Rng::new(1)), Some(Duration::from_secs(1)));
        assert_eq!(RETRY.wait(1, ask(60), &mut Rng::new(1)), Some(RETRY.backoff.max));
    }

    proptest! {
        #[test]
        fn ends_after_its_attempts_and_never_waits_longer_than_max(attempts in 1_u32..6, status in 100_u16..600, asked in 0_u64..100, seed: u64) {
            let last = Attempt::Answered { status, retry_after: Some(Duration::from_secs(asked)) };
            let wait = RETRY.wait(attempts, last, &mut Rng::new(seed));
            prop_assert!(attempts < RETRY.attempts || wait.is_none());
            prop_assert!(wait.is_none_or(|wait| wait <= RETRY.backoff.max));
        }
    }
}
