//! How the routes of the gateway do: counted since the start, and between two looks.

use std::time::Duration;

use floodway_gateway::metrics::{Durations, RouteMetrics};
use serde::{Deserialize, Serialize};

/// The requests of one route since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteStatus {
    /// Methods, host and path; `-` for requests that match no route.
    pub route: String,
    /// Requests that are over.
    pub requests: u64,
    /// Those of them that were answered with 5xx.
    pub failed: u64,
    /// Requests that are being answered.
    pub in_flight: u64,
    /// How many took how long: nine buckets to a decade from 10 µs to 100 s, and one for what took longer.
    pub durations: Vec<u64>,
}

/// The requests of one route between two looks.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct RouteRates {
    /// Requests that were over in a second.
    pub per_second: f64,
    /// The share of them that was answered with 5xx, 0 to 1.
    pub failed: f64,
    /// The time that half of them did not exceed; nothing without requests.
    pub p50: Option<Duration>,
    /// The time that 99 of 100 did not exceed.
    pub p99: Option<Duration>,
}

impl RouteStatus {
    pub(super) fn new(route: &RouteMetrics) -> Self {
        let name = if route.name.is_empty() { crate::metrics::NO_ROUTE } else { &route.name };
        Self {
            route: name.to_owned(),
            requests: route.requests.iter().sum(),
            failed: route.requests.last().copied().unwrap_or_default(),
            in_flight: route.in_flight,
            durations: route.durations.buckets().to_vec(),
        }
    }

    /// What happened since an earlier look, `seconds` ago.
    pub fn since(&self, earlier: &Self, seconds: f64) -> RouteRates {
        let requests = self.requests.saturating_sub(earlier.requests) as f64;
        let failed = self.failed.saturating_sub(earlier.failed) as f64;
        let durations = |of: &Self| Durations::from_buckets(&of.durations);
        let durations = durations(self).since(&durations(earlier));
        RouteRates {
            per_second: if seconds > 0.0 { requests / seconds } else { 0.0 },
            failed: if requests > 0.0 { failed / requests } else { 0.0 },
            p50: durations.quantile(0.5),
            p99: durations.quantile(0.99),
        }
    }
}
