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
//! While a try is late, a second one may go beside it ([`crate::hedge`]): both are waited for, the first good
//! answer is relayed, and the other try is given up.
//!
//! [`Exchange::step`] takes an event and returns at most three actions; it allocates nothing but what a queue
//! holds. Bodies stream past it: it only knows whether a request can be sent again. Attempts carry ids, so a
//! late word about an attempt that was given up changes nothing.

mod action;
mod event;

use core::time::Duration;

pub use action::{Action, Actions, Refusal};
pub use event::{AttemptId, Event, Facts, Failure, Fault};

use crate::admission::{Entry, Ticket};
use crate::cluster::Cluster;
use crate::guard::{Guard, Outcome};
use crate::hedge::Hedge;
use crate::membership::{EndpointId, ServiceId};
use crate::retry::RetryPolicy;
use crate::rng::Rng;
use crate::snapshot::CallPolicy;
use crate::sticky::{Session, Token};
use crate::time::Time;

/// The state of one exchange.
#[derive(Debug, Clone)]
pub struct Exchange {
    call: CallPolicy,
    facts: Facts,
    deadline: Time,
    ends_by: Time,
    /// The endpoints tried so far, the current one last; the first `tries` are meant.
    tried: [EndpointId; TRIES_MAX],
    tries: u8,
    /// Attempts made so far. More than tries, where a stale connection made a second attempt necessary.
    attempts: u8,
    /// When a second try is to be made; never, where there is none to be.
    hedge_at: Time,
    /// Whether one was made: it is no retry.
    is_hedged: bool,
    /// Why the last attempt failed.
    failure: Option<Failure>,
    /// The endpoint that its client is to come back to.
    token: Option<Token>,
    phase: Phase,
}

/// The first try, every retry there can be, and a try beside another.
const TRIES_MAX: usize = RetryPolicy::MAX as usize + 2;

/// Fills the places of `tried` that are not in use.
const NO_ENDPOINT: EndpointId = EndpointId { service: ServiceId(0), slot: 0, incarnation: 0 };

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    New,
    /// In the queue of the service, until then.
    Queued(Ticket, Time),
    /// Between two tries, until then.
    Pausing(Time),
    Waiting(Tries),
    Relaying(Try),
    Over,
}

/// A try that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Try {
    attempt: AttemptId,
    endpoint: EndpointId,
    sent: Time,
}

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Tries {
    one: Try,
    beside: Option<Try>,
}

// === impl Tries ===

impl Tries {
    /// The try of an attempt, and the other.
    fn split(self, attempt: AttemptId) -> Option<(Try, Option<Try>)> {
        match self.beside {
            _ if self.one.attempt == attempt => Some((self.one, self.beside)),
            Some(beside) if beside.attempt == attempt => Some((beside, Some(self.one))),
            _ => None,
        }
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
            ends_by: Time::NEVER,
            tried: [NO_ENDPOINT; TRIES_MAX],
            tries: 0,
            attempts: 0,
            hedge_at: Time::NEVER,
            is_hedged: false,
            failure: None,
            token: None,
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

    /// When the head of a response must be there; known once it arrived.
    pub const fn deadline(&self) -> Time {
        self.deadline
    }

    /// When the response must have been passed on to its end, known once it arrived. Whoever still relays it then
    /// gives it up, with [`Event::Abandoned`].
    pub const fn ends_by(&self) -> Time {
        self.ends_by
    }

    /// The service it goes to.
    pub const fn service(&self) -> ServiceId {
        self.call.service
    }

    /// What names the endpoint that answers, if the client is to come back to it and does not know; there once a
    /// response is relayed.
    pub const fn token(&self) -> Option<Token> {
        self.token
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
            (Phase::Waiting(tries), Event::Failed { attempt, failure }) => match tries.split(attempt) {
                Some((failed, other)) => self.fail(failed, other, failure, &mut world),
                None => Actions::NONE,
            },
            (Phase::Waiting(tries), Event::Replied { attempt, status }) => match tries.split(attempt) {
                Some((replied, other)) => self.reply(replied, other, status, &mut world),
                None => Actions::NONE,
            },
            (Phase::Waiting(tries), Event::Woke) => self.wake(tries, &mut world),
            (Phase::Relaying(relayed), Event::Finished | Event::Abandoned) => {
                world.cluster.end(relayed.endpoint);
                self.end(&mut world)
            }
            (_, Event::Abandoned) => self.abandon(&mut world),
            _ => Actions::NONE,
        }
    }

