//! Who may be sent to a service now, who waits, and who is refused: a bound on what is in flight, and in front
//! of it a queue that stays short.
//!
//! Each class of requests waits in a line of its own; a higher one goes first. A line is first come, first
//! served until its oldest has waited for half of the time there is: then the newest goes first, as those who
//! waited long may have given up (Facebook's adaptive LIFO; Maurer, "Fail at Scale", 2015). A class may wait
//! for a part of the time only, the lower the shorter, so that under overload the lowest are refused first.

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use crate::adaptive::{Adaptive, AdaptivePolicy};
use crate::time::Time;

/// How much a service gets at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdmissionPolicy {
    /// Requests in flight.
    pub limit: Limit,
    /// Requests that may wait.
    pub queue_max: u32,
    /// The longest that one may wait.
    pub queue_time: Duration,
}

/// Requests that may be in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// So many.
    Fixed(u32),
    /// As many as do not make answers slower.
    Adaptive(AdaptivePolicy),
}

/// How much a request matters; 0 matters most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Class(u8);

/// Names a request that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(u64);

/// What becomes of a request at the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// It may be sent.
    In,
    /// It waits until its ticket is called, for no longer than this.
    Queued(Ticket, Time),
    /// There is no room for it.
    Refused,
}

/// One worker's door to one service.
#[derive(Debug, Clone)]
pub struct Admission {
    fixed: u32,
    adaptive: Option<Adaptive>,
    queue_max: u32,
    queue_time: Duration,
    in_flight: u32,
    lines: [VecDeque<Waiting>; Class::COUNT],
    tickets: u64,
    /// Tickets that wait no more, until they are claimed: whether each may be sent.
    called: Vec<(Ticket, bool)>,
    /// Those of them whose owner was not told yet.
    untold: Vec<Ticket>,
}

#[derive(Debug, Clone, Copy)]
struct Waiting {
    ticket: Ticket,
    since: Time,
    until: Time,
}

/// Where a request says how much it matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriorityPolicy {
    /// The header, in lower case.
    pub header: String,
    /// Where it says nothing that is known.
    pub default: Class,
}

impl PriorityPolicy {
    /// The class that the value of the header names.
    pub fn class(&self, value: Option<&[u8]>) -> Class {
        value.and_then(Class::named).unwrap_or(self.default)
    }
}

