//! Waiting for what other processes do.
#![expect(clippy::disallowed_methods, reason = "deadlines are measured on the real clock")]

use std::thread::sleep;
use std::time::{Duration, Instant};

/// How often a condition is looked at.
const PAUSE: Duration = Duration::from_millis(5);

/// Waits until a condition holds; panics with `what` when it does not within `deadline`.
pub fn eventually_blocking(deadline: Duration, what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < deadline, "not within {deadline:?}: {what}");
        sleep(PAUSE);
    }
}

/// As [`eventually_blocking`], for a condition that is looked at asynchronously. Dropping it stops the wait.
pub async fn eventually<F: Future<Output = bool>>(
    deadline: Duration,
    what: &str,
    mut holds: impl FnMut() -> F,
) {
    let wait = async {
        while !holds().await {
            tokio::time::sleep(PAUSE).await;
        }
    };
    assert!(tokio::time::timeout(deadline, wait).await.is_ok(), "not within {deadline:?}: {what}");
}

/// Sleeps until a moment; returns at once when it is over.
pub fn pause_until(moment: Instant) {
    sleep(moment.saturating_duration_since(Instant::now()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_no_longer_than_asked() {
        let mut looks = 0;
        eventually_blocking(Duration::from_secs(5), "three looks", || {
            looks += 1;
            looks == 3
        });
        let hopeless = std::panic::catch_unwind(|| {
            eventually_blocking(Duration::from_millis(20), "never", || false);
        });
        assert!(hopeless.is_err());
    }
    #[tokio::test]
    async fn waits_for_what_is_looked_at_asynchronously() {
        let looks = std::cell::Cell::new(0);
        eventually(Duration::from_secs(5), "three looks", || async {
            looks.set(looks.get() + 1);
            looks.get() == 3
        })
        .await;
        assert_eq!(looks.get(), 3);
    }
}
