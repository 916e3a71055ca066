//! How a node is, as `floodway status` shows it.

mod routes;
mod subscriptions;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use floodway_api::Components;
use floodway_policy::{EndpointState, Time};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::clock::Clock;
use crate::metrics;
use crate::supervisor::{Handle, InFlight, Phase, ReplicaRow, Traffic};

pub use routes::{RouteRates, RouteStatus};
pub use subscriptions::SubscriptionStatus;

/// A node at one moment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct NodeStatus {
    /// The system it runs.
    pub system: String,
    /// Its process id.
    pub pid: u32,
    /// Another number after each start, also where the process stays.
    pub start: u64,
    /// Seconds since it was started.
    pub uptime_s: f64,
    /// Where it takes requests, and how many it took.
    pub gateway: GatewayStatus,
    /// What each route did, in the order of the file; the last is for requests that match none.
    pub routes: Vec<RouteStatus>,
    /// What its engine found when it was opened; absent where the system has no store, topic or lock.
    pub engine: Option<EngineStatus>,
    /// The services in the order of the file.
    pub services: Vec<ServiceStatus>,
    /// What became of the messages of each subscription that there was since the start.
    #[serde(default)]
    pub subscriptions: Vec<SubscriptionStatus>,
}

/// The entry for outside traffic.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewayStatus {
    /// Where it listens.
    pub addresses: Vec<SocketAddr>,
    /// Client connections open now.
    pub connections: u64,
    /// Requests under way, from clients and between services.
    pub in_flight: u64,
    /// Requests that were taken since the start.
    pub requests: u64,
}

/// What the embedded engine found when it was opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineStatus {
    /// Records of the log that were applied again.
    pub replayed: u64,
    /// Bytes of a torn end that were cut off; none of them was ever acknowledged.
    pub cut_bytes: u64,
}

/// One service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServiceStatus {
    /// Its name.
    pub name: String,
    /// Its replicas by number.
    pub replicas: Vec<ReplicaStatus>,
}

/// One replica.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReplicaStatus {
    /// As in `order/0`.
    pub replica: String,
    /// `starting`, `ready`, `unhealthy`, `draining`, `dead` or `stopped`.
    pub state: String,
    /// What its last probe met, where it is unhealthy.
    pub why: Option<String>,
    /// Its process, where the node started one that lives.
    pub pid: Option<u32>,
    /// Where it listens, once it was started.
    pub address: Option<SocketAddr>,
    /// Its port of the block API.
    pub api_port: Option<u16>,
    /// How often it was started again.
    pub restarts: u32,
    /// Requests under way on it.
    pub in_flight: u64,
    /// Connections to it that wait for a request.
    pub idle_connections: u64,
    /// Seconds since its present process was started; 0 without one.
    pub uptime_s: f64,
}

/// Tells how a node is, at any time and from any thread. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Observer {
    pub(crate) system: Arc<str>,
    pub(crate) addresses: Arc<[SocketAddr]>,
    pub(crate) engine: Option<EngineStatus>,
    pub(crate) replicas: Handle,
    pub(crate) traffic: Arc<dyn Traffic>,
    pub(crate) subscriptions: Subscriptions,
    pub(crate) components: Arc<Components>,
    pub(crate) clock: Clock,
    /// Tells this start from others.
    pub(crate) start: u64,
}

/// Which services have their subscriptions open. A message published before a service has first
/// subscribed passes it by, so until then its replicas count as starting.
#[derive(Debug, Clone)]
pub(crate) struct Subscriptions {
    pub(crate) wanted: BTreeSet<String>,
    pub(crate) open: watch::Receiver<BTreeSet<String>>,
}

// === impl Subscriptions ===

impl Subscriptions {
    /// Waits until all are open.
    pub(crate) async fn all_open(&self) {
        let mut open = self.open.clone();
        if open.wait_for(|open| self.wanted.is_subset(open)).await.is_err() {
            // Who opens them lives as long as the node.
            std::future::pending::<()>().await;
        }
    }

    fn is_open(&self, service: &str) -> bool {
        !self.wanted.contains(service) || self.open.borrow().contains(service)
    }
}

// === impl NodeStatus ===

impl NodeStatus {
    /// The replicas that take no requests, as in `order/0 (starting)`.
    pub fn unready(&self) -> Vec<String> {
        let replicas = self.services.iter().flat_map(|service| &service.replicas);
        let unready = replicas.filter(|row| row.state != EndpointState::Ready.to_string());
        unready.map(|row| format!("{} ({})", row.replica, row.state)).collect()
    }
}

// === impl Observer ===

impl Observer {
    /// How the node is now.
    pub async fn status(&self) -> NodeStatus {
        let in_flight = self.traffic.in_flight().await;
        let idle = self.traffic.idle_connections().await;
        let now = self.clock.now();
        let services = self.replicas.table().services;
        let services = services
            .iter()
            .map(|service| ServiceStatus {
                name: service.name.clone(),
                replicas: service
                    .replicas
                    .iter()
                    .map(|row| self.replica(&service.name, row, (&in_flight, &idle), now))
                    .collect(),
            })
            .collect();
        NodeStatus {
            system: self.system.to_string(),
            pid: std::process::id(),
            start: self.start,
            uptime_s: now.since(Time::ZERO).as_secs_f64(),
            gateway: self.gateway(),
            routes: self.traffic.metrics().routes.iter().map(RouteStatus::new).collect(),
            engine: self.engine.clone(),
            services,
            subscriptions: self.components.deliveries().into_iter().map(SubscriptionStatus::from).collect(),
        }
    }

    /// What the node has counted, as Prometheus reads it.
    pub async fn metrics(&self) -> String {
        metrics::page(&self.status().await, &self.traffic.metrics())
    }

    fn phase(&self, service: &str, row: &ReplicaRow) -> Phase {
        let ready = Phase::Is(EndpointState::Ready);
        if row.phase == ready && !self.subscriptions.is_open(service) {
            return Phase::Is(EndpointState::Starting);
        }
        row.phase
    }

    fn gateway(&self) -> GatewayStatus {
        let counts = self.traffic.counts();
        GatewayStatus {
            addresses: self.addresses.to_vec(),
            connections: counts.connections,
            in_flight: counts.in_flight,
            requests: counts.requests,
        }
    }

    fn replica(
        &self,
        service: &str,
        row: &ReplicaRow,
        counts: (&InFlight, &InFlight),
        now: Time,
    ) -> ReplicaStatus {
        let (in_flight, idle) = counts;
        let is_gone = matches!(row.phase, Phase::Stopped | Phase::Is(EndpointState::Dead));
        ReplicaStatus {
            replica: format!("{service}/{}", row.id.slot),
            state: self.phase(service, row).to_string(),
            why: row.why.clone(),
            pid: row.pid,
            address: (row.address.port() != 0).then_some(row.address),
            api_port: row.api_port,
            restarts: row.id.incarnation,
            in_flight: in_flight.get(&row.id).copied().unwrap_or(0),
            idle_connections: idle.get(&row.id).copied().unwrap_or(0),
            uptime_s: if is_gone { 0.0 } else { now.since(row.since).as_secs_f64() },
        }
    }
}
