//! The clocks of the API: wall time for what outlives the process, monotonic time for waits.
#![expect(clippy::disallowed_methods, reason = "this is the clock")]

use std::time::{Duration, Instant, SystemTime};

use floodway_policy::Time;
use floodway_policy::calendar::Moment;

/// Wall time now.
pub(crate) fn wall() -> SystemTime {
    SystemTime::now()
}

/// Wall time now, as decisions have it.
pub(crate) fn moment() -> Moment {
    let since = wall().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Moment(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// A moment as RFC 3339 in UTC, to the microsecond; nothing where the calendar does not reach.
pub(crate) fn rfc3339(moment: SystemTime) -> Option<String> {
    let timestamp = jiff::Timestamp::try_from(moment).ok()?;
    Some(format!("{timestamp:.6}"))
}

/// Monotonic time since the clock was started.
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

    /// When a moment of wall time comes, as far as the wall clock now tells.
    pub(crate) fn of_wall(self, moment: SystemTime) -> Time {
        let left = moment.duration_since(wall()).unwrap_or(Duration::ZERO);
        self.now().after(left)
    }
}
