//! The gateway as the supervisor and the status see it.

use std::sync::{Arc, Weak};

use floodway_blocks::PortFuture;
use floodway_gateway::metrics::Metrics;
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
        Box::pin(self.sum(WorkerContext::in_flight))
    }

    fn idle_connections(&self) -> PortFuture<'_, InFlight> {
        Box::pin(self.sum(WorkerContext::idle_connections))
    }

    fn metrics(&self) -> Metrics {
        let metrics = self.workers.upgrade().map(|workers: Arc<Workers>| workers.metrics());
        metrics.unwrap_or_default()
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

impl GatewayTraffic {
    /// Adds up what each worker says.
    async fn sum(&self, what: Asked) -> InFlight {
        let mut sum = InFlight::new();
        let Some(workers) = self.workers.upgrade() else { return sum };
        for index in 0..workers.count() {
            for (endpoint, count) in of_worker(&workers, index, what).await {
                *sum.entry(endpoint).or_default() += u64::from(count);
            }
        }
        sum
    }
}

/// What a worker is asked.
type Asked = fn(&WorkerContext) -> Vec<(EndpointId, u32)>;

/// Asks one worker on its own thread, where its state belongs.
async fn of_worker(workers: &Workers, index: usize, what: Asked) -> Vec<(EndpointId, u32)> {
    let (tell, told) = oneshot::channel();
    let ask = move |context: WorkerContext| -> floodway_blocks::invoke::LocalFuture<'static, ()> {
        Box::pin(async move {
            // Whoever asked may have left.
            drop(tell.send(what(&context)));
        })
    };
    workers.spawn_on(index, Box::new(ask)).await;
    // A worker that has ended has nothing under way.
    told.await.unwrap_or_default()
}
