//! The places for deliveries that the subscriptions of a node share, as `policy::delivery::share` says.

use std::sync::atomic::{AtomicUsize, Ordering};

use floodway_policy::delivery::share::share;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

/// Deliveries under way at once in a node.
const PLACES: usize = 16_384;

/// Those of all subscriptions.
#[derive(Debug, Default)]
pub(crate) struct Shares {
    under_way: AtomicUsize,
    freed: Notify,
}

/// Those of one, which are free again when it ends.
#[derive(Debug)]
pub(super) struct Share<'a> {
    shares: &'a Shares,
    own: usize,
}

// === impl Share ===

impl<'a> Share<'a> {
    pub(super) const fn new(shares: &'a Shares) -> Self {
        Self { shares, own: 0 }
    }

    /// Says how many are under way now; returns how many more may start.
    pub(super) fn room(&mut self, own: usize) -> usize {
        let all = &self.shares.under_way;
        if own < self.own {
            all.fetch_sub(self.own - own, Ordering::AcqRel);
            self.shares.freed.notify_waiters();
        } else {
            all.fetch_add(own - self.own, Ordering::AcqRel);
        }
        self.own = own;
        share(PLACES, all.load(Ordering::Acquire), own)
    }

    /// Waits until others have ended some. What ends after the call is not missed.
    pub(super) fn freed(&self) -> Notified<'a> {
        self.shares.freed.notified()
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        self.room(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_holds_another_lacks_until_it_ends() {
        let shares = Shares::default();
        let (mut one, mut two) = (Share::new(&shares), Share::new(&shares));
        assert_eq!(one.room(0), PLACES / 2);
        assert_eq!(one.room(PLACES / 2), 0);
        assert_eq!(two.room(0), PLACES / 4);
        assert_eq!(two.room(10), PLACES / 4 - 10);
        drop(one);
        assert_eq!(two.room(10), PLACES / 2 - 10);
        drop(two);
        assert_eq!(shares.under_way.load(Ordering::Acquire), 0);
    }
}
