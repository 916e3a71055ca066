//! Requests that run once however often they come: the `Idempotency-Key` of
//! draft-ietf-httpapi-idempotency-key-header-07.
//!
//! ```text
//!            taken, for a lease          answered, for `keep`
//! (absent) ─────────────────────▶ Taken ──────────────────────▶ Answered
//!    ▲                              │ └───────────────────────▶ Unkept: it ran, its answer is not kept
//!    └── released, or lease over ───┘
//! ```
//! Each arrow is one write that asks for the state it leaves, on a store that lets what has expired be
//! absent. So the store's clock is the only one, over restarts and for all who share it.

mod key;
mod record;
#[cfg(test)]
mod tests;

use alloc::string::String;
use core::time::Duration;

use crate::retry::Backoff;

pub use key::{BadKey, key};
pub use record::{Answer, Fields, Fingerprint, Record, State, Taker};

/// How a route keeps what it has answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyPolicy {
    /// The header with the key, in lower case.
    pub header: String,
    /// The name of the store.
    pub store: String,
    /// Names the route, the same after a restart: a key is one of this route.
    pub route: String,
    /// How long an answer is kept.
    pub keep: Duration,
    /// Whether a request that is not idempotent must have a key.
    pub required: bool,
    /// What becomes of a request whose key is taken.
    pub duplicates: Duplicates,
    /// How long a key stays taken by who does not come back.
    pub lease: Duration,
    /// Largest request body in bytes.
    pub body_max: u64,
    /// Largest body of an answer in bytes that is kept.
    pub answer_max: u64,
}

/// What becomes of a request whose key is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duplicates {
    /// It waits for the answer, at most so long.
    Wait(Duration),
    /// It is refused at once.
    Refuse,
}

/// What to do with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// Take the key for the lease, if it is still absent, and then run it.
    Take,
    /// Give the answer that is kept.
    Replay(Answer<'a>),
    /// Look again after a while.
    Wait,
    /// Refuse it: another that asks the same has not been answered yet.
    InProgress,
    /// Refuse it: the key came before with another request.
    Mismatch,
    /// Refuse it: it ran before, with this status, but the answer was not kept.
    NotKept(u16),
}

/// What a run came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The service answered.
    Answered {
        /// With this status.
        status: u16,
        /// And all of the answer is there, and not more than is kept.
        is_whole: bool,
    },
    /// Nothing was sent to it.
    NotSent,
    /// It broke off, and may have acted.
    BrokeOff,
    /// It has not answered in time, and may be acting still.
    TimedOut,
}

/// What to do with a key after a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settlement {
    /// Keep the answer.
    Answer,
    /// Keep that it ran, with this status.
    Unkept(u16),
    /// Let the next one run.
    Release,
    /// Do nothing: the key stays taken until the lease is over.
    Leave,
}

/// Whose a key is when a run has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// Still that of the one who ran. It may be settled if it has not changed.
    Mine,
    /// Nobody's: the lease is over. It may be settled if it is still absent.
    Over,
    /// Another's, who has taken it since.
    Lost,
}

impl IdempotencyPolicy {
    /// Between two looks of a request that waits. A look costs a read of the store, and an answer that is
    /// there is seen after half of `max` on average.
    pub const LOOKS: Backoff = Backoff { initial: Duration::from_millis(4), max: Duration::from_millis(100) };
    /// A run ends so long before its lease: what it came to must be written while the key is its own.
    pub const MARGIN: Duration = Duration::from_secs(5);
    /// How much longer than a route's timeout its leases are: time for the rest of an answer after its
    /// head, and for [`IdempotencyPolicy::MARGIN`].
    pub const LEASE_BEYOND_TIMEOUT: Duration = Duration::from_secs(10);

    /// Whether requests by this method are kept. What is safe can be repeated by anybody, at any time.
    pub fn covers(method: &str) -> bool {
        !crate::http_cache::is_safe(method)
    }

    /// Whether a request without a key is refused. PUT and DELETE are idempotent (RFC 9110 §9.2.2).
    pub fn needs_key(&self, method: &str) -> bool {
        self.required && Self::covers(method) && !matches!(method, "PUT" | "DELETE")
    }

    /// Time for a run.
    pub fn run_max(&self) -> Duration {
        self.lease.saturating_sub(Self::MARGIN)
    }

    /// What to do with a request that has `waited` so long, by what the store has under its key.
    pub fn decide<'a>(
        &self,
        record: Option<&Record<'a>>,
        fingerprint: &Fingerprint,
        waited: Duration,
    ) -> Verdict<'a> {
        let Some(record) = record else { return Verdict::Take };
        if record.fingerprint != *fingerprint {
            return Verdict::Mismatch;
        }
        match (record.state, self.duplicates) {
            (State::Answered(answer), _) => Verdict::Replay(answer),
            (State::Unkept(status), _) => Verdict::NotKept(status),
            (State::Taken(_), Duplicates::Wait(max)) if waited < max => Verdict::Wait,
            (State::Taken(_), Duplicates::Wait(_) | Duplicates::Refuse) => Verdict::InProgress,
        }
    }
}

impl Outcome {
    /// What to do with the key.
    ///
    /// An answer that says what became of the request is kept. One that says "not now" is not, as then no
    /// retry would ever succeed. Where it is not known what became of it, the retry is what the client
    /// wants; only if the service may be acting still, the lease gives it time to end.
    pub const fn settle(self) -> Settlement {
        match self {
            Self::Answered { status, is_whole: true } if is_kept(status) => Settlement::Answer,
            Self::Answered { status: status @ 200..400, is_whole: false } => Settlement::Unkept(status),
            Self::Answered { .. } | Self::NotSent | Self::BrokeOff => Settlement::Release,
            Self::TimedOut => Settlement::Leave,
        }
    }
}

/// Whose a key is when `me` has run, by what the store has under it.
pub fn hold(record: Option<&Record<'_>>, me: Taker) -> Hold {
    match record.map(|record| record.state) {
        None => Hold::Over,
        Some(State::Taken(by)) if by == me => Hold::Mine,
        Some(_) => Hold::Lost,
    }
}

/// Whether an answer with this status is the last word on a request. Not so: failures of the service (5xx),
/// credentials to be shown (401, 407), and what may be otherwise a moment later: 408 Request Timeout,
/// 409 Conflict, 423 Locked, 425 Too Early, 429 Too Many Requests.
const fn is_kept(status: u16) -> bool {
    matches!(status, 200..500) && !matches!(status, 401 | 407 | 408 | 409 | 423 | 425 | 429)
}
