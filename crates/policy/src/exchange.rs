//! One request's life, as a state machine.
//!
//! ```text
//!              Arrived                     Replied
//!   (new) ───────────────▶ waiting ────────────────────▶ relaying ── Finished ──▶ (over)
//!                │          │  ▲ │                          │
//!       no endpoint    Failed: │ └─ Woke at the deadline     └─ Abandoned ──▶ (over)
//!                │      send to│another     │
//!                ▼             └            ▼
//!              Answer ◀──────── Failed: Answer
//! ```
//! [`Exchange::step`] takes an event and returns at most two actions; it allocates nothing. Bodies stream
//! past it: it only knows whether a request can be sent again. Attempts carry ids, so a late word about
//! an attempt that was given up changes nothing.

use core::time::Duration;

use crate::cluster::Cluster;
use crate::membership::{EndpointId, ServiceId};
use crate::rng::Rng;
use crate::snapshot::CallPolicy;
use crate::time::Time;

/// A try at an endpoint, numbered from 0 within its exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptId(pub u8);

/// What a decision may know of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// The same for the same client: a hash of its address.
    pub key: u64,
    /// Doing it twice is as good as doing it once (RFC 9110 §9.2.2).
    pub idempotent: bool,
    /// It has no body, or one that is still whole, so it can be sent once more after it was sent.
    pub repeatable: bool,
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
    },
    /// The time of an [`Action::WakeAt`] has come.
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
}

/// Whose fault a failure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The client's.
    Client,
    /// The endpoint's.
    Upstream,
}

/// What the performer must do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Send the request to an endpoint.
    Send {
        /// Names the attempt in later events.
        attempt: AttemptId,
        /// Whereto.
        endpoint: EndpointId,
        /// Give up on making a connection then.
        connect_by: Time,
        /// On a connection that was never used before.
        fresh: bool,
    },
    /// Report [`Event::Woke`] then. A newer one replaces it.
    WakeAt(Time),
    /// Pass an attempt's response on to the client; report [`Event::Finished`] at its end.
    Relay(AttemptId),
    /// Give an attempt up; nothing more is wanted of it.
    Cancel(AttemptId),
    /// Answer the client ourselves. The exchange is over.
    Answer(Refusal),
}

/// Why the client gets no response of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// No endpoint is ready.
    NoEndpoint,
    /// No connection could be made; nothing was sent.
    Unreachable,
    /// The endpoint took the request and failed to answer.
    BadGateway,
    /// The time was up. An endpoint may have acted on the request.
    TimedOut,
    /// The client's body was at fault.
    RequestBody,
}

/// At most two actions, in the order they must be performed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Actions {
    slots: [Option<Action>; 2],
    next: u8,
}

/// The state of one exchange.
#[derive(Debug, Clone)]
pub struct Exchange {
    call: CallPolicy,
    facts: Facts,
    deadline: Time,
    /// The endpoints tried so far, the current one last; the first `tries` are meant.
    tried: [EndpointId; TRIES_MAX],
    tries: u8,
    /// Attempts made so far. More than tries, where a stale connection made a second attempt necessary.
    attempts: u8,
    phase: Phase,
}

/// The first try and every retry there can be.
const TRIES_MAX: usize = CallPolicy::RETRIES_MAX as usize + 1;

/// Fills the places of `tried` that are not in use.
const NO_ENDPOINT: EndpointId = EndpointId { service: ServiceId(0), slot: 0, incarnation: 0 };

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    New,
    Waiting(EndpointId),
    Relaying(EndpointId),
    Over,
}

// === impl Failure ===

impl Failure {
    /// Whether the endpoint may have seen the request.
    pub const fn may_have_been_sent(self) -> bool {
        match self {
            Self::ConnectRefused | Self::ConnectTimedOut | Self::StaleConnection => false,
            Self::KeptConnectionBroke | Self::Broken | Self::Malformed | Self::RequestBody => true,
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
            | Self::Malformed => Fault::Upstream,
        }
    }

    const fn refusal(self) -> Refusal {
        match self {
            Self::ConnectRefused | Self::ConnectTimedOut | Self::StaleConnection => Refusal::Unreachable,
            Self::KeptConnectionBroke | Self::Broken | Self::Malformed => Refusal::BadGateway,
            Self::RequestBody => Refusal::RequestBody,
        }
    }
}

// === impl Refusal ===

impl Refusal {
    /// The HTTP status that says it (RFC 9110 §15.6).
    pub const fn status(self) -> u16 {
        match self {
            Self::NoEndpoint => 503,
            Self::Unreachable | Self::BadGateway => 502,
            Self::TimedOut => 504,
            Self::RequestBody => 400,
        }
    }
}

// === impl Actions ===

impl Actions {
    const NONE: Self = Self { slots: [None, None], next: 0 };

    const fn one(action: Action) -> Self {
        Self { slots: [Some(action), None], next: 0 }
    }

    const fn two(first: Action, second: Action) -> Self {
        Self { slots: [Some(first), Some(second)], next: 0 }
    }
}

impl Iterator for Actions {
    type Item = Action;

    fn next(&mut self) -> Option<Action> {
        let action = self.slots.get_mut(usize::from(self.next))?.take()?;
        self.next += 1;
        Some(action)
    }
}

// === impl Exchange ===

