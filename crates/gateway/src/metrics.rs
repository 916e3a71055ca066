//! What all workers have counted, by route and by service. Reading costs the workers nothing.

pub(crate) mod histogram;

use floodway_policy::Snapshot;
use floodway_policy::fallback::StandIn;

use crate::cache::CacheCounts;
use crate::counts::{Answers, Counters, Counts, FAILURES};

pub use histogram::Durations;

/// The words of a status class, in the order of [`ByCode`].
pub const CODES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

/// Counts by the class of a status, in the order of [`CODES`]; `none` where the client left first.
pub type ByCode = [u64; CODES.len()];

/// What was counted since the start, and what is under way.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    /// Of all requests together.
    pub counts: Counts,
    /// The gateway's own answers: code, as in `FW-3404`, and how many; only those that there were.
    pub refusals: Vec<(String, u64)>,
    /// By route, in the order of the file; the last is for requests that match none and has no name.
    pub routes: Vec<RouteMetrics>,
    /// By service, in the order of the file.
    pub services: Vec<ServiceMetrics>,
    /// What the HTTP cache did and holds.
    pub cache: CacheCounts,
    /// Log lines and spans that had no room on their way.
    pub notes_dropped: u64,
}

/// Of the requests of one route.
#[derive(Debug, Clone, Default)]
pub struct RouteMetrics {
    /// How the snapshot names it.
    pub name: String,
    /// Requests that are being answered.
    pub in_flight: u64,
    /// Requests that are over.
    pub requests: ByCode,
    /// Those of them that a fallback answered, in the order of [`StandIn::ALL`].
    pub stand_ins: [u64; StandIn::ALL.len()],
    /// How long they took, from the end of the head to the end of the answer.
    pub durations: Durations,
}

/// Of what was sent to one service.
#[derive(Debug, Clone, Default)]
pub struct ServiceMetrics {
    /// Its name.
    pub name: String,
    /// Requests sent, each time they were.
    pub attempts: u64,
    /// Those of them that were not the first.
    pub retries: u64,
    /// Attempts beside one that was late.
    pub hedges: u64,
    /// Attempts that failed, by the word for why.
    pub failures: Vec<(&'static str, u64)>,
    /// Connections that were made.
    pub connections: u64,
    /// Endpoints that were left out for what their requests came to, by all workers.
    pub ejections: u64,
    /// Calls from inside the node.
    pub calls: ByCode,
    /// How long it took to the head of an answer, retries included.
    pub response_durations: Durations,
}

impl Metrics {
    pub(crate) fn new(snapshot: &Snapshot) -> Self {
        let names = snapshot.routes.iter().map(|route| route.name.clone()).chain([String::new()]);
        let services = snapshot.services.iter().map(|service| service.name.clone());
        Self {
            routes: names.map(|name| RouteMetrics { name, ..RouteMetrics::default() }).collect(),
            services: services.map(ServiceMetrics::new).collect(),
            ..Self::default()
        }
    }

    pub(crate) fn add(&mut self, worker: &Counters) {
        self.counts.add(worker);
        self.notes_dropped += worker.notes_dropped.get();
        for (sum, route) in self.routes.iter_mut().zip(&worker.routes) {
            sum.in_flight += route.in_flight.get();
            add(&mut sum.requests, &route.answers);
            for (sum, counter) in sum.stand_ins.iter_mut().zip(&route.stand_ins) {
                *sum += counter.get();
            }
            sum.durations.add(&route.seconds);
        }
        for (sum, service) in self.services.iter_mut().zip(&worker.services) {
            sum.attempts += service.attempts.get();
            sum.retries += service.retries.get();
            sum.hedges += service.hedges.get();
            let failures = service.failures.iter().chain([&service.timeouts]);
            for ((_, sum), counter) in sum.failures.iter_mut().zip(failures) {
                *sum += counter.get();
            }
            sum.connections += service.connections.get();
            sum.ejections += service.ejections.get();
            add(&mut sum.calls, &service.calls);
            sum.response_durations.add(&service.response_seconds);
        }
        for (number, counter) in (3000..).zip(&worker.refusals).filter(|(_, counter)| counter.get() > 0) {
            self.refuse(&format!("FW-{number}"), counter.get());
        }
        self.refusals.sort_unstable();
    }
}

impl Metrics {
    /// Adds what other workers have counted, by the names of routes and services. What has another name than
    /// any here counts in the sums only.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.counts.merge(&other.counts);
        self.notes_dropped += other.notes_dropped;
        for route in &other.routes {
            let Some(sum) = self.routes.iter_mut().find(|sum| sum.name == route.name) else { continue };
            sum.in_flight += route.in_flight;
            merge(&mut sum.requests, &route.requests);
            for (sum, more) in sum.stand_ins.iter_mut().zip(&route.stand_ins) {
                *sum += more;
            }
            sum.durations.merge(&route.durations);
        }
        for service in &other.services {
            let Some(sum) = self.services.iter_mut().find(|sum| sum.name == service.name) else { continue };
            sum.attempts += service.attempts;
            sum.retries += service.retries;
            sum.hedges += service.hedges;
            for ((_, sum), (_, more)) in sum.failures.iter_mut().zip(&service.failures) {
                *sum += more;
            }
            sum.connections += service.connections;
            sum.ejections += service.ejections;
            merge(&mut sum.calls, &service.calls);
            sum.response_durations.merge(&service.response_durations);
        }
        for (code, more) in &other.refusals {
            self.refuse(code, *more);
        }
        self.refusals.sort_unstable();
    }

    /// The same, and what has another name is kept too.
    pub(crate) fn keep(&mut self, other: &Self) {
        for RouteMetrics { name, .. } in &other.routes {
            if !self.routes.iter().any(|route| route.name == *name) {
                self.routes.push(RouteMetrics { name: name.clone(), ..RouteMetrics::default() });
            }
        }
        for ServiceMetrics { name, .. } in &other.services {
            if !self.services.iter().any(|service| service.name == *name) {
                self.services.push(ServiceMetrics::new(name.clone()));
            }
        }
        self.merge(other);
    }

    fn refuse(&mut self, code: &str, more: u64) {
        match self.refusals.iter_mut().find(|(known, _)| known == code) {
            Some((_, sum)) => *sum += more,
            None => self.refusals.push((code.to_owned(), more)),
        }
    }
}

impl ServiceMetrics {
    fn new(name: String) -> Self {
        let failures = FAILURES.into_iter().chain(["timed_out"]).map(|why| (why, 0)).collect();
        Self { name, failures, ..Self::default() }
    }
}

fn add(sum: &mut ByCode, worker: &Answers) {
    for (sum, counter) in sum.iter_mut().zip(&worker.0) {
        *sum += counter.get();
    }
}

fn merge(sum: &mut ByCode, more: &ByCode) {
    for (sum, more) in sum.iter_mut().zip(more) {
        *sum += more;
    }
}
