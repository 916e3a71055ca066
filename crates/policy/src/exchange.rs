//! One request's life, as a state machine.
//!
//! ```text
//!            Arrived: full        Woke: called           Replied
//!   (new) ───────────────▶ queued ───────────▶ waiting ────────────▶ relaying ── Finished ──▶ (over)
//!     │ └──────────── Arrived ────────────────▶ │   ▲                   │
//!     │ no room, no endpoint    Failed, Replied │   │ Woke              └─ Abandoned ──▶ (over)
//!     │                         with a status   ▼   │
//!     │                         to be retried  pausing
//!     ▼                                         │
//!   Answer ◀──── nothing left to try, or no time, or nothing left to pay with
//! ```
//! [`Exchange::step`] takes an event and returns at most three actions; it allocates nothing but what a queue
//! holds. Bodies stream past it: it only knows whether a request can be sent again. Attempts carry ids, so a
//! late word about an attempt that was given up changes nothing.

use core::time::Duration;

use crate::admission::{Class, Entry, Ticket};
use crate::cluster::Cluster;
use crate::guard::Outcome;
use crate::membership::{EndpointId, ServiceId};
use crate::retry::RetryPolicy;
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
    /// How much it matters.
    pub class: Class,
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
    /// The time of an [`Action::WakeAt`] has come, or its [`Action::Queue`] was called.
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
    /// Report [`Event::Woke`] also when [`Cluster::take_called`] names this ticket.
    Queue(Ticket),
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
    /// The service has more to do than it can, and no room for this.
    Overloaded,
    /// The service fails, and is left alone for a while.
    BreakerOpen,
    /// No connection could be made; nothing was sent.
    Unreachable,
    /// The endpoint took the request and failed to answer.
    BadGateway,
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
    /// When the present attempt began.
    sent: Time,
    /// Why the last attempt failed.
    failure: Option<Failure>,
    phase: Phase,
}

/// The first try and every retry there can be.
const TRIES_MAX: usize = RetryPolicy::MAX as usize + 1;

/// Fills the places of `tried` that are not in use.
const NO_ENDPOINT: EndpointId = EndpointId { service: ServiceId(0), slot: 0, incarnation: 0 };

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    New,
    /// In the queue of the service, until then.
    Queued(Ticket, Time),
    /// Between two tries, until then.
    Pausing(Time),
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

    const fn refusal(self) -> Refusal {
        match self {
            Self::ConnectRefused | Self::ConnectTimedOut | Self::StaleConnection => Refusal::Unreachable,
            Self::KeptConnectionBroke | Self::Broken | Self::Malformed => Refusal::BadGateway,
            Self::RequestBody => Refusal::RequestBody,
            Self::TryTimedOut => Refusal::TimedOut,
        }
    }
}

// === impl Refusal ===

impl Refusal {
    /// The HTTP status that says it (RFC 9110 §15.6).
    pub const fn status(self) -> u16 {
        match self {
            Self::NoEndpoint | Self::Overloaded | Self::BreakerOpen => 503,
            Self::Unreachable | Self::BadGateway => 502,
            Self::TimedOut => 504,
            Self::RequestBody => 400,
        }
    }
}

// === impl Actions ===

impl Actions {
    const NONE: Self = Self { slots: [None; 3], next: 0 };

    const fn one(action: Action) -> Self {
        Self { slots: [Some(action), None, None], next: 0 }
    }

    const fn two(first: Action, second: Action) -> Self {
        Self { slots: [Some(first), Some(second), None], next: 0 }
    }

