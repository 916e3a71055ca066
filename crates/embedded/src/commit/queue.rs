//! The bounded queue in front of the committer.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use floodway_blocks::Failure;

use super::request::Request;
use crate::error::{overloaded, stopping};
use crate::sync::lock;
use crate::topics::group::Group;

/// How long settlements may stay unwritten when nothing else is written.
pub(crate) const PROGRESS_DELAY: Duration = Duration::from_millis(5);

/// Requests on their way to the committer.
#[derive(Debug)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    wake: Condvar,
    stopped: AtomicBool,
    depth_max: usize,
    bytes_max: usize,
}

#[derive(Debug, Default)]
struct Waiting {
    requests: Vec<Request>,
    bytes: usize,
    progress: Vec<Arc<Group>>,
    is_stopped: bool,
    committer_sleeps: bool,
}

/// What the committer takes.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) requests: Vec<Request>,
    /// Groups with settlements to write; empty while they are not due.
    pub(crate) progress: Vec<Arc<Group>>,
    /// Nothing more will come.
    pub(crate) is_last: bool,
}

impl Queue {
    pub(crate) fn new(depth_max: usize, bytes_max: usize) -> Self {
        Self {
            waiting: Mutex::default(),
            wake: Condvar::new(),
            stopped: AtomicBool::new(false),
            depth_max,
            bytes_max,
        }
    }

    /// Adds a request, or refuses it when the queue is full or the engine stops.
    pub(crate) fn push(&self, request: Request) -> Result<(), Failure> {
        let bytes = request.bytes();
        let mut waiting = lock(&self.waiting);
        if waiting.is_stopped {
            return Err(stopping());
        }
        let is_full = waiting.requests.len() >= self.depth_max
            || (waiting.bytes + bytes > self.bytes_max && !waiting.requests.is_empty());
        if is_full {
            return Err(overloaded());
        }
        waiting.requests.push(request);
        waiting.bytes += bytes;
        self.wake_committer(waiting);
        Ok(())
    }

    /// Notes that the group has settlements to write.
    pub(crate) fn note_progress(&self, group: &Arc<Group>) {
        if group.mark_dirty() {
            let mut waiting = lock(&self.waiting);
            waiting.progress.push(Arc::clone(group));
            self.wake_committer(waiting);
        }
    }

    /// Waits for requests or due settlements.
    pub(crate) fn take(&self, progress_is_due: bool) -> Taken {
        let mut waiting = lock(&self.waiting);
        let mut is_due = progress_is_due;
        loop {
            let has_progress = !waiting.progress.is_empty();
            let ready = !waiting.requests.is_empty() || waiting.is_stopped || (has_progress && is_due);
            if ready {
                break;
            }
            waiting.committer_sleeps = true;
            if has_progress {
                let waited = self.wake.wait_timeout(waiting, PROGRESS_DELAY);
                let (guard, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
                waiting = guard;
                is_due = timeout.timed_out();
            } else {
                waiting = self.wake.wait(waiting).unwrap_or_else(PoisonError::into_inner);
            }
            waiting.committer_sleeps = false;
        }
        let is_last = waiting.is_stopped;
        waiting.bytes = 0;
        Taken {
            requests: std::mem::take(&mut waiting.requests),
            progress: if is_due || is_last { std::mem::take(&mut waiting.progress) } else { Vec::new() },
            is_last,
        }
    }

    /// Takes no more requests; those that wait are still made.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        lock(&self.waiting).is_stopped = true;
        self.wake.notify_all();
    }

    /// Takes no more requests and drops those that wait.
    pub(crate) fn abandon(&self) {
        self.stop();
        let mut waiting = lock(&self.waiting);
        let requests = std::mem::take(&mut waiting.requests);
        waiting.progress.clear();
        drop(waiting);
        drop(requests);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    fn wake_committer(&self, mut waiting: std::sync::MutexGuard<'_, Waiting>) {
        let sleeps = std::mem::take(&mut waiting.committer_sleeps);
        drop(waiting);
        if sleeps {
            self.wake.notify_one();
        }
    }
}