    fn arrive(&mut self, world: &mut World<'_>) -> Actions {
        self.ends_by = self.call.total_timeout.map_or(Time::NEVER, |time| world.now.after(time));
        self.deadline = world.now.after(self.call.timeout).min(self.facts.gives_up).min(self.ends_by);
        if self.deadline <= world.now {
            self.phase = Phase::Over;
            return Actions::one(Action::Answer(Refusal::TooLate));
        }
        if let Some(budget) = world.cluster.budget_mut(self.call.budget) {
            budget.earn();
        }
        if let Some(hedge) = self.hedge(world) {
            hedge.earn();
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

    fn reply(&mut self, replied: Try, other: Option<Try>, status: u16, world: &mut World<'_>) -> Actions {
        let failed = status >= 500;
        let took = world.now.since(replied.sent);
        self.report(replied.endpoint, if failed { Outcome::Failed } else { Outcome::Answered(took) }, world);
        let is_bad = self.call.retry.statuses.contains(status);
        let cancel = Action::Cancel(replied.attempt);
        if let Some(other) = other.filter(|_| failed || is_bad) {
            // The other may do better.
            world.cluster.end(replied.endpoint);
            return self.wait_for(other).after(Some(cancel));
        }
        if is_bad && self.may_send_again() && self.has_tries_left(world.now) && self.can_pay(world) {
            world.cluster.end(replied.endpoint);
            return self.retry(world).after(Some(cancel));
        }
        self.token = self.token_to_tell(replied, other, world.cluster);
        self.learn(Tries { one: replied, beside: other }, world);
        let given_up = other.map(|other| self.give_up(other, Outcome::Abandoned, world));
        self.phase = Phase::Relaying(replied);
        Actions::one(Action::Relay(replied.attempt)).after(given_up)
    }

    /// A try beside a late one is no reason to leave the endpoint of a session.
    fn token_to_tell(&self, replied: Try, other: Option<Try>, cluster: &Cluster) -> Option<Token> {
        let named = match self.facts.session {
            Session::None => return None,
            Session::New => None,
            Session::At(token) => Some(token),
        };
        let is_home = |one: Try| named.is_some() && cluster.token(one.endpoint) == named;
        let stays = is_home(replied) || other.is_some_and(is_home);
        if stays { None } else { cluster.token(replied.endpoint) }
    }

    fn fail(&mut self, failed: Try, other: Option<Try>, failure: Failure, world: &mut World<'_>) -> Actions {
        // The endpoint is well, only the kept connection was not: it stays the right choice, and a
        // connection of its own cannot be stale.
        let was_stale = match failure {
            Failure::StaleConnection => true,
            Failure::KeptConnectionBroke => self.may_send_again(),
            _ => false,
        };
        if was_stale && world.now < self.deadline && world.cluster.resume(failed.endpoint) {
            return self.send_beside(failed.endpoint, true, other, world);
        }
        let says_nothing = failure.fault() == Fault::Client;
        self.report(failed.endpoint, if says_nothing { Outcome::Abandoned } else { Outcome::Failed }, world);
        world.cluster.end(failed.endpoint);
        self.failure = Some(failure);
        if let Some(other) = other {
            return self.wait_for(other);
        }
        if self.may_retry(failure, world) { self.retry(world) } else { self.answer(failure.refusal(), world) }
    }

    /// Of two tries, this one is left.
    fn wait_for(&mut self, left: Try) -> Actions {
        let tries = Tries { one: left, beside: None };
        self.phase = Phase::Waiting(tries);
        Actions::one(Action::WakeAt(self.wake_at(tries)))
    }

    /// A try ends that nobody waits for any more.
    fn give_up(&self, given_up: Try, outcome: Outcome, world: &mut World<'_>) -> Action {
        self.report(given_up.endpoint, outcome, world);
        world.cluster.end(given_up.endpoint);
        Action::Cancel(given_up.attempt)
    }

    /// Of two tries, the older one took as long as it did, or would have taken longer.
    fn learn(&self, tries: Tries, world: &mut World<'_>) {
        let sent = tries.beside.map_or(tries.one.sent, |beside| beside.sent.min(tries.one.sent));
        let took = world.now.since(sent);
        if let Some(hedge) = self.hedge(world) {
            hedge.observe(took);
        }
    }

    /// What hedges this request, if it may happen twice.
    fn hedge<'a>(&self, world: &'a mut World<'_>) -> Option<&'a mut Hedge> {
        let id = self.call.hedge.filter(|_| self.facts.idempotent && self.facts.repeatable)?;
        world.cluster.hedge_mut(id)
    }

    /// Tries another endpoint: the first time at once, later after a pause. Where all were tried, any will do
    /// after a pause.
    fn retry(&mut self, world: &mut World<'_>) -> Actions {
        if self.retries_and_one() == 1
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

    /// Tries, but the one beside another.
    fn retries_and_one(&self) -> u8 {
        self.tries - u8::from(self.is_hedged)
    }

    fn has_tries_left(&self, now: Time) -> bool {
        self.retries_and_one() <= self.call.retry.max.min(RetryPolicy::MAX) && now < self.deadline
    }

    fn can_pay(&self, world: &mut World<'_>) -> bool {
        world.cluster.budget_mut(self.call.budget).is_some_and(|budget| budget.spend(world.now))
    }

    fn wake(&mut self, tries: Tries, world: &mut World<'_>) -> Actions {
        let Tries { one, beside } = tries;
        if world.now >= self.deadline {
            self.learn(tries, world);
            let outcome = self.timed_out();
            let other = beside.map(|beside| self.give_up(beside, outcome, world));
            let one = self.give_up(one, outcome, world);
            return self.answer(Refusal::TimedOut, world).after(other).after(Some(one));
        }
        if let Some(beside) = beside {
            let (older, newer) = if one.sent <= beside.sent { (one, beside) } else { (beside, one) };
            if world.now < self.try_ends(older) {
                return Actions::one(Action::WakeAt(self.wake_at(tries)));
            }
            let given_up = self.give_up(older, Outcome::TimedOut, world);
            self.failure = Some(Failure::TryTimedOut);
            return self.wait_for(newer).after(Some(given_up));
        }
        if world.now >= self.hedge_at {
            self.hedge_at = Time::NEVER;
            if let Some(endpoint) = self.pick_beside_late(world) {
                self.is_hedged = true;
                return self.send_beside(endpoint, false, Some(one), world);
            }
        }
        let until = self.wake_at(tries);
        if world.now < until {
            return Actions::one(Action::WakeAt(until));
        }
        if !self.may_retry(Failure::TryTimedOut, world) {
            // There is nothing better to do than to wait.
            self.call.retry.try_timeout = None;
            return Actions::one(Action::WakeAt(self.wake_at(tries)));
        }
        let given_up = self.give_up(one, Outcome::TimedOut, world);
        self.failure = Some(Failure::TryTimedOut);
        self.retry(world).after(Some(given_up))
    }

    /// What it says of a service that it had no more time. Nothing, if it was a client that set the time:
    /// otherwise one client could open the breaker for all.
    fn timed_out(&self) -> Outcome {
        if self.facts.gives_up <= self.deadline { Outcome::Abandoned } else { Outcome::TimedOut }
    }

    /// When there is something to do if no word comes.
    fn wake_at(&self, tries: Tries) -> Time {
        let ends = self.try_ends(tries.one);
        match tries.beside {
            Some(beside) => ends.min(self.try_ends(beside)),
            None => ends.min(self.hedge_at),
        }
    }

    /// When a try has had its time.
    fn try_ends(&self, one: Try) -> Time {
        self.call.retry.try_timeout.map_or(self.deadline, |time| one.sent.after(time)).min(self.deadline)
    }

    /// An endpoint for a try beside one that is late: where it can be paid for, another is there, and nobody
    /// waits for what it takes.
    fn pick_beside_late(&mut self, world: &mut World<'_>) -> Option<EndpointId> {
        let admission = world.cluster.guard(self.call.service).and_then(Guard::admission);
        let is_crowded = admission.is_some_and(|admission| admission.waiting() > 0);
        if is_crowded || !self.hedge(world)?.affords() {
            return None;
        }
        let endpoint = self.pick_other(world).ok()?;
        self.hedge(world)?.spend();
        Some(endpoint)
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
        let Some(endpoint) = cluster.begin(service, (self.facts.key, self.facts.session), tried, *now, rng)
        else {
            self.report_to_guard(Outcome::Abandoned, world);
            return Err(Refusal::NoEndpoint);
        };
        self.tried[usize::from(self.tries)] = endpoint;
        self.tries += 1;
        Ok(endpoint)
    }

    fn send(&mut self, endpoint: EndpointId, fresh: bool, world: &mut World<'_>) -> Actions {
        let late = if self.is_hedged { None } else { self.hedge(world).and_then(|hedge| hedge.late()) };
        self.hedge_at = late.map_or(Time::NEVER, |late| world.now.after(late));
        self.send_beside(endpoint, fresh, None, world)
    }

    fn send_beside(
        &mut self,
        endpoint: EndpointId,
        fresh: bool,
        other: Option<Try>,
        world: &World<'_>,
    ) -> Actions {
        let attempt = AttemptId(self.attempts);
        self.attempts += 1;
        let tries = Tries { one: Try { attempt, endpoint, sent: world.now }, beside: other };
        self.phase = Phase::Waiting(tries);
        let connect_by = world.now.after(self.call.connect_timeout).min(self.deadline);
        let send = Action::Send { attempt, endpoint, connect_by, fresh };
        Actions::two(send, Action::WakeAt(self.wake_at(tries)))
    }

    fn answer(&mut self, refusal: Refusal, world: &mut World<'_>) -> Actions {
        self.end(world).after(Some(Action::Answer(refusal)))
    }

    fn abandon(&mut self, world: &mut World<'_>) -> Actions {
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
            Phase::Waiting(Tries { one, beside }) => {
                let other = beside.map(|beside| self.give_up(beside, Outcome::Abandoned, world));
                let one = self.give_up(one, Outcome::Abandoned, world);
                self.end(world).after(other).after(Some(one))
            }
            // Its outcome was reported with its head.
            Phase::Relaying(relayed) => {
                world.cluster.end(relayed.endpoint);
                self.end(world).after(Some(Action::Cancel(relayed.attempt)))
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
}

/// What a step may look at and change.
struct World<'a> {
    now: Time,
    rng: &'a mut Rng,
    cluster: &'a mut Cluster,
}

#[cfg(test)]
mod tests;
