//! One message's life in one group, as a state machine.
//!
//! ```text
//!           Offered                 Answered(Success | Drop | NotFound | Unmatched)
//!   (new) ───────────▶ delivering ──────────────────────────────────────────────────▶ settled
//!                        ▲     │ Answered(Retry | Failed | Unreachable)
//!                   Woke │     ▼                 │ too often, and there is a dead-letter topic
//!                        └─ waiting              └──────────────────────▶ settled (dead letter)
//! ```
//! A message is never lost: without a dead-letter topic it is tried until it succeeds, is dropped by the
//! subscriber, or expires.

pub mod share;
pub mod turns;

use core::time::Duration;

use crate::operation::{OperationPolicy, OperationRetry};
use crate::retry::Backoff;
use crate::rng::Rng;
use crate::time::Time;

/// How the messages of a subscription are delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliveryPolicy {
    /// Failed attempts after which a message is given up, where there is a dead-letter topic; at least 1.
    pub attempts: u32,
    /// Waits between attempts.
    pub backoff: Backoff,
    /// Time for one attempt's answer.
    pub timeout: Duration,
}

impl Default for DeliveryPolicy {
    fn default() -> Self {
        Self {
            attempts: 5,
            backoff: Backoff { initial: Duration::from_millis(500), max: Duration::from_secs(30) },
            timeout: Duration::from_secs(30),
        }
    }
}

impl DeliveryPolicy {
    /// The same, but for what a policy for all that comes in this way says.
    #[must_use]
    pub fn under(self, inbound: &OperationPolicy) -> Self {
        let timeout = inbound.timeout.unwrap_or(self.timeout);
        match &inbound.retry {
            Some(OperationRetry { max, backoff, .. }) => {
                let attempts = max.map_or(u32::MAX, |max| max.saturating_add(1));
                Self { attempts, backoff: *backoff, timeout }
            }
            None => Self { timeout, ..self },
        }
    }
}

/// What happened to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// It is its turn.
    Offered,
    /// An attempt ended.
    Answered(Outcome),
    /// The time of an [`Action::WakeAt`] has come.
    Woke,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The subscriber took it.
    Success,
    /// The subscriber wants it again, or said something that is not understood.
    Retry,
    /// The subscriber does not want it.
    Drop,
    /// The subscriber has no such route (404): as a drop.
    NotFound,
    /// The subscriber has no route for messages such as this one: nothing was sent.
    Unmatched,
    /// An error answer, a broken connection or no answer in time.
    Failed,
    /// An answer after which no other attempt helps.
    Final,
    /// No replica took it: nothing was tried, so it does not count as an attempt.
    Unreachable,
    /// The subscriber fails, and is left alone for so long: nothing was tried.
    LeftAlone(Duration),
}

/// After a change among a subscriber's replicas, what they lack they may be about to have: so long.
pub const SETTLING: Duration = Duration::from_secs(5);

impl Outcome {
    /// What it means that a subscriber had no route for a message (404), where its replicas last changed at
    /// `changed`: while a new version is rolled out, replicas of the old one lack the routes of the new one,
    /// and one that has just begun may not have all of its own.
    pub fn of_missing_route(changed: Time, now: Time) -> Self {
        if now.since(changed) < SETTLING { Self::Retry } else { Self::NotFound }
    }
}

/// What the performer must do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Send it to a replica; this is attempt number `attempt`, from 1.
    Deliver {
        /// Attempts so far, this one included.
        attempt: u32,
    },
    /// Report [`Event::Woke`] then.
    WakeAt(Time),
    /// It is over: settle it as done.
    Done(Reason),
    /// It is over: publish it to the dead-letter topic and settle it.
    DeadLetter(Reason),
}

/// Why a message is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// It was taken.
    Consumed,
    /// The subscriber dropped it.
    Dropped,
    /// The subscriber has no route for it.
    NotFound,
    /// No rule of the subscription takes it, and there is no default.
    Unmatched,
    /// Its time ran out.
    Expired,
    /// Every attempt failed.
    Exhausted,
}

/// The state of one message in one group.
#[derive(Debug, Clone)]
pub struct Delivery {
    policy: DeliveryPolicy,
    has_dead_letter: bool,
    expires: Time,
    attempts: u32,
    /// Tries in a row that reached no replica.
    unreachable: u32,
}

/// Waits while no replica takes the message: short, as a replica may be back any moment.
const UNREACHABLE: Backoff = Backoff { initial: Duration::from_millis(50), max: Duration::from_secs(2) };

// === impl Delivery ===

impl Delivery {
    /// A message that expires at `expires` ([`Time::NEVER`] for never).
    pub const fn new(policy: DeliveryPolicy, has_dead_letter: bool, expires: Time) -> Self {
        Self { policy, has_dead_letter, expires, attempts: 0, unreachable: 0 }
    }

    /// Takes in an event and says what to do.
    pub fn step(&mut self, event: Event, now: Time, rng: &mut Rng) -> Action {
        match event {
            Event::Offered | Event::Woke => self.deliver(now),
            Event::Answered(Outcome::Success) => Action::Done(Reason::Consumed),
            Event::Answered(Outcome::Drop) => self.give_up(Reason::Dropped),
            Event::Answered(Outcome::NotFound) => self.give_up(Reason::NotFound),
            Event::Answered(Outcome::Unmatched) => self.give_up(Reason::Unmatched),
            Event::Answered(Outcome::Final) if self.has_dead_letter => self.give_up(Reason::Exhausted),
            Event::Answered(Outcome::Retry | Outcome::Failed | Outcome::Final) => self.fail(now, rng),
            Event::Answered(Outcome::Unreachable) => {
                self.attempts = self.attempts.saturating_sub(1);
                self.unreachable = self.unreachable.saturating_add(1);
                self.wait(UNREACHABLE.wait(self.unreachable, rng), now)
            }
            Event::Answered(Outcome::LeftAlone(time)) => {
                self.attempts = self.attempts.saturating_sub(1);
                // A half-open breaker that waits for another's answer names no time.
                self.wait(time.max(UNREACHABLE.initial), now)
            }
        }
    }

    fn deliver(&mut self, now: Time) -> Action {
        if now >= self.expires {
            return self.give_up(Reason::Expired);
        }
        self.attempts = self.attempts.saturating_add(1);
        Action::Deliver { attempt: self.attempts }
    }

    fn fail(&mut self, now: Time, rng: &mut Rng) -> Action {
        self.unreachable = 0;
        if self.has_dead_letter && self.attempts >= self.policy.attempts {
            return self.give_up(Reason::Exhausted);
        }
        self.wait(self.policy.backoff.wait(self.attempts, rng), now)
    }

    /// Waits, but not longer than the message lives.
    fn wait(&self, pause: Duration, now: Time) -> Action {
        Action::WakeAt(now.after(pause).min(self.expires))
    }

    const fn give_up(&self, reason: Reason) -> Action {
        if self.has_dead_letter { Action::DeadLetter(reason) } else { Action::Done(reason) }
    }
}

#[cfg(test)]
mod tests;
