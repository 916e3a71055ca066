//! What a worker counts; added up when somebody asks.

use std::sync::atomic::{AtomicU64, Ordering};

/// What happened since the start, and what is open now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Client connections that were taken.
    pub connections: u64,
    /// Client connections that are open.
    pub open_connections: u64,
    /// Requests whose head was read.
    pub requests: u64,
    /// Requests that are being answered.
    pub in_flight: u64,
    /// Answers by the first digit of their status; the first place is for 1xx.
    pub answers: [u64; 5],
    /// Answers that the gateway gave itself because no service could.
    pub refusals: u64,
    /// Attempts after the first.
    pub retries: u64,
}

/// One worker's counters, on cache lines of their own.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Counters {
    pub(crate) connections: Counter,
    pub(crate) open_connections: Counter,
    pub(crate) requests: Counter,
    pub(crate) in_flight: Counter,
    pub(crate) answers: [Counter; 5],
    pub(crate) refusals: Counter,
    pub(crate) retries: Counter,
}

/// A number that one thread changes and others read.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add_one(&self) {
        self.0.store(self.get().wrapping_add(1), Ordering::Relaxed);
    }

    pub(crate) fn subtract_one(&self) {
        self.0.store(self.get().wrapping_sub(1), Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Counters {
    pub(crate) fn answered(&self, status: impl Into<u16>) {
        let class = usize::from(status.into() / 100).clamp(1, 5);
        self.answers[class - 1].add_one();
    }
}

impl Counts {
    pub(crate) fn add(&mut self, worker: &Counters) {
        self.connections += worker.connections.get();
        self.open_connections += worker.open_connections.get();
        self.requests += worker.requests.get();
        self.in_flight += worker.in_flight.get();
        for (sum, counter) in self.answers.iter_mut().zip(&worker.answers) {
            *sum += counter.get();
        }
        self.refusals += worker.refusals.get();
        self.retries += worker.retries.get();
    }
}
