//! Runs a load from its first request to its last answer.

use std::net::SocketAddr;
use std::panic::resume_unwind;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use floodway_workload::{Load, Recorder, Report, RequestTemplate, Rows, Time};
use tokio::task::{JoinSet, yield_now};
use tokio::time::{MissedTickBehavior, interval};

use crate::clock::Clock;
use crate::error::LoadError;
use crate::journal::Journal;
use crate::request::Requests;
use crate::shared::{Shared, State, Turn};
use crate::slot::Slot;
use crate::timer::Timer;

/// How far a load is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Requests there are.
    pub total: u64,
    /// Requests that have ended.
    pub ended: u64,
    /// Those of them that were answered with 2xx.
    pub accepted: u64,
    /// Requests that were started and have not ended.
    pub in_flight: u64,
    /// Time since the start.
    pub elapsed: Duration,
}

const PROGRESS_EVERY: Duration = Duration::from_millis(100);

/// Above one request in this time, requests start in groups: each wake-up costs more than the requests,
/// and what the generator burns is missing to the system beside it.
const SLEEP_MIN: Duration = Duration::from_micros(200);

/// Runs a load against an address, on the runtime it is called from; a current-thread one is enough.
///
/// All rows are read once before the first request is sent, so a bad one fails the load before it
/// starts. With a `journal`, each request leaves a line there: `row,status,attempts,latency_us,body`.
/// `progress` is called ten times a second and once at the end.
///
/// Dropping the future closes all connections and stops the load; the journal then has the requests
/// that had ended.
pub async fn run(
    load: &Load,
    target: SocketAddr,
    journal: Option<&Path>,
    progress: impl Fn(Progress),
) -> Result<Report, LoadError> {
    let total = count(&load.rows, &load.request, target).await?;
    let timer = Timer::new()?;
    let state = State {
        requests: Requests::open(&load.rows, &load.request, target)?,
        schedule: load.schedule(),
        total,
        taken: 0,
        slots: 0,
        slots_max: load.concurrency.max(1),
        idle: Vec::new(),
        recorder: Recorder::new(),
        journal: journal.map(Journal::create).transpose()?,
        ended: Time::ZERO,
        error: None,
    };
    let shared = Arc::new(Shared::new(state, Clock::start(), target, load.timeout, load.retry));
    let mut driver = pin!(drive(&shared, &timer));
    let mut tick = interval(PROGRESS_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            done = &mut driver => break done?,
            _ = tick.tick() => progress(shared.progress()),
        }
    }
    progress(shared.progress());
    shared.state().finish()
}

/// Counts the rows and makes each a request to see that it can be sent.
async fn count(rows: &Rows, request: &RequestTemplate, target: SocketAddr) -> Result<u64, LoadError> {
    const ROWS_AT_ONCE: u64 = 4_096;
    let mut requests = Requests::open(rows, request, target)?;
    let mut count = 0;
    // Rows that only have a number are all alike.
    let look_at = if let Rows::Repeat(_) = rows { 1 } else { u64::MAX };
    while count < look_at && requests.next()?.is_some() {
        count += 1;
        if count.is_multiple_of(ROWS_AT_ONCE) {
            yield_now().await;
        }
    }
    match rows {
        Rows::Replay(path) if count == 0 => Err(LoadError::Empty { rows: path.display().to_string() }),
        Rows::Repeat(0) => Err(LoadError::Empty { rows: "`repeat: 0`".into() }),
        Rows::Replay(_) => Ok(count),
        Rows::Repeat(count) => Ok(*count),
    }
}

/// Gives out requests as they fall due, then waits for the last answers.
async fn drive(shared: &Arc<Shared>, timer: &Timer) -> Result<(), LoadError> {
    let mut slots = JoinSet::new();
    let mut woke = Time::ZERO;
    loop {
        let turn = shared.state().turn(shared.clock.now());
        match turn {
            Turn::Given => {}
            Turn::Start(job) => drop(slots.spawn(Slot::new(Arc::clone(shared)).work(job))),
            Turn::Full => shared.turned.notified().await,
            Turn::SleepUntil(then) => {
                timer.sleep_until(then.max(woke.after(SLEEP_MIN)), shared.clock).await?;
                woke = shared.clock.now();
            }
            Turn::Done => break,
        }
    }
    shared.state().idle.clear();
    // Where the load cannot go on, dropping the slots stops them.
    while !shared.has_failed()
        && let Some(ended) = slots.join_next().await
    {
        if let Err(error) = ended
            && error.is_panic()
        {
            resume_unwind(error.into_panic());
        }
    }
    Ok(())
}

// === impl Shared ===

impl Shared {
    fn has_failed(&self) -> bool {
        self.state().error.is_some()
    }

    fn progress(&self) -> Progress {
        let state = self.state();
        let ended = state.recorder.len();
        Progress {
            total: state.total,
            ended,
            accepted: state.recorder.accepted(),
            in_flight: state.taken - ended,
            elapsed: self.clock.now().since(Time::ZERO),
        }
    }
}

// === impl State ===

impl State {
    fn finish(&mut self) -> Result<Report, LoadError> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        if let Some(journal) = &mut self.journal {
            journal.flush()?;
        }
        Ok(self.recorder.report(self.ended.since(Time::ZERO)))
    }
}
