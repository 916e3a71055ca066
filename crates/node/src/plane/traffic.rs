//! The gateway as the supervisor and the status see it.

use std::sync::{Arc, Weak};

use floodway_gateway::{Memberships, Workers};
use floodway_policy::{EndpointId, Membership};

use crate::supervisor::{Traffic, TrafficCounts};

/// Speaks to the workers for as long as they are there.
#[derive(Debug)]
pub(super) struct GatewayTraffic {
    pub(super) memberships: Memberships,
    pub(super) workers: Weak<Workers>,
}

impl Traffic for GatewayTraffic {
    fn publish(&self, membership: Membership) {
        self.memberships.publish(membership);
    }

    fn in_flight(&self, _endpoint: EndpointId) -> u64 {
        0
    }

    fn counts(&self) -> TrafficCounts {
        let counts = self.workers.upgrade().map(|workers: Arc<Workers>| workers.counts());
        counts.map_or_else(TrafficCounts::default, |counts| TrafficCounts {
            connections: counts.open_connections,
            in_flight: counts.in_flight,
            requests: counts.requests,
        })
    }
}
