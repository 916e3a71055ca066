//! What the handles, the committer and the background threads share.

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
use crate::topics::reader::Reader;
use crate::view::SharedView;

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
    /// The last operation that the view holds.
    pub(crate) applied: AtomicU64,
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
