//! What a worker counts; added up when somebody asks.

use std::sync::atomic::{AtomicU64, Ordering};

use floodway_policy::exchange::Failure;
use floodway_policy::fallback::StandIn;
use floodway_policy::routing::RouteId;
use floodway_policy::{ServiceId, Snapshot};

use crate::metrics::histogram::Histogram;

/// What happened since the start, and what is open now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Client connections that were taken.
    pub connections: u64,
    /// Client connections that are open.
    pub open_connections: u64,
    /// Client connections that were closed at once, as there were as many as there may be.
    pub refused_connections: u64,
    /// Requests that were begun, those included that could not be read.
    pub requests: u64,
    /// Requests that are being answered.
    pub in_flight: u64,
    /// Answers by the first digit of their status; the first place is for 1xx.
    pub answers: [u64; 5],
    /// Answers that the gateway gave itself because no service could.
    pub refusals: u64,
    /// Attempts after the first.
    pub retries: u64,
    /// Attempts beside one that was late; no retries.
    pub hedges: u64,
}

/// One worker's counters, on cache lines of their own. Routes and services keep the places that they have in
/// the snapshot.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Counters {
    pub(crate) connections: Counter,
    pub(crate) open_connections: Counter,
    pub(crate) refused_connections: Counter,
    pub(crate) requests: Counter,
    pub(crate) in_flight: Counter,
    /// What was to be told of single requests and had no room.
    pub(crate) notes_dropped: Counter,
    /// By the number of their code above 3000.
    pub(crate) refusals: Box<[Counter]>,
    /// One more than there are: the last is for requests that match none.
    pub(crate) routes: Box<[RouteCounters]>,
    pub(crate) services: Box<[ServiceCounters]>,
}

/// Of the requests of one route.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct RouteCounters {
    pub(crate) in_flight: Counter,
    pub(crate) answers: Answers,
    /// In the order of [`StandIn::ALL`].
    pub(crate) stand_ins: [Counter; StandIn::ALL.len()],
    pub(crate) seconds: Histogram,
}

/// Of what was sent to one service.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct ServiceCounters {
    pub(crate) attempts: Counter,
    pub(crate) retries: Counter,
    pub(crate) hedges: Counter,
    pub(crate) failures: [Counter; FAILURES.len()],
    pub(crate) timeouts: Counter,
    pub(crate) connections: Counter,
    pub(crate) ejections: Counter,
    pub(crate) calls: Answers,
    pub(crate) response_seconds: Histogram,
}

/// By the class of their status; the first place is for none.
#[derive(Debug, Default)]
pub(crate) struct Answers(pub(crate) [Counter; 6]);

/// What attempts fail by, in the words of the label.
pub(crate) const FAILURES: [&str; 8] = [
    "connect_refused",
    "connect_timed_out",
    "stale_connection",
    "kept_connection_broke",
    "broken",
    "malformed",
    "request_body",
    "try_timed_out",
];

/// Codes of refusals are from 3000 to 3999.
const CODES: usize = 1000;

/// A number that one thread changes and others read.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add_one(&self) {
        self.add(1);
    }

    pub(crate) fn add(&self, by: u64) {
        self.0.store(self.get().wrapping_add(by), Ordering::Relaxed);
    }

    pub(crate) fn subtract_one(&self) {
        self.0.store(self.get().wrapping_sub(1), Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Counters {
    pub(crate) fn new(snapshot: &Snapshot) -> Self {
        let routes = (0..=snapshot.routes.len()).map(|_| RouteCounters::default());
        Self {
            connections: Counter::default(),
            open_connections: Counter::default(),
            refused_connections: Counter::default(),
            requests: Counter::default(),
            in_flight: Counter::default(),
            notes_dropped: Counter::default(),
            refusals: (0..CODES).map(|_| Counter::default()).collect(),
            routes: routes.collect(),
            services: snapshot.services.iter().map(|_| ServiceCounters::default()).collect(),
        }
    }

    /// Of requests to a route, or of those that match none.
    pub(crate) fn route(&self, route: Option<RouteId>) -> &RouteCounters {
        let last = self.routes.len() - 1;
        &self.routes[route.map_or(last, |route| usize::from(route.0).min(last))]
    }

    pub(crate) fn service(&self, service: ServiceId) -> &ServiceCounters {
        &self.services[usize::from(service.0)]
    }

    /// Counts an answer of the gateway's own by its code, as in `FW-3404`.
    pub(crate) fn refused(&self, code: &str) {
        let number = code.strip_prefix("FW-3").and_then(|number| number.parse::<usize>().ok());
        if let Some(counter) = number.and_then(|number| self.refusals.get(number)) {
            counter.add_one();
        }
    }
}

impl RouteCounters {
    pub(crate) fn stood_in(&self, by: StandIn) {
        self.stand_ins[by as usize].add_one();
    }
}

impl ServiceCounters {
    pub(crate) fn failed(&self, failure: Failure) {
        let place = match failure {
            Failure::ConnectRefused => 0,
            Failure::ConnectTimedOut => 1,
            Failure::StaleConnection => 2,
            Failure::KeptConnectionBroke => 3,
            Failure::Broken => 4,
            Failure::Malformed => 5,
            Failure::RequestBody => 6,
            Failure::TryTimedOut => 7,
        };
        self.failures[place].add_one();
    }
}

impl Answers {
    /// `status` is 0 where there was none.
    pub(crate) fn count(&self, status: u16) {
        self.0[usize::from(status / 100).min(5)].add_one();
    }
}

impl Counts {
    pub(crate) fn merge(&mut self, other: &Self) {
        self.connections += other.connections;
        self.open_connections += other.open_connections;
        self.refused_connections += other.refused_connections;
        self.requests += other.requests;
        self.in_flight += other.in_flight;
        for (sum, more) in self.answers.iter_mut().zip(other.answers) {
            *sum += more;
        }
        self.refusals += other.refusals;
        self.retries += other.retries;
    }

    pub(crate) fn add(&mut self, worker: &Counters) {
        self.connections += worker.connections.get();
        self.open_connections += worker.open_connections.get();
        self.refused_connections += worker.refused_connections.get();
        self.requests += worker.requests.get();
        self.in_flight += worker.in_flight.get();
        for route in &worker.routes {
            for (sum, counter) in self.answers.iter_mut().zip(&route.answers.0[1..]) {
                *sum += counter.get();
            }
        }
        self.refusals += worker.refusals.iter().map(Counter::get).sum::<u64>();
        self.retries += worker.services.iter().map(|service| service.retries.get()).sum::<u64>();
        self.hedges += worker.services.iter().map(|service| service.hedges.get()).sum::<u64>();
    }
}
