//! What the cache does, counted. Each worker has a place of its own, so that none waits for another's.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Places; more workers than these share them.
const PLACES: usize = 64;

/// What the HTTP cache did since the start, over all workers, and what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CacheCounts {
    /// Requests that were answered from the store at once.
    pub hits: u64,
    /// Requests that waited for another which was sent on, and were answered by what it brought.
    pub collapsed: u64,
    /// Requests on routes with a cache that were sent on.
    pub forwarded: u64,
    /// Those that were sent on, and that a stale response answered, as the service failed.
    pub stale: u64,
    /// Bytes that are held.
    pub bytes: u64,
}

/// The counters.
#[derive(Debug)]
pub(super) struct Tallies {
    places: Box<[Tally]>,
    taken: AtomicUsize,
}

/// One worker's counters, on a cache line of their own.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Tally {
    hits: AtomicU64,
    collapsed: AtomicU64,
    forwarded: AtomicU64,
    stale: AtomicU64,
}

/// A worker's place among the counters.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TallyPlace(usize);

impl Tallies {
    pub(super) fn new() -> Self {
        Self { places: (0..PLACES).map(|_| Tally::default()).collect(), taken: AtomicUsize::new(0) }
    }

    /// A place that no other has, as far as there are any.
    pub(super) fn take(&self) -> TallyPlace {
        TallyPlace(self.taken.fetch_add(1, Ordering::Relaxed) % PLACES)
    }

    pub(super) fn of(&self, place: TallyPlace) -> &Tally {
        &self.places[place.0]
    }

    pub(super) fn sum(&self, bytes: u64) -> CacheCounts {
        let mut sum = CacheCounts { bytes, ..CacheCounts::default() };
        for tally in &self.places {
            sum.hits += tally.hits.load(Ordering::Relaxed);
            sum.collapsed += tally.collapsed.load(Ordering::Relaxed);
            sum.forwarded += tally.forwarded.load(Ordering::Relaxed);
            sum.stale += tally.stale.load(Ordering::Relaxed);
        }
        sum
    }
}

impl Tally {
    pub(super) fn hit(&self) {
        self.hits.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn collapsed(&self) {
        self.collapsed.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn forwarded(&self) {
        self.forwarded.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn stale(&self) {
        self.stale.fetch_add(1, Ordering::Relaxed);
    }
}
