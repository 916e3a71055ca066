//! What an exchange is told.

use super::action::Refusal;
use crate::admission::Class;
use crate::sticky::Session;
use crate::time::Time;

/// A try at an endpoint, numbered from 0 within its exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptId(pub u8);

/// What a decision may know of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// The same for the same client: a hash of its address.
    pub key: u64,
    /// Which endpoint its client comes back to.
    pub session: Session,
    /// Doing it twice is as good as doing it once (RFC 9110 §9.2.2).
    pub idempotent: bool,
    /// It has no body, or one that is still whole, so it can be sent once more after it was sent.
    pub repeatable: bool,
    /// How much it matters.
    pub class: Class,
    /// Whoever asks waits no longer; [`Time::NEVER`] if that is not known. It can only shorten the time there is.
    pub gives_up: Time,
}

/// What happened to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// Its head was read and its route found.
    Arrived,
    /// An attempt ended without a response head.
    Failed {
        /// The attempt.
        attempt: AttemptId,
        /// How.
        failure: Failure,
    },
    /// The head of an attempt's response is there.
    Replied {
        /// The attempt.
        attempt: AttemptId,
        /// Its status.
        status: u16,
    },
    /// The time of an [`Action::WakeAt`](super::Action::WakeAt) has come, or its
    /// [`Action::Queue`](super::Action::Queue) was called.
    Woke,
    /// The relayed response has ended, well or not.
    Finished,
    /// The client is gone.
    Abandoned,
}

/// How an attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// No connection: refused, unreachable. Nothing was sent.
    ConnectRefused,
    /// No connection in time. Nothing was sent.
    ConnectTimedOut,
    /// A kept connection turned out to be closed before anything was sent on it.
    StaleConnection,
    /// A kept connection broke after the request was sent on it, or while it was. Most likely the endpoint
    /// closed it at that moment and never saw the request, but nobody can tell.
    KeptConnectionBroke,
    /// The connection broke after the request was sent, or while it was.
    Broken,
    /// What came back is not HTTP.
    Malformed,
    /// The client's own body broke off or grew too large while it was sent on.
    RequestBody,
    /// It took longer than a try may.
    TryTimedOut,
}

/// Whose fault a failure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The client's.
    Client,
    /// The endpoint's.
    Upstream,
}

// === impl Failure ===

impl Failure {
    /// Whether the endpoint may have seen the request.
    pub const fn may_have_been_sent(self) -> bool {
        match self {
            Self::ConnectRefused | Self::ConnectTimedOut | Self::StaleConnection => false,
            Self::KeptConnectionBroke
            | Self::Broken
            | Self::Malformed
            | Self::RequestBody
            | Self::TryTimedOut => true,
        }
    }

    /// Whose fault it is.
    pub const fn fault(self) -> Fault {
        match self {
            Self::RequestBody => Fault::Client,
            Self::ConnectRefused
            | Self::ConnectTimedOut
            | Self::StaleConnection
            | Self::KeptConnectionBroke
            | Self::Broken
            | Self::Malformed
            | Self::TryTimedOut => Fault::Upstream,
        }
    }

    pub(super) const fn refusal(self) -> Refusal {
        match self {
            Self::ConnectRefused | Self::ConnectTimedOut | Self::StaleConnection => Refusal::Unreachable,
            Self::KeptConnectionBroke | Self::Broken | Self::Malformed => Refusal::BadGateway,
            Self::RequestBody => Refusal::RequestBody,
            Self::TryTimedOut => Refusal::TimedOut,
        }
    }
}
