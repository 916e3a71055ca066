//! What an exchange wants done.

use super::event::AttemptId;
use crate::admission::Ticket;
use crate::membership::EndpointId;
use crate::time::Time;

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
    /// Report [`Event::Woke`](super::Event::Woke) then. A newer one replaces it.
    WakeAt(Time),
    /// Report [`Event::Woke`](super::Event::Woke) also when
    /// [`Cluster::take_called`](crate::cluster::Cluster::take_called) names this ticket.
    Queue(Ticket),
    /// Pass an attempt's response on to the client; report
    /// [`Event::Finished`](super::Event::Finished) at its end.
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
    /// The service has more to do than it can, and no room for this.
    Overloaded,
    /// The service fails, and is left alone for a while.
    BreakerOpen,
    /// No connection could be made; nothing was sent.
    Unreachable,
    /// The endpoint took the request and failed to answer.
    BadGateway,
    /// Who asks had given up before anything was tried.
    TooLate,
    /// The time was up. An endpoint may have acted on the request.
    TimedOut,
    /// The client's body was at fault.
    RequestBody,
}

/// At most three actions, in the order they must be performed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Actions {
    slots: [Option<Action>; 3],
    next: u8,
}

// === impl Refusal ===

impl Refusal {
    /// The HTTP status that says it (RFC 9110 §15.6).
    pub const fn status(self) -> u16 {
        match self {
            Self::NoEndpoint | Self::Overloaded | Self::BreakerOpen => 503,
            Self::Unreachable | Self::BadGateway => 502,
            Self::TimedOut | Self::TooLate => 504,
            Self::RequestBody => 400,
        }
    }
}

// === impl Actions ===

impl Actions {
    pub(super) const NONE: Self = Self { slots: [None; 3], next: 0 };

    pub(super) const fn one(action: Action) -> Self {
        Self { slots: [Some(action), None, None], next: 0 }
    }

    pub(super) const fn two(first: Action, second: Action) -> Self {
        Self { slots: [Some(first), Some(second), None], next: 0 }
    }

    /// The same after another action.
    pub(super) fn after(self, first: Option<Action>) -> Self {
        match first {
            Some(first) => Self { slots: [Some(first), self.slots[0], self.slots[1]], next: 0 },
            None => self,
        }
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
