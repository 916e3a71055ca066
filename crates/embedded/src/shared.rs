//! What the handles, the committer and the background threads share.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use floodway_blocks::Failure;
use tokio::sync::oneshot;

use crate::clock::Clock;
use crate::commit::queue::Queue;
use crate::commit::request::Request;
use crate::error::stopping;
use crate::jobs::Board;
use crate::options::Limits;
use crate::topics::Registry;
use crate::topics::later::{Alarm, LATER, due_of};
use crate::topics::reader::Reader;
use crate::view::{SharedView, Space};

/// The store of the names of messages that are published once.
pub(crate) const SEEN: &str = "$seen";

/// The engine behind the ports.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) queue: Queue,
    pub(crate) view: SharedView,
    pub(crate) registry: Registry,
    pub(crate) jobs: Board,
    pub(crate) reader: Reader,
    pub(crate) clock: Clock,
    pub(crate) limits: Limits,
    /// When the first message for later is due.
    pub(crate) alarm: Alarm,
    pub(crate) spaces: Spaces,
    /// The last operation that the view holds.
    pub(crate) applied: AtomicU64,
}

/// The engine's own stores.
#[derive(Debug)]
pub(crate) struct Spaces {
    /// Messages for later.
    pub(crate) later: Space,
    /// The names of messages that are published once.
    pub(crate) seen: Space,
}

impl Spaces {
    /// Opens them.
    pub(crate) fn open(view: &SharedView) -> io::Result<Self> {
        Ok(Self { later: view.space(LATER)?, seen: view.space(SEEN)? })
    }

    /// When the first message for later is due.
    pub(crate) fn first_due(&self, view: &SharedView) -> io::Result<Option<u64>> {
        let first = view.range(self.later, b"", b"~", 1)?;
        Ok(first.first().and_then(|(key, _)| due_of(key)))
    }
}

impl Shared {
    /// Sends a request to the committer and waits for its answer. If the caller goes away, the request
    /// is made all the same.
    pub(crate) async fn ask<T>(
        self: &Arc<Self>,
        request: impl FnOnce(oneshot::Sender<T>) -> Request,
    ) -> Result<T, Failure> {
        let (reply, answer) = oneshot::channel();
        self.queue.push(request(reply))?;
        answer.await.map_err(|_closed| stopping())
    }

    /// Refuses if the engine is stopping.
    pub(crate) fn check_open(&self) -> Result<(), Failure> {
        if self.queue.is_stopped() { Err(stopping()) } else { Ok(()) }
    }

    /// Wakes every receiver, so that it sees that the engine stops.
    pub(crate) fn wake_receivers(&self) {
        for topic in self.registry.all() {
            topic.published.notify_waiters();
        }
        self.jobs.wake_all();
    }
}
