//! One operation of something that services ask for: a call of another service, a read of a store, a message that is
//! published. How often it is tried, how long one try may take, and when none is made.
//!
//! ```text
//!          Asked                 Ended(well)
//!   (new) ───────▶ trying ────────────────────────────▶ Done
//!     │             ▲   │ Ended(failed), TimedOut
//!     │        Woke │   ▼           │ no try left, none that helps, or nothing to pay with
//!     │             pausing         └─────────────────▶ Done
//!     │                │ Woke
//!     └────────────────┴── the breaker is open ───────▶ Refuse
//! ```
//! A try is bounded by the timeout, the breaker sees each try, and retries go round both: the order in which Dapr's
//! resiliency documents are to be read. The waits are those of [`Backoff`], the breaker is [`Breaker`], and retries
//! are paid for from a [`Budget`], all three as on the gateway's routes.

use core::time::Duration;

use crate::breaker::{Breaker, BreakerPolicy};
use crate::budget::{Budget, BudgetPolicy};
use crate::retry::Backoff;
use crate::rng::Rng;
use crate::time::Time;

mod codes;

pub use codes::Codes;

/// What stands between an operation and its failing.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OperationPolicy {
    /// Time for one try.
    pub timeout: Option<Duration>,
    /// When it is tried again, if ever.
    pub retry: Option<OperationRetry>,
    /// Leaves what is asked alone while it fails.
    pub breaker: Option<BreakerPolicy>,
}

/// When an operation is tried again.
#[derive(Debug, Clone, PartialEq)]
pub struct OperationRetry {
    /// Tries after the first; `None` for as many as it takes.
    pub max: Option<u32>,
    /// The waits before them.
    pub backoff: Backoff,
    /// After which failures.
    pub after: Retried,
    /// What pays for them.
    pub budget: BudgetPolicy,
}

/// The failures that are worth another try.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Retried {
    /// Statuses of HTTP; `None` for all that are failures.
    pub http: Option<Codes>,
    /// Codes of gRPC; `None` for all that are failures.
    pub grpc: Option<Codes>,
    /// Only what never reached who was asked.
    pub only_unreached: bool,
}

/// What is known of one thing that operations ask: by one replica, or one worker.
#[derive(Debug, Clone)]
pub struct Target {
    policy: OperationPolicy,
    breaker: Option<Breaker>,
    budget: Option<Budget>,
}

/// The state of one operation.
#[derive(Debug, Clone, Copy, Default)]
pub struct Operation {
    /// Tries that failed.
    failures: u32,
}

/// What happened to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// It was asked for.
    Asked,
    /// A try was answered well, or in a way that is the asker's own doing.
    Succeeded,
    /// A try failed.
    Failed(Failed),
    /// The time of an [`Action::WakeAt`] has come.
    Woke,
}

/// How a try failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failed {
    /// What was answered, if anything was.
    pub answer: Answer,
    /// Whether what was asked can be asked once more.
    pub repeatable: bool,
}

/// What a failed try was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It never reached who was asked.
    Unreached,
    /// Nothing came, or nothing in time.
    None,
    /// A status of HTTP.
    Http(u16),
    /// A code of gRPC.
    Grpc(u16),
}

/// What the performer must do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Try, until then; a try that takes longer has failed with [`Answer::None`].
    Try {
        /// [`Time::NEVER`] for no bound.
        until: Time,
    },
    /// Report [`Event::Woke`] then.
    WakeAt(Time),
    /// Hand on what the last try came to.
    Done,
    /// Nothing is tried: what is asked fails, and is left alone until then.
    Refuse {
        /// When asking again has a chance.
        until: Time,
    },
}

// === impl Target ===

impl Target {
    /// Nothing is known yet. `workers` share its budget.
    pub fn new(policy: OperationPolicy, workers: u32) -> Self {
        let breaker = policy.breaker.clone().map(Breaker::new);
        let budget = policy.retry.as_ref().map(|retry| Budget::new(retry.budget, workers));
        Self { policy, breaker, budget }
    }

    /// What was asked is not waited for any more: that says nothing of the target.
    pub fn abandon(&mut self) {
        if let Some(breaker) = &mut self.breaker {
            breaker.withdraw();
        }
    }

    /// Whether it may be asked again at all.
    pub const fn retries(&self) -> bool {
        self.policy.retry.is_some()
    }

    /// Whether nothing is asked of it now.
    pub fn is_open(&self, now: Time) -> bool {
        self.breaker.as_ref().is_some_and(|breaker| breaker.is_open(now))
    }

    fn report(&mut self, failed: bool, now: Time) {
        if let Some(breaker) = &mut self.breaker {
            breaker.report(failed, now);
        }
    }
}

// === impl Operation ===

impl Operation {
    /// Takes in an event and says what to do.
    pub fn step(&mut self, event: Event, now: Time, rng: &mut Rng, target: &mut Target) -> Action {
        match event {
            Event::Asked => {
                if let Some(budget) = &mut target.budget {
                    budget.earn();
                }
                Self::attempt(now, target)
            }
            Event::Woke => Self::attempt(now, target),
            Event::Succeeded => {
                target.report(false, now);
                Action::Done
            }
            Event::Failed(failed) => {
                target.report(true, now);
                self.fail(failed, now, rng, target)
            }
        }
    }

    fn attempt(now: Time, target: &mut Target) -> Action {
        if let Some(breaker) = &mut target.breaker
            && !breaker.admit(now)
        {
            return Action::Refuse { until: breaker.closed_until(now).unwrap_or(now) };
        }
        Action::Try { until: target.policy.timeout.map_or(Time::NEVER, |timeout| now.after(timeout)) }
    }

    fn fail(&mut self, failed: Failed, now: Time, rng: &mut Rng, target: &mut Target) -> Action {
        self.failures = self.failures.saturating_add(1);
        let Target { policy, breaker, budget } = target;
        let Some(retry) = &policy.retry else { return Action::Done };
        // One that has just opened stays open longer than a wait is worth; what failed is the better answer.
        let is_open = breaker.as_ref().is_some_and(|breaker| breaker.is_open(now));
        let has_tries = retry.max.is_none_or(|max| self.failures <= max);
        if is_open || !has_tries || !failed.repeatable || !retry.after.contains(failed.answer) {
            return Action::Done;
        }
        let is_paid = budget.as_mut().is_none_or(|budget| budget.spend(now));
        if is_paid { Action::WakeAt(now.after(retry.backoff.wait(self.failures, rng))) } else { Action::Done }
    }
}

// === impl Retried ===

impl Retried {
    /// Whether a failure with this answer is one of them.
    pub fn contains(&self, answer: Answer) -> bool {
        match answer {
            Answer::Unreached => true,
            _ if self.only_unreached => false,
            Answer::None => true,
            Answer::Http(status) => self.http.is_none_or(|codes| codes.contains(status)),
            Answer::Grpc(code) => self.grpc.is_none_or(|codes| codes.contains(code)),
        }
    }
}

#[cfg(test)]
mod tests;
