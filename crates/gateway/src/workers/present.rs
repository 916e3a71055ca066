//! What the workers of the present were made of, and what those before them have counted.

use std::convert::Infallible;
use std::sync::Arc;

use floodway_blocks::invoke::LocalFuture;
use floodway_policy::Snapshot;
use tokio::sync::watch;

use super::{Make, WorkersOptions};
use crate::cache::Store;
use crate::clock::Clock;
use crate::counts::{Counters, Counts};
use crate::metrics::Metrics;
use crate::rate_limits::RateLimits;
use crate::sticky;
use crate::tls::{self, Back, Front};
use crate::worker::{Phase, Shared, Worker};

/// What the workers were started with or told last, and what they have counted.
#[derive(Debug)]
pub(super) struct Present {
    pub(super) shared: Shared,
    pub(super) certificates: Certificates,
    /// By thread.
    counters: Vec<Arc<Counters>>,
    /// Of workers that may still have connections.
    before: Vec<(Arc<Snapshot>, Arc<Counters>)>,
    /// Of those that have ended.
    past: Metrics,
}

/// What is read anew when its files change.
#[derive(Debug, Clone, Default)]
pub(super) struct Certificates {
    pub(super) front: Option<Front>,
    pub(super) backs: Arc<[Option<Back>]>,
}

// === impl Present ===

impl Present {
    pub(super) fn new(options: &WorkersOptions) -> Self {
        let cache = Arc::new(Store::new(options.snapshot.cache_bytes_max.unwrap_or_default()));
        let shared = Shared {
            snapshot: Arc::clone(&options.snapshot),
            memberships: options.memberships.clone(),
            clock: Clock::start(),
            backs: Arc::clone(&options.backs),
            stores: options.stores.clone(),
            cache,
            rate_limits: Arc::new(RateLimits::new(&options.snapshot)),
            crowd: Arc::default(),
            listen: options.listen.as_slice().into(),
            telemetry: options.telemetry.clone(),
            secret: sticky::secret(),
        };
        let (counters, before, past) = (Vec::new(), Vec::new(), Metrics::default());
        Self { shared, certificates: Certificates::of(options), counters, before, past }
    }

    /// Takes newer options over. What has nothing to do with them stays.
    pub(super) fn renew(&mut self, options: &WorkersOptions) {
        let Shared { snapshot, clock, cache, crowd, secret, .. } = &self.shared;
        let keeps_cache = snapshot.cache_bytes_max == options.snapshot.cache_bytes_max;
        let (clock, crowd, secret) = (*clock, Arc::clone(crowd), secret.clone());
        let cache = keeps_cache.then(|| Arc::clone(cache));
        let last = Arc::clone(snapshot);
        self.before.extend(self.counters.drain(..).map(|counters| (Arc::clone(&last), counters)));
        self.before.retain(|(snapshot, counters)| {
            let is_over = Arc::strong_count(counters) == 1;
            if is_over {
                let mut metrics = Metrics::new(snapshot);
                metrics.add(counters);
                self.past.keep(&metrics);
            }
            !is_over
        });
        let fresh = Self::new(options).shared;
        self.shared = Shared { clock, crowd, secret, cache: cache.unwrap_or(fresh.cache), ..fresh };
        self.certificates = Certificates::of(options);
    }

    /// Makes the next worker of a thread, on it.
    pub(super) fn maker(
        &mut self,
        index: usize,
        options: &WorkersOptions,
        phase: &watch::Receiver<Phase>,
    ) -> Make {
        let counters = Arc::new(Counters::new(&self.shared.snapshot));
        self.counters.push(Arc::clone(&counters));
        let seed = floodway_policy::rng::mix(options.seed ^ index as u64);
        let workers = u32::try_from(options.count.max(1)).unwrap_or(u32::MAX);
        let (shared, phase) = (self.shared.clone(), phase.clone());
        // One of them looks after the files for all.
        let watched = if index == 0 { self.certificates.clone() } else { Certificates::default() };
        Box::new(move || {
            let worker = Worker::new(shared, counters, phase, workers, seed);
            watched.look_after(&worker);
            worker
        })
    }

    pub(super) fn counts(&self) -> Counts {
        let mut counts = self.past.counts;
        for counters in self.counters.iter().chain(self.before.iter().map(|(_, counters)| counters)) {
            counts.add(counters);
        }
        counts
    }

    pub(super) fn metrics(&self) -> Metrics {
        let mut metrics = Metrics::new(&self.shared.snapshot);
        for counters in &self.counters {
            metrics.add(counters);
        }
        for (snapshot, counters) in &self.before {
            let mut before = Metrics::new(snapshot);
            before.add(counters);
            metrics.merge(&before);
        }
        metrics.merge(&self.past);
        metrics.cache = self.shared.cache.counts();
        metrics
    }
}

// === impl Certificates ===

impl Certificates {
    pub(super) fn of(options: &WorkersOptions) -> Self {
        Self {
            front: options.listen.iter().find_map(|listen| listen.tls.clone()),
            backs: Arc::clone(&options.backs),
        }
    }

    /// For as long as the worker is the one that takes connections.
    pub(super) fn look_after(self, worker: &Worker) {
        let spawn = |watched: LocalFuture<'static, Infallible>| {
            let retired = worker.retired.clone();
            worker.tasks.spawn(async move {
                tokio::select! {
                    never = watched => match never {},
                    () = retired.cancelled() => {}
                }
            });
        };
        if let Some(front) = self.front {
            spawn(Box::pin(tls::watch(front)));
        }
        for back in self.backs.iter().flatten().cloned() {
            spawn(Box::pin(tls::watch(back)));
        }
    }
}
