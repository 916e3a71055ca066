//! The data plane of a node: the engine, the gateway's workers, the replicas' API ports and deliveries.

mod engine;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use floodway_policy::{EndpointId, Membership};

use crate::error::NodeError;
use crate::status::EngineStatus;
use crate::supervisor::{Traffic, TrafficCounts};
use engine::OpenEngine;
use floodway_system::System;

/// Everything that carries requests and messages.
#[derive(Debug)]
pub(crate) struct Plane {
    engine: Option<OpenEngine>,
    addresses: Vec<SocketAddr>,
    api_ports: Vec<Vec<u16>>,
    traffic: Arc<dyn Traffic>,
}

#[derive(Debug)]
struct NoTraffic;
impl Traffic for NoTraffic {
    fn publish(&self, membership: Membership) {
        drop(membership);
    }
    fn in_flight(&self, _: EndpointId) -> u64 {
        0
    }
    fn counts(&self) -> TrafficCounts {
        TrafficCounts::default()
    }
}

// === impl Plane ===

impl Plane {
    pub(crate) async fn start(system: &System, data: &Path) -> Result<Self, NodeError> {
        let engine = OpenEngine::open(system, data).await?;
        let api_ports = system.services.iter().map(|s| (0..s.endpoints()).map(|_| 1).collect()).collect();
        Ok(Self {
            engine,
            addresses: system.gateway.iter().flat_map(|g| g.listen.clone()).collect(),
            api_ports,
            traffic: Arc::new(NoTraffic),
        })
    }

    pub(crate) fn deliver(&mut self) {}

    pub(crate) fn api_ports(&self) -> &[Vec<u16>] {
        &self.api_ports
    }

    pub(crate) fn audit_port(&self) -> u16 {
        1
    }

    pub(crate) fn traffic(&self) -> Arc<dyn Traffic> {
        Arc::clone(&self.traffic)
    }

    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    pub(crate) fn engine_status(&self) -> Option<EngineStatus> {
        self.engine.as_ref().map(|engine| engine.status.clone())
    }

    pub(crate) async fn drain(&mut self, grace: Duration) {
        tokio::time::timeout(grace, async {}).await.unwrap_or_default();
    }

    pub(crate) async fn close(self) -> Result<(), NodeError> {
        match self.engine {
            Some(engine) => engine.close().await,
            None => Ok(()),
        }
    }
}
