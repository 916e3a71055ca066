//! What stands before a service: its breaker and its door.

use core::time::Duration;

use crate::admission::{Admission, AdmissionPolicy, Class, Entry, Ticket};
use crate::breaker::{Breaker, BreakerPolicy};
use crate::time::Time;

/// What protects a service from its clients. Nothing by default.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct GuardPolicy {
    /// Leaves it alone while it fails.
    pub breaker: Option<BreakerPolicy>,
    /// Bounds what it gets at once.
    pub admission: Option<AdmissionPolicy>,
}

/// How an attempt ended, for the guard to learn from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was answered after so long.
    Answered(Duration),
    /// It failed, or the answer says that the service does.
    Failed,
    /// It was not answered in time.
    TimedOut,
    /// It was given up for a reason that says nothing of the service.
    Abandoned,
}

/// One worker's guard of one service.
#[derive(Debug, Clone)]
pub struct Guard {
    breaker: Option<Breaker>,
    admission: Option<Admission>,
}

impl Guard {
    /// A worker's part of the policy among `workers`.
    pub fn new(policy: &GuardPolicy, workers: u32) -> Self {
        Self {
            breaker: policy.breaker.clone().map(Breaker::new),
            admission: policy.admission.map(|admission| Admission::new(admission, workers)),
        }
    }

    /// The door, where there is one.
    pub const fn admission(&self) -> Option<&Admission> {
        self.admission.as_ref()
    }

    /// The breaker, where there is one.
    pub const fn breaker(&self) -> Option<&Breaker> {
        self.breaker.as_ref()
    }

    pub(crate) fn enter(&mut self, class: Class, deadline: Time, now: Time) -> Entry {
        self.admission.as_mut().map_or(Entry::In, |door| door.enter(class, deadline, now))
    }

    pub(crate) fn claim(&mut self, ticket: Ticket) -> Option<bool> {
        self.admission.as_mut()?.claim(ticket)
    }

    pub(crate) fn cancel(&mut self, ticket: Ticket) {
        if let Some(door) = &mut self.admission {
            door.cancel(ticket);
        }
    }

    pub(crate) fn leave(&mut self, now: Time) {
        if let Some(door) = &mut self.admission {
            door.leave(now);
        }
    }

    pub(crate) fn take_untold(&mut self) -> impl Iterator<Item = Ticket> + '_ {
        self.admission.iter_mut().flat_map(Admission::take_untold)
    }

    /// Whether an attempt may be sent; if so, [`Guard::report`] must follow.
    pub(crate) fn admit(&mut self, now: Time) -> bool {
        self.breaker.as_mut().is_none_or(|breaker| breaker.admit(now))
    }

    pub(crate) fn report(&mut self, outcome: Outcome, now: Time) {
        if let Some(breaker) = &mut self.breaker {
            match outcome {
                Outcome::Answered(_) => breaker.report(false, now),
                Outcome::Failed | Outcome::TimedOut => breaker.report(true, now),
                Outcome::Abandoned => breaker.withdraw(),
            }
        }
        if let Some(door) = &mut self.admission {
            match outcome {
                Outcome::Answered(took) => door.observe(took),
                Outcome::TimedOut => door.overloaded(),
                Outcome::Failed | Outcome::Abandoned => {}
            }
        }
    }
}
