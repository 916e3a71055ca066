//! The owner of a worker's tasks: whatever runs beside the listener is spawned and joined here.
#![expect(clippy::disallowed_methods, reason = "this is the task owner")]

use std::future::Future;

use tokio_util::task::TaskTracker;

/// Tasks of one worker's thread. Cheap to clone; clones own the same tasks.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tasks {
    tracker: TaskTracker,
}

impl Tasks {
    /// Runs a future on this thread.
    pub(crate) fn spawn(&self, future: impl Future<Output = ()> + 'static) {
        drop(tokio::task::spawn_local(self.tracker.track_future(future)));
    }

    /// Waits until all have ended. New ones may still come.
    pub(crate) async fn finished(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }
}

/// Lets hyper's HTTP/2 run its streams on this thread.
impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for Tasks {
    fn execute(&self, future: F) {
        self.spawn(future);
    }
}