impl Exchange {
    /// A request that is about to arrive.
    pub const fn new(call: CallPolicy, facts: Facts) -> Self {
        Self {
            call,
            facts,
            deadline: Time::NEVER,
            tried: [NO_ENDPOINT; TRIES_MAX],
            tries: 0,
            attempts: 0,
            phase: Phase::New,
        }
    }

    /// Whether nothing more will come of it.
    pub fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    /// Time the client's request was given for a response head.
    pub const fn timeout(&self) -> Duration {
        self.call.timeout
    }

    /// Takes in an event and says what to do. Events of attempts that were given up, and all events once
    /// it is over, change nothing.
    pub fn step(&mut self, event: Event, now: Time, rng: &mut Rng, cluster: &mut Cluster) -> Actions {
        match (self.phase, event) {
            (Phase::New, Event::Arrived) => self.arrive(now, rng, cluster),
            (Phase::Waiting(endpoint), Event::Failed { attempt, failure }) if self.is_current(attempt) => {
                self.fail(endpoint, failure, now, rng, cluster)
            }
            (Phase::Waiting(endpoint), Event::Replied { attempt }) if self.is_current(attempt) => {
                self.phase = Phase::Relaying(endpoint);
                Actions::one(Action::Relay(attempt))
            }
            (Phase::Waiting(endpoint), Event::Woke) => self.wake(endpoint, now, cluster),
            (Phase::Waiting(endpoint), Event::Abandoned) => {
                cluster.end(endpoint);
                self.phase = Phase::Over;
                Actions::one(Action::Cancel(self.current()))
            }
            (Phase::Relaying(endpoint), Event::Finished | Event::Abandoned) => {
                cluster.end(endpoint);
                self.phase = Phase::Over;
                Actions::NONE
            }
            (Phase::New, Event::Abandoned) => {
                self.phase = Phase::Over;
                Actions::NONE
            }
            _ => Actions::NONE,
        }
    }

    fn arrive(&mut self, now: Time, rng: &mut Rng, cluster: &mut Cluster) -> Actions {
        self.deadline = now.after(self.call.timeout);
        match self.try_another(now, rng, cluster) {
            Some(send) => Actions::two(send, Action::WakeAt(self.deadline)),
            None => self.answer(Refusal::NoEndpoint),
        }
    }

    fn fail(
        &mut self,
        endpoint: EndpointId,
        failure: Failure,
        now: Time,
        rng: &mut Rng,
        cluster: &mut Cluster,
    ) -> Actions {
        // The endpoint is well, only the kept connection was not: it stays the right choice, and a
        // connection of its own cannot be stale.
        let was_stale = match failure {
            Failure::StaleConnection => true,
            Failure::KeptConnectionBroke => self.may_send_again(),
            _ => false,
        };
        if was_stale && now < self.deadline && cluster.resume(endpoint) {
            return Actions::one(self.send(endpoint, true, now));
        }
        cluster.end(endpoint);
        let next = if self.may_retry(failure, now) { self.try_another(now, rng, cluster) } else { None };
        match next {
            Some(send) => Actions::one(send),
            None => self.answer(failure.refusal()),
        }
    }

    fn try_another(&mut self, now: Time, rng: &mut Rng, cluster: &mut Cluster) -> Option<Action> {
        let tried = &self.tried[..usize::from(self.tries)];
        let endpoint = cluster.begin(self.call.service, self.facts.key, tried, rng)?;
        self.tried[usize::from(self.tries)] = endpoint;
        self.tries += 1;
        Some(self.send(endpoint, false, now))
    }

    /// Only what cannot do harm twice is tried again: what never reached an endpoint, or what may happen
    /// twice and can be sent twice.
    fn may_retry(&self, failure: Failure, now: Time) -> bool {
        let is_safe = match failure {
            Failure::ConnectRefused | Failure::ConnectTimedOut | Failure::StaleConnection => true,
            Failure::KeptConnectionBroke | Failure::Broken => self.may_send_again(),
            Failure::Malformed | Failure::RequestBody => false,
        };
        is_safe && self.tries <= self.call.retries.min(CallPolicy::RETRIES_MAX) && now < self.deadline
    }

    /// Whether a request that an endpoint may have seen can be sent once more.
    const fn may_send_again(&self) -> bool {
        self.facts.idempotent && self.facts.repeatable && self.call.retries > 0
    }

    fn wake(&mut self, endpoint: EndpointId, now: Time, cluster: &mut Cluster) -> Actions {
        if now < self.deadline {
            return Actions::one(Action::WakeAt(self.deadline));
        }
        cluster.end(endpoint);
        self.phase = Phase::Over;
        Actions::two(Action::Cancel(self.current()), Action::Answer(Refusal::TimedOut))
    }

    fn send(&mut self, endpoint: EndpointId, fresh: bool, now: Time) -> Action {
        let attempt = AttemptId(self.attempts);
        self.attempts += 1;
        self.phase = Phase::Waiting(endpoint);
        let connect_by = now.after(self.call.connect_timeout).min(self.deadline);
        Action::Send { attempt, endpoint, connect_by, fresh }
    }

    fn answer(&mut self, refusal: Refusal) -> Actions {
        self.phase = Phase::Over;
        Actions::one(Action::Answer(refusal))
    }

    const fn current(&self) -> AttemptId {
        AttemptId(self.attempts.saturating_sub(1))
    }

    fn is_current(&self, attempt: AttemptId) -> bool {
        self.current() == attempt
    }
}

#[cfg(test)]
mod tests;
