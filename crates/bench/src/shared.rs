//! What the driver and the slots share: the requests to come, the slots that wait, the record so far.

use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use floodway_workload::{Failure, Observation, Recorder, Retry, Schedule, Time};
use tokio::sync::{Notify, oneshot};

use crate::clock::Clock;
use crate::error::LoadError;
use crate::journal::Journal;
use crate::request::{Prepared, Requests};

/// What they share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) clock: Clock,
    pub(crate) target: SocketAddr,
    pub(crate) timeout: Duration,
    pub(crate) retry: Retry,
    /// Bytes wanted of each answer's body.
    pub(crate) keep_bytes: usize,
    /// Rings when the driver has reason to look again: a slot waits, or there is nothing more to do.
    pub(crate) turned: Notify,
    /// Never held over an await.
    state: Mutex<State>,
}

/// The part that changes.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) requests: Requests,
    pub(crate) schedule: Schedule,
    /// Requests there are.
    pub(crate) total: u64,
    /// Requests taken so far.
    pub(crate) taken: u64,
    pub(crate) slots: u32,
    pub(crate) slots_max: u32,
    /// Slots that wait for a request. The last to come is the first to go: its connection is warm.
    pub(crate) idle: Vec<oneshot::Sender<Job>>,
    pub(crate) recorder: Recorder,
    pub(crate) journal: Option<Journal>,
    /// When the last request ended.
    pub(crate) ended: Time,
    /// Why the load cannot go on.
    pub(crate) error: Option<LoadError>,
}

/// A request to send now.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) request: Box<Prepared>,
    /// When it was meant to start.
    pub(crate) intended: Time,
    /// Since when it could have started.
    pub(crate) room_since: Time,
}

/// What became of a job.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) row: u64,
    pub(crate) seen: Observation,
    pub(crate) body: Vec<u8>,
}

/// What a slot does next.
#[derive(Debug)]
pub(crate) enum Next {
    Send(Job),
    /// Nothing is due: wait to be given a job, or to be told that there are none by the other end's drop.
    Wait(oneshot::Receiver<Job>),
    End,
}

/// What the driver does next.
#[derive(Debug)]
pub(crate) enum Turn {
    /// A waiting slot was given what was due: look again.
    Given,
    /// Start a slot with this.
    Start(Job),
    /// Something is due, but there is no room for it.
    Full,
    /// Nothing is due before then.
    SleepUntil(Time),
    /// All requests are taken, or the load cannot go on.
    Done,
}

enum Due {
    Now(Job),
    At(Time),
    Never,
}

// === impl Shared ===

impl Shared {
    /// For one run; the clock has started.
    pub(crate) fn new(
        state: State,
        clock: Clock,
        target: SocketAddr,
        timeout: Duration,
        retry: Retry,
    ) -> Self {
        let keep_bytes = if state.journal.is_some() { Journal::BODY_BYTES_MAX } else { 0 };
        let turned = Notify::new();
        Self { clock, target, timeout, retry, keep_bytes, turned, state: Mutex::new(state) }
    }

    /// The state. Hold it shortly: all slots want it.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds the state")
    }

    /// Adds an attempt without an answer.
    pub(crate) fn failed(&self, failure: Failure) {
        self.state().recorder.record_failure(failure);
    }

    /// Adds a job that has ended, and says what its slot does next.
    pub(crate) fn ended(&self, ended: &Ended) -> Next {
        let mut state = self.state();
        state.record(ended);
        let next = state.next(ended.seen.ended);
        drop(state);
        if !matches!(next, Next::Send(_)) {
            self.turned.notify_one();
        }
        next
    }
}

// === impl State ===

impl State {
    /// Gives out what is due, if there is room for it.
    pub(crate) fn turn(&mut self, now: Time) -> Turn {
        let has_room = self.has_room();
        if !has_room && !self.is_done() {
            return Turn::Full;
        }
        match self.due(now) {
            Due::Never => Turn::Done,
            Due::At(then) => Turn::SleepUntil(then),
            Due::Now(job) => self.give(job),
        }
    }

    fn give(&mut self, mut job: Job) -> Turn {
        while let Some(slot) = self.idle.pop() {
            match slot.send(job) {
                Ok(()) => return Turn::Given,
                // A slot that ended while it waited.
                Err(back) => job = back,
            }
        }
        self.slots += 1;
        Turn::Start(job)
    }

    /// What a slot that has just become free does next.
    fn next(&mut self, now: Time) -> Next {
        match self.due(now) {
            Due::Now(job) => Next::Send(job),
            Due::Never => Next::End,
            Due::At(_) => {
                let (slot, job) = oneshot::channel();
                self.idle.push(slot);
                Next::Wait(job)
            }
        }
    }

    fn due(&mut self, now: Time) -> Due {
        if self.is_done() {
            return Due::Never;
        }
        let intended = self.schedule.intended(self.taken);
        if let Some(intended) = intended
            && intended > now
        {
            return Due::At(intended);
        }
        match self.requests.next() {
            Ok(Some(request)) => {
                self.taken += 1;
                let intended = intended.unwrap_or(now);
                let room_since = if self.has_room() { intended } else { now };
                Due::Now(Job { request: Box::new(request), intended, room_since })
            }
            Ok(None) => {
                // The file has become shorter since its rows were counted.
                self.total = self.taken;
                Due::Never
            }
            Err(error) => {
                self.error = Some(error);
                Due::Never
            }
        }
    }

    const fn is_done(&self) -> bool {
        self.taken >= self.total || self.error.is_some()
    }

    const fn has_room(&self) -> bool {
        !self.idle.is_empty() || self.slots < self.slots_max
    }

    fn record(&mut self, ended: &Ended) {
        self.recorder.record(&ended.seen);
        self.ended = self.ended.max(ended.seen.ended);
        if let Some(journal) = &mut self.journal
            && let Err(error) = journal.add(ended.row, &ended.seen, &ended.body)
        {
            self.error.get_or_insert(error);
        }
    }
}
