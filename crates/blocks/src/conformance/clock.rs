//! Wall time, for cases that say when something is due.

use std::time::SystemTime;

/// Wall time now.
#[expect(clippy::disallowed_methods, reason = "this is the file that reads the clock")]
pub(super) fn wall() -> SystemTime {
    SystemTime::now()
}
