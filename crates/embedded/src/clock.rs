//! Wall time: the only place that reads it. Expiry and leases outlive a restart, so they are kept as
//! milliseconds since the Unix epoch, not as monotonic time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Where the engine reads wall time.
#[derive(Debug, Clone)]
pub(crate) enum Clock {
    /// The machine's.
    Real,
    /// One that a test sets, in milliseconds since the epoch.
    #[cfg_attr(not(test), expect(dead_code, reason = "only tests set the time"))]
    Set(Arc<AtomicU64>),
}

impl Clock {
    /// Milliseconds since the Unix epoch.
    #[expect(clippy::disallowed_methods, reason = "this is the file that reads the clock")]
    pub(crate) fn now_ms(&self) -> u64 {
        match self {
            Self::Real => to_ms(SystemTime::now()),
            Self::Set(ms) => ms.load(Ordering::SeqCst),
        }
    }
}

/// Monotonic time, for pauses between background work only.
#[expect(clippy::disallowed_methods, reason = "this is the file that reads the clock")]
pub(crate) fn monotonic() -> Instant {
    Instant::now()
}

/// A moment as milliseconds since the epoch; earlier moments count as the epoch.
pub(crate) fn to_ms(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// A moment so many milliseconds after the epoch; the epoch where that is beyond what the system counts.
pub(crate) fn from_ms(ms: u64) -> SystemTime {
    UNIX_EPOCH.checked_add(Duration::from_millis(ms)).unwrap_or(UNIX_EPOCH)
}

/// The moment of an expiry as stored, where 0 means never.
pub(crate) fn expiry(ms: u64) -> Option<SystemTime> {
    (ms > 0).then(|| UNIX_EPOCH.checked_add(Duration::from_millis(ms))).flatten()
}

/// An expiry as stored: 0 for never, so a moment at the epoch is kept as the millisecond after it.
pub(crate) fn expiry_ms(time: Option<SystemTime>) -> u64 {
    time.map_or(0, |time| to_ms(time).max(1))
}
