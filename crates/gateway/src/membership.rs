//! How the newest membership reaches the workers: a version number that each looks at, and the picture
//! itself behind it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use floodway_policy::Membership;

/// Hands memberships to all workers. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Memberships {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    version: AtomicU64,
    newest: ArcSwap<Membership>,
}

impl Memberships {
    /// Replaces the picture. Each worker takes it over before its next request.
    pub fn publish(&self, membership: Membership) {
        self.shared.newest.store(Arc::new(membership));
        self.shared.version.fetch_add(1, Ordering::Release);
    }

    /// The newest picture, if it is newer than `seen`, which then names it.
    pub(crate) fn newer(&self, seen: &mut u64) -> Option<Arc<Membership>> {
        let version = self.shared.version.load(Ordering::Acquire);
        if version == *seen {
            return None;
        }
        *seen = version;
        Some(self.shared.newest.load_full())
    }
}
