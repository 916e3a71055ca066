//! When each job is due, and which are handed out.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use floodway_blocks::Failure;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use crate::error::stopping;
use crate::sync::lock;

/// Names a job.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct JobKey {
    pub(crate) jobs: Arc<str>,
    pub(crate) owner: Arc<str>,
    pub(crate) name: String,
}

/// A job that was written or is over.
#[derive(Debug)]
pub(crate) struct JobChange {
    pub(crate) key: JobKey,
    /// Its version and when it is due, while it is there.
    pub(crate) now: Option<(u64, u64)>,
}

/// The times of all jobs.
#[derive(Debug)]
pub(crate) struct Board {
    limit: usize,
    count: AtomicUsize,
    places: Mutex<HashMap<PlaceName, Arc<Place>>>,
}

/// A component and an owner.
type PlaceName = (Arc<str>, Arc<str>);

/// The times of an owner's jobs.
#[derive(Debug, Default)]
pub(crate) struct Place {
    times: Mutex<Times>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Times {
    known: BTreeMap<String, Known>,
    /// Those that are not handed out, by their time.
    waiting: BTreeSet<(u64, String)>,
    /// Counts the openings: the last one holds.
    opening: u64,
}

#[derive(Debug)]
struct Known {
    version: u64,
    due: u64,
    is_out: bool,
}

/// What a look at a place finds.
#[derive(Debug)]
pub(super) enum Look {
    /// Names and versions; they are handed out now.
    Due(Vec<(String, u64)>),
    /// None is due before this time.
    Until(u64),
    /// There are none.
    Empty,
}

impl JobKey {
    pub(crate) fn new(jobs: &str, owner: &str, name: &str) -> Self {
        Self { jobs: jobs.into(), owner: owner.into(), name: name.to_owned() }
    }
}

impl Board {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, count: AtomicUsize::new(0), places: Mutex::default() }
    }

    /// The place of an owner, made if need be.
    pub(super) fn place(&self, jobs: &Arc<str>, owner: &str) -> Arc<Place> {
        let name = (Arc::clone(jobs), owner.into());
        Arc::clone(lock(&self.places).entry(name).or_default())
    }

    /// Whether there is room for a job beside those that are there and `more`.
    pub(crate) fn has_room(&self, more: usize) -> bool {
        self.count.load(Ordering::Acquire) + more < self.limit
    }

    /// The version of a job that is there.
    pub(crate) fn version(&self, key: &JobKey) -> Option<u64> {
        let name = (Arc::clone(&key.jobs), Arc::clone(&key.owner));
        let place = lock(&self.places).get(&name).cloned()?;
        lock(&place.times).known.get(&key.name).map(|known| known.version)
    }

    /// Takes over what a commit has written.
    pub(crate) fn apply(&self, changes: Vec<JobChange>) {
        for JobChange { key, now } in changes {
            let place = self.place(&key.jobs, &key.owner);
            let before = lock(&place.times).set(key.name, now);
            match (before, now) {
                (false, Some(_)) => {
                    self.count.fetch_add(1, Ordering::AcqRel);
                }
                (true, None) => {
                    self.count.fetch_sub(1, Ordering::AcqRel);
                }
                (false, None) | (true, Some(_)) => {}
            }
            place.changed.notify_waiters();
        }
    }

    /// Wakes all who wait.
    pub(crate) fn wake_all(&self) {
        let places: Vec<_> = lock(&self.places).values().cloned().collect();
        for place in places {
            place.changed.notify_waiters();
        }
    }
}

impl Place {
    /// Tells of the next change.
    pub(super) fn changed(&self) -> Notified<'_> {
        self.changed.notified()
    }

    pub(super) fn names(&self) -> Vec<String> {
        lock(&self.times).known.keys().cloned().collect()
    }

    /// Takes the place over: whoever had it before gets nothing more, and what it had is due again.
    pub(super) fn open(&self) -> u64 {
        let mut times = lock(&self.times);
        times.opening += 1;
        let Times { known, waiting, opening } = &mut *times;
        for (name, job) in known.iter_mut().filter(|(_, job)| job.is_out) {
            job.is_out = false;
            waiting.insert((job.due, name.clone()));
        }
        let opening = *opening;
        drop(times);
        self.changed.notify_waiters();
        opening
    }

    /// Hands out what is due.
    pub(super) fn take(&self, opening: u64, now_ms: u64, most: usize) -> Result<Look, Failure> {
        let mut times = lock(&self.times);
        if times.opening != opening {
            return Err(stopping());
        }
        let Some((first, _)) = times.waiting.first() else { return Ok(Look::Empty) };
        if *first > now_ms {
            return Ok(Look::Until(*first));
        }
        let mut due = Vec::new();
        while due.len() < most
            && times.waiting.first().is_some_and(|(at, _)| *at <= now_ms)
            && let Some((_, name)) = times.waiting.pop_first()
        {
            if let Some(known) = times.known.get_mut(&name) {
                known.is_out = true;
                due.push((name, known.version));
            }
        }
        Ok(Look::Due(due))
    }

    /// Takes back what was handed out and did not arrive.
    pub(super) fn give_back(&self, opening: u64, due: &[(String, u64)]) {
        let mut times = lock(&self.times);
        if times.opening != opening {
            return;
        }
        let Times { known, waiting, .. } = &mut *times;
        for (name, version) in due {
            if let Some(job) = known.get_mut(name).filter(|job| job.is_out && job.version == *version) {
                job.is_out = false;
                waiting.insert((job.due, name.clone()));
            }
        }
    }
}

impl Times {
    /// Sets a job or removes it; says whether it was there.
    fn set(&mut self, name: String, now: Option<(u64, u64)>) -> bool {
        let before = self.known.remove(&name);
        if let Some(before) = &before {
            self.waiting.remove(&(before.due, name.clone()));
        }
        if let Some((version, due)) = now {
            self.waiting.insert((due, name.clone()));
            self.known.insert(name, Known { version, due, is_out: false });
        }
        before.is_some()
    }
}
