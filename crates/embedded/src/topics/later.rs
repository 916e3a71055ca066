//! Messages for later. Until its time a message is a value of a store of the engine's own, by its time, so that any
//! number of them may wait on disk; then one commit appends it to its topic and removes the value.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use floodway_blocks::Failure;

use crate::commit::request::Request;
use crate::error::stopping;
use crate::shared::Shared;
use crate::sync::lock;

/// The store of messages for later.
pub(crate) const LATER: &str = "$later";
/// The longest sleep while something is due: the wall clock may be set.
const SLEEP_MAX: Duration = Duration::from_secs(1);

/// The key of a message that is due then and was published as operation `number`: they sort by time.
pub(crate) fn later_key(due: u64, number: u64) -> String {
    format!("{due:020}{number:020}")
}

/// When a message is due, by its key.
pub(crate) fn due_of(key: &[u8]) -> Option<u64> {
    std::str::from_utf8(key.get(..20)?).ok()?.parse().ok()
}

/// Says when the first message is due.
#[derive(Debug)]
pub(crate) struct Alarm {
    state: Mutex<AlarmState>,
    changed: Condvar,
}

#[derive(Debug)]
struct AlarmState {
    /// `u64::MAX` for never.
    due: u64,
    is_stopped: bool,
}

// === impl Alarm ===

impl Alarm {
    pub(crate) fn new(due: Option<u64>) -> Self {
        let state = AlarmState { due: due.unwrap_or(u64::MAX), is_stopped: false };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// A message is due then.
    pub(crate) fn note(&self, due: u64) {
        let mut state = lock(&self.state);
        if due < state.due {
            state.due = due;
            drop(state);
            self.changed.notify_all();
        }
    }

    /// Wakes whoever waits, for good.
    pub(crate) fn stop(&self) {
        lock(&self.state).is_stopped = true;
        self.changed.notify_all();
    }

    /// Waits until a message is due, which is forgotten then; `false` to stop.
    fn wait(&self, now_ms: impl Fn() -> u64) -> bool {
        let mut state = lock(&self.state);
        loop {
            if state.is_stopped {
                return false;
            }
            let now = now_ms();
            if state.due <= now {
                state.due = u64::MAX;
                return true;
            }
            state = if state.due == u64::MAX {
                self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
            } else {
                let pause = Duration::from_millis(state.due - now).min(SLEEP_MAX);
                self.changed.wait_timeout(state, pause).unwrap_or_else(PoisonError::into_inner).0
            };
        }
    }
}

/// Starts the thread that asks for what is due. It ends after [`Alarm::stop`].
pub(crate) fn start(core: Arc<Shared>) -> std::io::Result<JoinHandle<()>> {
    let run = move || {
        while core.alarm.wait(|| core.clock.now_ms()) {
            match release(&core) {
                Ok(next) => core.alarm.note(next.unwrap_or(u64::MAX)),
                Err(Failure::Stopping { .. }) => return,
                Err(error) => {
                    tracing::error!(%error, "messages that are due wait a little longer");
                    core.alarm.note(core.clock.now_ms().saturating_add(1000));
                }
            }
        }
    };
    std::thread::Builder::new().name("floodway-later".into()).spawn(run)
}

/// Publishes messages that are due; says when the next one is.
pub(crate) fn release(core: &Shared) -> Result<Option<u64>, Failure> {
    let (reply, answer) = tokio::sync::oneshot::channel();
    core.queue.push(Request::Release { reply })?;
    answer.blocking_recv().map_err(|_closed| stopping())?
}
