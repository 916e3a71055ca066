//! A job: something that an app wants to be told of at a time, once or again and again.
//!
//! ```text
//! JobPlan::read ─▶ first ─▶ Run ─(the app is told)─▶ after(outcome) ─▶ again at … ─▶ … ─▶ over
//! ```
//! A run that was missed, because the node or the app was not there, is caught up once: times that went
//! by before it began are its own. As in Dapr's scheduler, a failed run is tried again by the job's
//! failure policy, three times a second apart where it has none.

use core::fmt;
use core::time::Duration;

use crate::calendar::{Moment, Zone};
use crate::retry::Backoff;
use crate::rng::Rng;
use crate::schedule::{PointError, Schedule, ScheduleError, point};

/// What a job says of its times, as its author wrote it.
#[derive(Debug, Clone, Copy, Default)]
pub struct JobTimes<'a> {
    /// When it is due again and again.
    pub schedule: Option<&'a str>,
    /// When it is due first.
    pub due: Option<&'a str>,
    /// The most runs.
    pub repeats: Option<u32>,
    /// When it ends; a duration counts from the first run, where `due` says when that is, else from now.
    pub ttl: Option<&'a str>,
}

/// What follows a run that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailurePolicy {
    /// Nothing: the run is over.
    Drop,
    /// It is tried again.
    Constant {
        /// The wait before each try.
        interval: Duration,
        /// Tries after the first; `None` for as many as it takes.
        retries_max: Option<u32>,
    },
}

/// When a job runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobPlan {
    schedule: Option<Schedule>,
    created: Moment,
    due: Option<Moment>,
    repeats: Option<u32>,
    expires: Option<Moment>,
    failure: FailurePolicy,
}

/// Why a job cannot be planned; says so to its author.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlanError {
    /// It has neither a schedule nor a time.
    NoTime,
    /// It repeats without a schedule.
    RepeatsOnce,
    /// It has no run at all.
    NoRepeats,
    /// It ends without a schedule.
    TtlOfOne,
    /// It ends before it is due.
    EndsBefore,
    /// Its schedule is none.
    Schedule(ScheduleError),
    /// Its time is none.
    Due(PointError),
    /// Its end is none.
    Ttl(PointError),
}

/// One run of a job, to come or under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// When the job's times say it is due.
    pub due: Moment,
    /// When it is to be tried: later than `due` after a failure.
    pub at: Moment,
    /// Runs that are over.
    pub runs: u32,
    /// Tries of this one that failed.
    pub failures: u32,
}

/// How a try ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The app took it.
    Done,
    /// The app has no such job (404): as done.
    NotFound,
    /// The app answered otherwise, or not in time.
    Failed,
}

/// What comes after a try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Another try or run.
    Again(Run),
    /// The job is over: nothing of it is kept.
    Over,
}

impl Default for FailurePolicy {
    /// As Dapr's scheduler: three more tries, a second apart.
    fn default() -> Self {
        Self::Constant { interval: Duration::from_secs(1), retries_max: Some(3) }
    }
}

// === impl JobPlan ===

impl JobPlan {
    /// Reads a job that was made at `created`.
    pub fn read(times: JobTimes<'_>, failure: FailurePolicy, created: Moment) -> Result<Self, PlanError> {
        let JobTimes { schedule, due, repeats, ttl } = times;
        if schedule.is_none() && due.is_none() {
            return Err(PlanError::NoTime);
        }
        if schedule.is_none() && repeats.is_some_and(|repeats| repeats > 1) {
            return Err(PlanError::RepeatsOnce);
        }
        if repeats == Some(0) {
            return Err(PlanError::NoRepeats);
        }
        if schedule.is_none() && ttl.is_some() {
            return Err(PlanError::TtlOfOne);
        }
        let schedule = schedule.map(Schedule::parse).transpose().map_err(PlanError::Schedule)?;
        let due = due.map(|due| point(due, created)).transpose().map_err(PlanError::Due)?;
        let expires =
            ttl.map(|ttl| point(ttl, due.unwrap_or(created))).transpose().map_err(PlanError::Ttl)?;
        if due.zip(expires).is_some_and(|(due, expires)| due > expires) {
            return Err(PlanError::EndsBefore);
        }
        Ok(Self { schedule, created, due, repeats, expires, failure })
    }

    /// The zone that its schedule counts in; `None` for UTC.
    pub fn zone(&self) -> Option<&str> {
        self.schedule.as_ref().and_then(Schedule::zone)
    }

    /// The first run; `None` where it would come after the job's end.
    pub fn first(&self, zone: &dyn Zone) -> Option<Run> {
        let by_schedule = || self.schedule.as_ref()?.next(self.created, self.created, zone);
        let due = self.due.or_else(by_schedule)?;
        self.lives(due).then_some(Run { due, at: due, runs: 0, failures: 0 })
    }

    /// What follows a try that began at `began` and has ended at `now`.
    pub fn after(&self, run: Run, outcome: Outcome, began: Moment, now: Moment, zone: &dyn Zone) -> Next {
        match (outcome, self.failure) {
            (Outcome::Failed, FailurePolicy::Constant { interval, retries_max })
                if retries_max.is_none_or(|most| run.failures < most) =>
            {
                let failures = run.failures.saturating_add(1);
                Next::Again(Run { at: now.after(interval), failures, ..run })
            }
            (Outcome::Done | Outcome::NotFound | Outcome::Failed, _) => self.next(run, began, zone),
        }
    }

    fn next(&self, run: Run, began: Moment, zone: &dyn Zone) -> Next {
        let runs = run.runs.saturating_add(1);
        if self.repeats.is_some_and(|most| runs >= most) {
            return Next::Over;
        }
        let due = self.schedule.as_ref().and_then(|it| it.next(run.due, began.max(run.due), zone));
        match due.filter(|due| self.lives(*due)) {
            Some(due) => Next::Again(Run { due, at: due, runs, failures: 0 }),
            None => Next::Over,
        }
    }

    fn lives(&self, at: Moment) -> bool {
        self.expires.is_none_or(|expires| at <= expires)
    }
}

/// The wait before a run is tried again that reached no replica: that is no failure of the job.
pub fn unreachable_wait(tries: u32, rng: &mut Rng) -> Duration {
    UNREACHABLE.wait(tries, rng)
}

/// As for messages: a replica may be back any moment.
const UNREACHABLE: Backoff = Backoff { initial: Duration::from_millis(50), max: Duration::from_secs(2) };

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTime => f.write_str("a job needs a schedule or a due time"),
            Self::RepeatsOnce => f.write_str("a job without a schedule runs once: it cannot repeat"),
            Self::NoRepeats => f.write_str("repeats must be at least 1"),
            Self::TtlOfOne => f.write_str("a job without a schedule runs once: it has no ttl"),
            Self::EndsBefore => f.write_str("the ttl ends before the job is due"),
            Self::Schedule(error) => write!(f, "schedule: {error}"),
            Self::Due(error) => write!(f, "due time: {error}"),
            Self::Ttl(error) => write!(f, "ttl: {error}"),
        }
    }
}

impl core::error::Error for PlanError {}

#[cfg(test)]
mod tests;
