//! One request for many that ask the same: the first leads, the others wait for what it brings.
//!
//! Shared by the workers; touched by requests that are not answered from the store, under one of many
//! locks.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::store::Key;

const SHARDS: usize = 64;

/// The requests that are under way, by what they ask for.
#[derive(Debug, Clone)]
pub(super) struct Flights {
    shards: Arc<[Mutex<Shard>]>,
}

type Shard = HashMap<Key, watch::Receiver<Option<Landing>>>;

/// How a flight ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Landing {
    /// Something is stored.
    Stored,
    /// Nothing that others could have came: each asks for itself.
    Unshared,
    /// The leader was given up by its client: another may lead.
    Abandoned,
}

/// What a request is to a flight.
#[derive(Debug)]
pub(super) enum Place {
    Lead(Lead),
    Follow(Flight),
}

/// The duty to say how a flight ended. Dropped, it says that it was given up.
#[derive(Debug)]
pub(super) struct Lead {
    flights: Flights,
    key: Key,
    landing: watch::Sender<Option<Landing>>,
}

/// A flight that is waited for.
#[derive(Debug)]
pub(super) struct Flight {
    landing: watch::Receiver<Option<Landing>>,
}

impl Flights {
    pub(super) fn new() -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect() }
    }

    /// Follows the flight for this key, or leads a new one.
    pub(super) fn join(&self, key: &Key) -> Place {
        let mut shard = self.shard(key);
        if let Some(landing) = shard.get(key) {
            return Place::Follow(Flight { landing: landing.clone() });
        }
        let (sender, landing) = watch::channel(None);
        shard.insert(key.clone(), landing);
        Place::Lead(Lead { flights: self.clone(), key: key.clone(), landing: sender })
    }

    fn shard(&self, key: &Key) -> MutexGuard<'_, Shard> {
        let shard = &self.shards[key.bucket(SHARDS)];
        // A map is whole even if its last user panicked.
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lead {
    /// Says how it ended.
    pub(super) fn land(self, landing: Landing) {
        self.landing.send_replace(Some(landing));
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        self.flights.shard(&self.key).remove(&self.key);
        self.landing.send_if_modified(|landing| {
            let is_open = landing.is_none();
            landing.get_or_insert(Landing::Abandoned);
            is_open
        });
    }
}

impl Flight {
    /// Waits for the end.
    pub(super) async fn landed(&mut self) -> Landing {
        let landing = self.landing.wait_for(Option::is_some).await;
        landing.ok().and_then(|landing| *landing).unwrap_or(Landing::Abandoned)
    }
}
