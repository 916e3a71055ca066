//! How many connections each client has, over all workers of a node.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use floodway_policy::rate_limit::network;

/// The clients that have connections. A connection that comes or goes takes the lock once, no request does.
#[derive(Debug, Default)]
pub(crate) struct Crowd {
    counts: Mutex<HashMap<u64, u32>>,
}

/// A connection that is counted, for as long as it is open.
#[derive(Debug)]
pub(crate) struct Present {
    crowd: Arc<Crowd>,
    client: u64,
}

impl Crowd {
    /// Nothing where the client has as many as it may.
    pub(crate) fn enter(self: &Arc<Self>, client: IpAddr, max: u32) -> Option<Present> {
        let client = network(client);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(client).or_default();
        if *count >= max {
            return None;
        }
        *count += 1;
        Some(Present { crowd: Arc::clone(self), client })
    }

    fn leave(&self, client: u64) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut count) = counts.entry(client) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        self.crowd.leave(self.client);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_who_is_there() {
        let crowd = Arc::new(Crowd::default());
        let enter = |text: &str| crowd.enter(text.parse().expect("an address"), 2);
        let (first, _second) = (enter("192.0.2.1"), enter("192.0.2.1"));
        assert!(first.is_some() && enter("192.0.2.1").is_none() && enter("192.0.2.2").is_some());
        drop(first);
        assert!(enter("192.0.2.1").is_some());
    }

    #[test]
    fn forgets_who_has_left() {
        let crowd = Arc::new(Crowd::default());
        drop(crowd.enter("2001:db8::1".parse().expect("an address"), 1));
        assert!(crowd.counts.lock().expect("nobody panicked").is_empty());
    }
}
