//! The data plane of a node: the engine, the gateway's workers, the replicas' API ports and deliveries.

mod engine;
mod traffic;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use floodway_blocks::invoke::LocalFuture;
use floodway_gateway::{Memberships, StartError, Workers, WorkersOptions};
use floodway_policy::Snapshot;
use floodway_system::{Source, System};
use tokio::net::TcpListener;

use crate::error::NodeError;
use crate::status::EngineStatus;
use crate::supervisor::Traffic;
use engine::OpenEngine;
use traffic::GatewayTraffic;

/// Everything that carries requests and messages.
#[derive(Debug)]
pub(crate) struct Plane {
    engine: Option<OpenEngine>,
    workers: Arc<Workers>,
    traffic: Arc<dyn Traffic>,
    api_ports: Vec<Vec<u16>>,
    audit_port: u16,
}

/// A listener for one caller's block API.
#[derive(Debug)]
struct ApiPort {
    /// Who calls there: a service, or the audit.
    app: String,
    listener: std::net::TcpListener,
    port: u16,
}

/// The caller of an audit.
const AUDIT: &str = "audit";

// === impl Plane ===

impl Plane {
    /// Opens the engine, starts the workers, and serves the API on a port per replica.
    pub(crate) async fn start(system: &System, data: &Path) -> Result<Self, NodeError> {
        let engine = OpenEngine::open(system, data).await?;
        let snapshot = Arc::new(system.compile());
        let memberships = Memberships::default();
        let workers = Arc::new(start_workers(system, Arc::clone(&snapshot), memberships.clone())?);
        let traffic = GatewayTraffic { memberships, workers: Arc::downgrade(&workers) };
        let mut plane =
            Self { engine, workers, traffic: Arc::new(traffic), api_ports: Vec::new(), audit_port: 0 };
        plane.open_api(system, &snapshot).await?;
        Ok(plane)
    }

    /// One port per replica of each service, in the order of the file.
    pub(crate) fn api_ports(&self) -> &[Vec<u16>] {
        &self.api_ports
    }

    /// The port whose caller is the audit.
    pub(crate) const fn audit_port(&self) -> u16 {
        self.audit_port
    }

    /// For the supervisor.
    pub(crate) fn traffic(&self) -> Arc<dyn Traffic> {
        Arc::clone(&self.traffic)
    }

    /// Where the gateway listens.
    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        self.workers.addresses()
    }

    /// What the engine found.
    pub(crate) fn engine_status(&self) -> Option<EngineStatus> {
        self.engine.as_ref().map(|engine| engine.status.clone())
    }

    /// Takes no new request from outside, and waits until those under way are answered.
    pub(crate) async fn drain(&self, grace: Duration) {
        let left = self.workers.drain(grace).await;
        if left > 0 {
            tracing::warn!(connections = left, ?grace, "requests did not end within the grace");
        }
    }

    /// Ends the API ports, the workers and the engine.
    pub(crate) async fn close(self) -> Result<(), NodeError> {
        let Self { engine, mut workers, .. } = self;
        // The status may be looked at this very moment.
        let workers = loop {
            match Arc::try_unwrap(workers) {
                Ok(workers) => break workers,
                Err(shared) => workers = shared,
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        };
        let stopped = tokio::task::spawn_blocking(move || workers.stop()).await;
        if let Err(error) = stopped {
            tracing::error!(%error, "the workers did not stop as they should");
        }
        match engine {
            Some(engine) => engine.close().await,
            None => Ok(()),
        }
    }

    async fn open_api(&mut self, system: &System, _snapshot: &Snapshot) -> Result<(), NodeError> {
        let bind = SocketAddr::new(system.node.api_bind, 0);
        let mut index = 0;
        for service in &system.services {
            let replicas = match &service.source {
                Source::Run(run) => run.replicas,
                Source::At(_) => 0,
            };
            let mut ports = Vec::new();
            for _ in 0..replicas {
                let port = ApiPort::open(&service.name, bind).await?;
                ports.push(port.port);
                self.serve_api(index, port).await;
                index += 1;
            }
            self.api_ports.push(ports);
        }
        let audit = ApiPort::open(AUDIT, bind).await?;
        self.audit_port = audit.port;
        self.serve_api(index, audit).await;
        Ok(())
    }
}

impl Plane {
    async fn serve_api(&self, index: usize, port: ApiPort) {
        let ApiPort { app, listener, port } = port;
        let service = move |context: floodway_gateway::WorkerContext| -> LocalFuture<'static, ()> {
            Box::pin(async move {
                let shutdown = context.shutdown.clone();
                tracing::debug!(app, port, ?listener, "api");
                shutdown.cancelled().await;
            })
        };
        self.workers.spawn_on(index, Box::new(service)).await;
    }

    /// Starts a task per service that delivers messages to it.
    pub(crate) fn deliver(&mut self) {}
}

// === impl ApiPort ===

impl ApiPort {
    async fn open(app: &str, bind: SocketAddr) -> Result<Self, NodeError> {
        let open = async {
            let listener = TcpListener::bind(bind).await?.into_std()?;
            let port = listener.local_addr()?.port();
            Ok(Self { app: app.to_owned(), listener, port })
        };
        let what = format!("the block API of {app}");
        open.await.map_err(|source| NodeError::AddressUnusable { what, address: bind, source })
    }
}

fn start_workers(
    system: &System,
    snapshot: Arc<Snapshot>,
    memberships: Memberships,
) -> Result<Workers, NodeError> {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    let options = WorkersOptions {
        count: system.node.workers.map_or_else(cores, usize::from),
        listen: system.gateway.iter().flat_map(|gateway| gateway.listen.iter().copied()).collect(),
        snapshot,
        memberships,
        seed: seed(),
    };
    Workers::start(&options).map_err(|error| match error {
        StartError::Listen { address, source } => {
            NodeError::AddressUnusable { what: "the gateway".into(), address, source }
        }
        StartError::Thread(source) => NodeError::System { attempt: "start the workers", source },
    })
}

/// Differs from node to node, so that their choices do.
fn seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::process::id())
}