impl Class {
    /// The classes by name.
    pub const NAMED: [(&'static str, Self); Self::COUNT] =
        [("critical", Self(0)), ("normal", Self(1)), ("low", Self(2)), ("background", Self(3))];

    /// The class of this name, in any case.
    pub fn named(name: &[u8]) -> Option<Self> {
        let named = Self::NAMED.iter().find(|(known, _)| known.as_bytes().eq_ignore_ascii_case(name));
        named.map(|(_, class)| *class)
    }

    /// Classes there are.
    pub const COUNT: usize = 4;
    /// What matters least.
    pub const LOWEST: Self = Self(3);
    /// What matters most.
    pub const HIGHEST: Self = Self(0);
    /// Where a request says nothing.
    pub const NORMAL: Self = Self(1);

    /// The class with this number; the lowest for a number beyond.
    pub const fn new(number: u8) -> Self {
        if number < Self::LOWEST.0 { Self(number) } else { Self::LOWEST }
    }

    const fn index(self) -> usize {
        self.0 as usize
    }
}

impl Admission {
    /// A worker's part of a policy among `workers`: each lets in the same share, at least one.
    pub fn new(policy: AdmissionPolicy, workers: u32) -> Self {
        let workers = workers.max(1);
        let share = |whole: u32| whole.div_ceil(workers).max(1);
        let (fixed, adaptive) = match policy.limit {
            Limit::Fixed(limit) => (share(limit), None),
            Limit::Adaptive(AdaptivePolicy { min, max }) => {
                (0, Some(Adaptive::new(AdaptivePolicy { min: share(min), max: share(max) })))
            }
        };
        Self {
            fixed,
            adaptive,
            queue_max: policy.queue_max.div_ceil(workers),
            queue_time: policy.queue_time,
            in_flight: 0,
            lines: Default::default(),
            tickets: 0,
            called: Vec::new(),
            untold: Vec::new(),
        }
    }

    /// Requests that may be in flight now.
    pub fn limit(&self) -> u32 {
        self.adaptive.as_ref().map_or(self.fixed, Adaptive::limit)
    }

    /// Requests in flight.
    pub const fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// Requests that wait.
    pub fn waiting(&self) -> usize {
        self.lines.iter().map(VecDeque::len).sum()
    }

    /// A request comes to the door. It is worth nothing after `deadline`.
    pub fn enter(&mut self, class: Class, deadline: Time, now: Time) -> Entry {
        let waiting = self.waiting();
        if waiting == 0 && self.in_flight < self.limit() {
            self.in_flight += 1;
            return Entry::In;
        }
        if self.has_waited(now) > self.patience(class) || !self.make_room(class, waiting) {
            return Entry::Refused;
        }
        let until = now.after(self.queue_time).min(deadline);
        let ticket = Ticket(self.tickets);
        self.tickets += 1;
        self.lines[class.index()].push_back(Waiting { ticket, since: now, until });
        Entry::Queued(ticket, until)
    }

    /// A request that was let in is over. Others may be called: see [`Admission::take_untold`].
    pub fn leave(&mut self, now: Time) {
        self.in_flight = self.in_flight.saturating_sub(1);
        while self.in_flight < self.limit() {
            let Some(ticket) = self.next(now) else { break };
            self.in_flight += 1;
            self.call(ticket, true);
        }
    }

    /// What became of a ticket: whether it may be sent, or nothing while it waits. It says so once.
    pub fn claim(&mut self, ticket: Ticket) -> Option<bool> {
        let place = self.called.iter().position(|(called, _)| *called == ticket)?;
        Some(self.called.swap_remove(place).1)
    }

    /// A request that waits is given up.
    pub fn cancel(&mut self, ticket: Ticket) {
        for line in &mut self.lines {
            line.retain(|waiting| waiting.ticket != ticket);
        }
    }

    /// Those who were called since this was last asked, for their owners to be woken.
    pub fn take_untold(&mut self) -> impl Iterator<Item = Ticket> + '_ {
        self.untold.drain(..)
    }

    fn call(&mut self, ticket: Ticket, is_in: bool) {
        self.called.push((ticket, is_in));
        self.untold.push(ticket);
    }

    /// An answer took so long.
    pub fn observe(&mut self, took: Duration) {
        if let Some(adaptive) = &mut self.adaptive {
            adaptive.observe(took, self.in_flight);
        }
    }

    /// A request was not answered in time.
    pub fn overloaded(&mut self) {
        if let Some(adaptive) = &mut self.adaptive {
            adaptive.overloaded();
        }
    }

    /// How long the one has waited who waits longest.
    fn has_waited(&self, now: Time) -> Duration {
        let oldest = self.lines.iter().filter_map(|line| line.front()).map(|waiting| waiting.since).min();
        oldest.map_or(Duration::ZERO, |since| now.since(since))
    }

    /// How long others may have waited for a class still to be let into the queue.
    fn patience(&self, class: Class) -> Duration {
        let classes = u32::from(Class::LOWEST.0) + 1;
        self.queue_time * (classes - u32::from(class.0)) / classes
    }

    /// Makes room in the queue, at the cost of the lowest class below this one.
    fn make_room(&mut self, class: Class, waiting: usize) -> bool {
        if waiting < self.queue_max as usize {
            return true;
        }
        let mut lower = self.lines[class.index() + 1..].iter_mut().rev();
        let Some(put_out) = lower.find_map(VecDeque::pop_back) else { return false };
        self.call(put_out.ticket, false);
        true
    }

    /// Who goes next; those whose time is over are passed by.
    fn next(&mut self, now: Time) -> Option<Ticket> {
        let hurry = self.queue_time / 2;
        for class in 0..Class::COUNT {
            while let Some(oldest) = self.lines[class].front() {
                let is_late = now.since(oldest.since) > hurry;
                let line = &mut self.lines[class];
                let Some(waiting) = (if is_late { line.pop_back() } else { line.pop_front() }) else { break };
                if waiting.until > now {
                    return Some(waiting.ticket);
                }
                self.call(waiting.ticket, false);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
