//! The committer: one thread that makes every change.
//!
//! It takes all requests that wait, checks their preconditions in order ([`plan`]), writes one frame,
//! syncs once if anyone needs it, makes the changes visible, and only then answers. While it syncs, the
//! next requests gather: that is the whole of group commit.

pub(crate) mod plan;
pub(crate) mod queue;
pub(crate) mod request;

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use floodway_blocks::Failure;
use floodway_blocks::topics::Received;

use self::plan::{Effects, Opened, Plan, Planned};
use self::queue::{PROGRESS_DELAY, Taken};
use self::request::Request;
use crate::clock::monotonic;
use crate::error::io_failure;
use crate::locks::Leases;
use crate::log::{FrameBuffer, Log, Written};
use crate::shared::Shared;
use crate::topics::group::Group;
use crate::topics::{TailBudget, Topic};
use crate::view::Edit;

/// A frame is closed when it has reached this size; one large transaction may exceed it.
const FRAME_BYTES: usize = 1 << 20;

/// The thread's state.
#[derive(Debug)]
pub(crate) struct Committer {
    core: Arc<Shared>,
    log: Log,
    leases: Leases,
    tail: TailBudget,
    frame: Option<FrameBuffer>,
    progress_written: Instant,
}

impl Committer {
    pub(crate) fn new(core: Arc<Shared>, log: Log, leases: Leases) -> Self {
        let tail = TailBudget::new(core.limits.tail_bytes);
        let frame = Some(FrameBuffer::new());
        Self { core, log, leases, tail, frame, progress_written: monotonic() }
    }

    /// As [`Committer::run`]; if that panics, the queue takes no more requests and drops those it holds,
    /// so that nobody waits for an answer that cannot come.
    pub(crate) fn run_guarded(self) -> Log {
        let _abandon = AbandonQueue(Arc::clone(&self.core));
        self.run()
    }

    /// Works until the queue is stopped and empty; gives the log back.
    fn run(mut self) -> Log {
        loop {
            let is_due = self.progress_written.elapsed() >= PROGRESS_DELAY;
            let Taken { requests, mut progress, is_last } = self.core.queue.take(is_due);
            if !progress.is_empty() {
                self.progress_written = monotonic();
            }
            let mut requests = VecDeque::from(requests);
            while !requests.is_empty() || !progress.is_empty() {
                self.commit(&mut requests, &std::mem::take(&mut progress));
            }
            if is_last {
                return self.log;
            }
        }
    }

    fn commit(&mut self, requests: &mut VecDeque<Request>, progress: &[Arc<Group>]) {
        let core = Arc::clone(&self.core);
        let frame = self.frame.take().unwrap_or_else(FrameBuffer::new);
        let mut plan = Plan::new(&core, &mut self.leases, frame, self.log.next());
        for group in progress {
            plan.progress(group);
        }
        while plan.frame_len() < FRAME_BYTES {
            let Some(request) = requests.pop_front() else { break };
            plan.add(request);
        }
        let Planned { mut frame, effects } = plan.finish();
        let written = self.write(&mut frame, effects.sync);
        frame.clear();
        self.frame = Some(frame);
        let Effects { edits, messages, opened, forgotten, buried, jobs, first_due, answers, .. } = effects;
        let outcome = written.and_then(|written| {
            self.show(edits)?;
            for group in &forgotten {
                group.topic.remove_group(&group.name);
            }
            if let Some(written) = written {
                self.publish(&written, messages, opened);
            }
            Ok(())
        });
        if outcome.is_ok() {
            for (group, position) in &buried {
                group.settle(*position);
            }
            core.jobs.apply(jobs);
            if let Some(due) = first_due {
                core.alarm.note(due);
            }
        } else {
            self.leases.undo();
            for group in &forgotten {
                group.go_on();
            }
            for group in progress {
                self.core.queue.note_progress(group);
            }
        }
        self.leases.keep();
        for answer in answers {
            answer.send(&outcome);
        }
    }

    /// Writes the frame, and syncs it if need be.
    fn write(&mut self, frame: &mut FrameBuffer, sync: bool) -> Result<Option<Written>, Failure> {
        if frame.ops() == 0 {
            return Ok(None);
        }
        let written = self.log.append(frame).map_err(failed("append to the log"))?;
        if sync {
            self.log.sync().map_err(failed("sync the log"))?;
        }
        Ok(Some(written))
    }

    /// Makes a written commit's edits visible.
    fn show(&self, edits: Vec<Edit>) -> Result<(), Failure> {
        if edits.is_empty() {
            return Ok(());
        }
        self.core.view.apply(edits).map_err(|error| {
            // What is in the log but cannot be shown must not be built upon.
            self.log.refuse_writes(&error);
            failed("apply a commit to the state")(error)
        })
    }

    /// Makes a written commit's messages and groups visible, and wakes receivers.
    fn publish(&mut self, written: &Written, messages: Vec<(Arc<Topic>, Received)>, opened: Vec<Opened>) {
        for (topic, name, cursor) in opened {
            topic.add_group(&name, cursor, Vec::new());
        }
        let mut published: Vec<Arc<Topic>> = Vec::new();
        for (topic, message) in messages {
            written.segment.note(topic.id, message.position.0, written.offset);
            if !published.last().is_some_and(|last| Arc::ptr_eq(last, &topic)) {
                published.push(Arc::clone(&topic));
            }
            self.tail.append(&topic, message);
        }
        written.segment.extend(written.last);
        self.core.applied.store(written.last, Ordering::Release);
        for topic in published {
            topic.published.notify_waiters();
        }
    }
}

/// Lets go of everyone who waits when the thread ends, however it ends.
struct AbandonQueue(Arc<Shared>);

impl Drop for AbandonQueue {
    fn drop(&mut self) {
        self.0.queue.abandon();
        self.0.wake_receivers();
    }
}

fn failed(attempt: &'static str) -> impl FnOnce(io::Error) -> Failure {
    move |error| io_failure(attempt, &Arc::new(error))
}
