//! The worker's monotonic clock: the only place of this crate that reads one.
#![expect(clippy::disallowed_methods, reason = "this is the clock")]

use std::time::{Duration, Instant};

use floodway_policy::Time;

/// Time since a worker started. All clocks copied from one agree.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    origin: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { origin: Instant::now() }
    }

    pub(crate) fn now(self) -> Time {
        Time::ZERO.after(self.origin.elapsed())
    }

    /// The same moment for the runtime's timers.
    pub(crate) fn instant(self, time: Time) -> tokio::time::Instant {
        let after = Duration::from_nanos(time.nanos());
        let far = || self.origin + Duration::from_hours(24 * 365);
        self.origin.checked_add(after).unwrap_or_else(far).into()
    }
}
