//! The worker's monotonic clock: the only place of this crate that reads one.
#![expect(clippy::disallowed_methods, reason = "this is the clock")]

use std::time::{Duration, Instant};

use floodway_policy::Time;
use floodway_policy::http_cache::Wall;

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

    /// The time of day; a clock before 1970 stands at its beginning.
    #[expect(clippy::unused_self, reason = "a test could hand in another clock")]
    pub(crate) fn wall(self) -> Wall {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Wall(since.ok().and_then(|since| i64::try_from(since.as_secs()).ok()).unwrap_or_default())
    }

    /// The time of day, finer.
    #[expect(clippy::unused_self, reason = "a test could hand in another clock")]
    pub(crate) fn since_1970(self) -> Duration {
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default()
    }

    /// The same moment for the runtime's timers.
    pub(crate) fn instant(self, time: Time) -> tokio::time::Instant {
        let after = Duration::from_nanos(time.nanos());
        let far = || self.origin + Duration::from_hours(24 * 365);
        self.origin.checked_add(after).unwrap_or_else(far).into()
    }
}
