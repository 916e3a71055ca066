//! The gateway as the supervisor and the status see it.

use std::sync::{Arc, Weak};

use floodway_blocks::PortFuture;
use floodway_gateway::{Memberships, WorkerContext, Workers};
use floodway_policy::{EndpointId, Membership};
use tokio::sync::oneshot;

use crate::supervisor::{InFlight, Traffic, TrafficCounts};

/// Speaks to the workers for as long as they are there.
#[derive(Debug)]
pub(super) struct GatewayTraffic {
    pub(super) memberships: Memberships,
    pub(super) workers: Weak<Workers>,
}

// === impl GatewayTraffic ===

impl Traffic for GatewayTraffic {
    fn publish(&self, membership: Membership) {
        self.memberships.publish(membership);
    }

    fn in_flight(&self) -> PortFuture<'_, InFlight> {
        Box::pin(async {
            let mut sum = InFlight::new();
            let Some(workers) = self.workers.upgrade() else { return sum };
            for index in 0..workers.count() {
                for (endpoint, count) in of_worker(&workers, index).await {
                    *sum.entry(endpoint).or_default() += u64::from(count);
                }
            }
            sum
        })
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

/// Asks one worker on its own thread, where its state belongs.
async fn of_worker(workers: &Workers, index: usize) -> Vec<(EndpointId, u32)> {
    let (tell, told) = oneshot::channel();
    let ask = |context: WorkerContext| -> floodway_blocks::invoke::LocalFuture<'static, ()> {
        Box::pin(async move {
            // Whoever asked may have left.
            drop(tell.send(context.in_flight()));
        })
    };
    workers.spawn_on(index, Box::new(ask)).await;
    // A worker that has ended has nothing under way.
    told.await.unwrap_or_default()
}
