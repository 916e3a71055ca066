//! Monotonic time: the only place of this crate that reads it.

use std::time::Duration;

use floodway_workload::Time;
use tokio::time::Instant;

/// Time since the start of a load.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    origin: Instant,
}

impl Clock {
    /// Starts now.
    pub(crate) fn start() -> Self {
        Self { origin: Instant::now() }
    }

    /// Time since the start.
    pub(crate) fn now(&self) -> Time {
        Time::ZERO.after(self.origin.elapsed())
    }

    /// The moment `wait` after `time`, as the runtime knows it; a year after the start where it cannot.
    pub(crate) fn instant(&self, time: Time, wait: Duration) -> Instant {
        const YEAR: Duration = Duration::from_hours(365 * 24);
        let since = time.after(wait).since(Time::ZERO).min(YEAR);
        self.origin + since
    }
}