    /// The same after another action.
    fn after(self, first: Option<Action>) -> Self {
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
            sent: Time::ZERO,
            failure: None,
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

    /// The service it goes to.
    pub const fn service(&self) -> ServiceId {
        self.call.service
    }

    /// Takes in an event and says what to do. Events of attempts that were given up, and all events once
    /// it is over, change nothing.
    pub fn step(&mut self, event: Event, now: Time, rng: &mut Rng, cluster: &mut Cluster) -> Actions {
        let mut world = World { now, rng, cluster };
        match (self.phase, event) {
            (Phase::New, Event::Arrived) => self.arrive(&mut world),
            (Phase::Queued(ticket, until), Event::Woke) => self.wake_in_queue(ticket, until, &mut world),
            (Phase::Pausing(until), Event::Woke) if now < until => Actions::one(Action::WakeAt(until)),
            (Phase::Pausing(_), Event::Woke) => self.try_again(&mut world),
            (Phase::Waiting(endpoint), Event::Failed { attempt, failure }) if self.is_current(attempt) => {
                self.fail(endpoint, failure, &mut world)
            }
            (Phase::Waiting(endpoint), Event::Replied { attempt, status }) if self.is_current(attempt) => {
                self.reply(endpoint, status, &mut world)
            }
            (Phase::Waiting(endpoint), Event::Woke) => self.wake(endpoint, &mut world),
            (Phase::Relaying(endpoint), Event::Finished | Event::Abandoned) => {
                world.cluster.end(endpoint);
                self.end(&mut world)
            }
            (_, Event::Abandoned) => self.abandon(&mut world),
            _ => Actions::NONE,
        }
    }

    fn arrive(&mut self, world: &mut World<'_>) -> Actions {
        self.deadline = world.now.after(self.call.timeout);
        if let Some(budget) = world.cluster.budget_mut(self.call.budget) {
            budget.earn();
        }
        let guard = world.cluster.guard_mut(self.call.service);
        match guard.map_or(Entry::In, |guard| guard.enter(self.facts.class, self.deadline, world.now)) {
            Entry::In => self.begin(world),
            Entry::Queued(ticket, until) => {
                self.phase = Phase::Queued(ticket, until);
                Actions::two(Action::Queue(ticket), Action::WakeAt(until))
            }
            Entry::Refused => {
                self.phase = Phase::Over;
                Actions::one(Action::Answer(Refusal::Overloaded))
            }
        }
    }

    fn wake_in_queue(&mut self, ticket: Ticket, until: Time, world: &mut World<'_>) -> Actions {
        let Some(guard) = world.cluster.guard_mut(self.call.service) else { return self.begin(world) };
        match guard.claim(ticket) {
            Some(true) => self.begin(world),
            None if world.now < until => Actions::one(Action::WakeAt(until)),
            put_out => {
                if put_out.is_none() {
                    guard.cancel(ticket);
                }
                self.phase = Phase::Over;
                Actions::one(Action::Answer(Refusal::Overloaded))
            }
        }
    }

    /// The first try.
    fn begin(&mut self, world: &mut World<'_>) -> Actions {
        match self.pick(world) {
            Ok(endpoint) => self.send(endpoint, false, world),
            Err(refusal) => self.answer(refusal, world),
        }
    }

    /// A try after a pause.
    fn try_again(&mut self, world: &mut World<'_>) -> Actions {
        match self.pick(world) {
            Ok(endpoint) => self.send(endpoint, false, world),
            Err(refusal) => self.answer(self.failure.map_or(refusal, Failure::refusal), world),
        }
    }

    fn reply(&mut self, endpoint: EndpointId, status: u16, world: &mut World<'_>) -> Actions {
        let failed = status >= 500;
        let took = world.now.since(self.sent);
        self.report(endpoint, if failed { Outcome::Failed } else { Outcome::Answered(took) }, world);
        let attempt = self.current();
        let is_wanted = self.call.retry.statuses.contains(status) && self.may_send_again();
        if is_wanted && self.has_tries_left(world.now) && self.can_pay(world) {
            world.cluster.end(endpoint);
            return self.retry(world).after(Some(Action::Cancel(attempt)));
        }
        self.phase = Phase::Relaying(endpoint);
        Actions::one(Action::Relay(attempt))
    }

    fn fail(&mut self, endpoint: EndpointId, failure: Failure, world: &mut World<'_>) -> Actions {
        // The endpoint is well, only the kept connection was not: it stays the right choice, and a
        // connection of its own cannot be stale.
        let was_stale = match failure {
            Failure::StaleConnection => true,
            Failure::KeptConnectionBroke => self.may_send_again(),
            _ => false,
        };
        if was_stale && world.now < self.deadline && world.cluster.resume(endpoint) {
            return self.send(endpoint, true, world);
        }
        let says_nothing = failure.fault() == Fault::Client;
        self.report(endpoint, if says_nothing { Outcome::Abandoned } else { Outcome::Failed }, world);
        world.cluster.end(endpoint);
        self.failure = Some(failure);
        if self.may_retry(failure, world) { self.retry(world) } else { self.answer(failure.refusal(), world) }
    }

    /// Tries another endpoint: the first time at once, later after a pause. Where all were tried, any will do
    /// after a pause.
    fn retry(&mut self, world: &mut World<'_>) -> Actions {
        if self.tries == 1
            && let Ok(endpoint) = self.pick_other(world)
        {
            return self.send(endpoint, false, world);
        }
        let until = world.now.after(self.call.retry.backoff.wait(u32::from(self.tries), world.rng));
        if until >= self.deadline {
            let refusal = self.failure.map_or(Refusal::TimedOut, Failure::refusal);
            return self.answer(refusal, world);
        }
        self.phase = Phase::Pausing(until);
        Actions::one(Action::WakeAt(until))
    }

    /// Only what cannot do harm twice is tried again: what never reached an endpoint, or what may happen
    /// twice and can be sent twice. What reached one must be paid for.
    fn may_retry(&self, failure: Failure, world: &mut World<'_>) -> bool {
        let is_safe = match failure {
            Failure::ConnectRefused | Failure::ConnectTimedOut | Failure::StaleConnection => true,
            Failure::KeptConnectionBroke | Failure::Broken | Failure::TryTimedOut => self.may_send_again(),
            Failure::Malformed | Failure::RequestBody => false,
        };
        is_safe && self.has_tries_left(world.now) && (!failure.may_have_been_sent() || self.can_pay(world))
    }

    /// Whether a request that an endpoint may have seen can be sent once more.
    const fn may_send_again(&self) -> bool {
        self.facts.idempotent && self.facts.repeatable && self.call.retry.max > 0
    }

    fn has_tries_left(&self, now: Time) -> bool {
        self.tries <= self.call.retry.max.min(RetryPolicy::MAX) && now < self.deadline
    }

    fn can_pay(&self, world: &mut World<'_>) -> bool {
        world.cluster.budget_mut(self.call.budget).is_some_and(|budget| budget.spend(world.now))
    }

    fn wake(&mut self, endpoint: EndpointId, world: &mut World<'_>) -> Actions {
        if world.now >= self.deadline {
            self.report(endpoint, Outcome::TimedOut, world);
            world.cluster.end(endpoint);
            let attempt = self.current();
            return self.answer(Refusal::TimedOut, world).after(Some(Action::Cancel(attempt)));
        }
        let try_ends = self.try_ends();
        if world.now < try_ends {
            return Actions::one(Action::WakeAt(try_ends));
        }
        if !self.may_retry(Failure::TryTimedOut, world) {
            // There is nothing better to do than to wait.
            self.call.retry.try_timeout = None;
            return Actions::one(Action::WakeAt(self.deadline));
        }
        self.report(endpoint, Outcome::TimedOut, world);
        world.cluster.end(endpoint);
        self.failure = Some(Failure::TryTimedOut);
        let attempt = self.current();
        self.retry(world).after(Some(Action::Cancel(attempt)))
    }

    /// When the present attempt has had its time.
    fn try_ends(&self) -> Time {
        self.call.retry.try_timeout.map_or(self.deadline, |time| self.sent.after(time)).min(self.deadline)
    }

    /// An endpoint for the next try: one that was not tried yet, or any.
    fn pick(&mut self, world: &mut World<'_>) -> Result<EndpointId, Refusal> {
        match self.pick_other(world) {
            Err(Refusal::NoEndpoint) if self.tries > 0 => self.pick_beside(&[], world),
            picked => picked,
        }
    }

    fn pick_other(&mut self, world: &mut World<'_>) -> Result<EndpointId, Refusal> {
        let tried = self.tried;
        self.pick_beside(&tried[..usize::from(self.tries)], world)
    }

    fn pick_beside(&mut self, tried: &[EndpointId], world: &mut World<'_>) -> Result<EndpointId, Refusal> {
        let World { now, rng, cluster } = world;
        let service = self.call.service;
        if cluster.guard_mut(service).is_some_and(|guard| !guard.admit(*now)) {
            return Err(Refusal::BreakerOpen);
        }
        let Some(endpoint) = cluster.begin(service, self.facts.key, tried, *now, rng) else {
            self.report_to_guard(Outcome::Abandoned, world);
            return Err(Refusal::NoEndpoint);
        };
        self.tried[usize::from(self.tries)] = endpoint;
        self.tries += 1;
        Ok(endpoint)
    }

    fn send(&mut self, endpoint: EndpointId, fresh: bool, world: &World<'_>) -> Actions {
        let attempt = AttemptId(self.attempts);
        self.attempts += 1;
        self.sent = world.now;
        self.phase = Phase::Waiting(endpoint);
        let connect_by = world.now.after(self.call.connect_timeout).min(self.deadline);
        let send = Action::Send { attempt, endpoint, connect_by, fresh };
        Actions::two(send, Action::WakeAt(self.try_ends()))
    }

    fn answer(&mut self, refusal: Refusal, world: &mut World<'_>) -> Actions {
        self.end(world).after(Some(Action::Answer(refusal)))
    }

    fn abandon(&mut self, world: &mut World<'_>) -> Actions {
        let attempt = self.current();
        match self.phase {
            Phase::New | Phase::Over => {
                self.phase = Phase::Over;
                Actions::NONE
            }
            Phase::Queued(ticket, _) => {
                let claimed = world.cluster.guard_mut(self.call.service).and_then(|guard| {
                    let claimed = guard.claim(ticket);
                    guard.cancel(ticket);
                    claimed
                });
                if claimed == Some(true) {
                    return self.end(world);
                }
                self.phase = Phase::Over;
                Actions::NONE
            }
            Phase::Pausing(_) => self.end(world),
            Phase::Waiting(endpoint) | Phase::Relaying(endpoint) => {
                self.report(endpoint, Outcome::Abandoned, world);
                world.cluster.end(endpoint);
                self.end(world).after(Some(Action::Cancel(attempt)))
            }
        }
    }

    /// It is over, for a request that was let in.
    fn end(&mut self, world: &mut World<'_>) -> Actions {
        if let Some(guard) = world.cluster.guard_mut(self.call.service) {
            guard.leave(world.now);
        }
        self.phase = Phase::Over;
        Actions::NONE
    }

    fn report(&self, endpoint: EndpointId, outcome: Outcome, world: &mut World<'_>) {
        world.cluster.report(endpoint, outcome, world.now);
        self.report_to_guard(outcome, world);
    }

    fn report_to_guard(&self, outcome: Outcome, world: &mut World<'_>) {
        if let Some(guard) = world.cluster.guard_mut(self.call.service) {
            guard.report(outcome, world.now);
        }
    }

    const fn current(&self) -> AttemptId {
        AttemptId(self.attempts.saturating_sub(1))
    }

    fn is_current(&self, attempt: AttemptId) -> bool {
        self.current() == attempt
    }
}

/// What a step may look at and change.
struct World<'a> {
    now: Time,
    rng: &'a mut Rng,
    cluster: &'a mut Cluster,
}

#[cfg(test)]
mod tests;
