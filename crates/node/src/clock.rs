//! The node's monotonic clock.

use std::time::Instant;

use floodway_policy::Time;

/// Counts from its own making. Copies agree with each other.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    origin: Instant,
}

// === impl Clock ===

impl Clock {
    /// A clock that shows [`Time::ZERO`] now.
    #[expect(clippy::disallowed_methods, reason = "this is the place where time is read")]
    pub fn start() -> Self {
        Self { origin: Instant::now() }
    }

    /// The moment.
    pub fn now(self) -> Time {
        Time::ZERO.after(self.origin.elapsed())
    }
}
