//! Keeps the services of a system alive: builds them, starts their replicas as guarded child
//! processes, probes them, restarts what dies, and takes replicas out without losing a request.
//!
//! `policy` decides (`Health`, `Restart`); each replica's task performs. What they find out stands in
//! one [`Table`], from which the gateway's membership is made.

mod board;
mod build;
mod logs;
mod ports;
mod probe;
mod process;
mod replica;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use floodway_blocks::PortFuture;
use floodway_gateway::Back;
use floodway_gateway::metrics::Metrics;
use floodway_policy::{EndpointId, Membership, Rng, ServiceId};
use floodway_system::Service;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

pub use board::{Phase, ReplicaRow, ServiceRow, Table};
pub use build::build;
pub use logs::Line;
pub use ports::ApiPorts;
pub use process::resolve;
pub(crate) use process::{Process, ending};

use crate::clock::Clock;
use crate::error::NodeError;
use crate::guard::Guard;
use board::Board;
use ports::Ports;
use replica::{Order, Parts, Replica};

/// The part of the data plane that the supervisor talks to.
pub trait Traffic: std::fmt::Debug + Send + Sync {
    /// Hands a newer picture of all endpoints to every worker.
    fn publish(&self, membership: Membership);

    /// Requests under way on each endpoint, over all workers. Each has taken over the newest picture by
    /// then, so on an endpoint that drains the number only falls from here.
    fn in_flight(&self) -> PortFuture<'_, InFlight>;

    /// Connections to each endpoint that are kept and not used, over all workers.
    fn idle_connections(&self) -> PortFuture<'_, InFlight>;

    /// What was counted by route and service.
    fn metrics(&self) -> Metrics;

    /// What the data plane carries as a whole.
    fn counts(&self) -> TrafficCounts;
}

/// Requests under way, or connections, by endpoint.
pub type InFlight = BTreeMap<EndpointId, u64>;

/// What the data plane carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TrafficCounts {
    /// Client connections open now.
    pub connections: u64,
    /// Requests under way, from clients and between services.
    pub in_flight: u64,
    /// Requests taken since the start.
    pub requests: u64,
}

/// What all replicas share.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// Name of the system.
    pub system: String,
    /// Time for requests to end, and for a process to end after SIGTERM.
    pub grace: Duration,
    /// The token of the block API, where it has one.
    pub api_token: Option<String>,
    /// Takes what replicas print.
    pub output: mpsc::Sender<Line>,
    /// The guard of all children.
    pub guard: Arc<Guard>,
    /// The node's clock.
    pub clock: Clock,
    /// How TLS is spoken with each service, in the order of the file, as far as it is.
    pub backs: Arc<[Option<Back>]>,
}

/// Runs the replicas of all services. Owns their tasks.
#[derive(Debug)]
pub struct Supervisor {
    board: Arc<Board>,
    orders: Vec<Vec<mpsc::Sender<Order>>>,
    tasks: JoinSet<()>,
}

/// What becomes of a replica once it is drained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// A fresh incarnation takes its place.
    StartAgain,
    /// It stays out until it is drained again with [`Then::StartAgain`].
    StayOut,
}

// === impl Supervisor ===

impl Supervisor {
    /// Starts every replica of `services`, whose order is that of the snapshot. `api_ports` says
    /// where each replica finds the block API. Must be called on the thread that outlives all replicas:
    /// the kernel ends a child with the thread that started it.
    pub fn start(
        services: &[Service],
        api_ports: &[Vec<ApiPorts>],
        traffic: Arc<dyn Traffic>,
        surroundings: &Surroundings,
    ) -> Result<Self, NodeError> {
        let board = Arc::new(Board::new(services, api_ports, traffic, surroundings.clock));
        let free_ports = Arc::new(Ports::default());
        let mut supervisor = Self { board, orders: Vec::new(), tasks: JoinSet::new() };
        for (place, spec) in (0_u16..).map(ServiceId).zip(services) {
            let spec = Arc::new(spec.clone());
            let mut orders = Vec::new();
            for slot in 0..endpoints(&spec) {
                let (order, received) = mpsc::channel(4);
                let parts = Parts {
                    place,
                    slot,
                    spec: Arc::clone(&spec),
                    api: ports_of(api_ports, place, slot),
                    board: Arc::clone(&supervisor.board),
                    ports: Arc::clone(&free_ports),
                    surroundings: surroundings.clone(),
                };
                let seed = u64::from(std::process::id()) << 32 | u64::from(place.0) << 16 | u64::from(slot);
                let replica = Replica::new(parts, received, Rng::new(seed));
                supervisor.tasks.spawn(replica.run());
                orders.push(order);
            }
            supervisor.orders.push(orders);
        }
        Ok(supervisor)
    }

    /// The present picture, and each later one.
    pub fn table(&self) -> watch::Receiver<Table> {
        self.board.subscribe()
    }

    /// Takes orders for single replicas.
    pub fn handle(&self) -> Handle {
        Handle { board: Arc::clone(&self.board), orders: Arc::new(self.orders.clone()) }
    }

    /// Stops every replica: SIGTERM to its group, SIGKILL after the grace. Returns when all are gone.
    pub async fn stop(mut self) {
        for order in self.orders.iter().flatten() {
            // A task that has ended has no replica left to stop.
            if order.send(Order::Stop).await.is_err() {
                tracing::debug!("a replica's task ended before the stop");
            }
        }
        while let Some(ended) = self.tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a replica's task failed");
            }
        }
    }

    /// Ends everything at once: each process group is killed.
    pub async fn kill(mut self) {
        self.tasks.shutdown().await;
    }
}

/// Gives orders to single replicas. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Handle {
    board: Arc<Board>,
    orders: Arc<Vec<Vec<mpsc::Sender<Order>>>>,
}

// === impl Handle ===

impl Handle {
    /// The present picture.
    pub fn table(&self) -> Table {
        self.board.table()
    }

    /// Takes a replica out: it gets no new request, what it has is finished (within the grace), and its
    /// process is stopped. Returns when that is done.
    pub async fn drain(&self, service: &str, slot: u16, then: Then) -> Result<(), NodeError> {
        self.order(service, slot, |done| Order::Drain { then, done }).await
    }

    /// Gives every replica of a service a fresh process, one after the other: each is ready before the old
    /// one gets no more requests, finishes what it has (within the grace) and ends. Stops at the first
    /// that does not become ready, whose old process stays. Those taken out by hand stay out. Returns how
    /// many replicas there are.
    pub async fn restart(&self, service: &str) -> Result<u16, NodeError> {
        let replicas = self.orders.get(self.place(service)?).map_or(0, Vec::len);
        let replicas = u16::try_from(replicas).unwrap_or(u16::MAX);
        for slot in 0..replicas {
            self.order(service, slot, |done| Order::Replace { done }).await?;
        }
        Ok(replicas)
    }

    fn place(&self, service: &str) -> Result<usize, NodeError> {
        let unknown = || NodeError::Refused { detail: format!("no service is named {service}") };
        self.board.place(service).ok_or_else(unknown)
    }

    async fn order(
        &self,
        service: &str,
        slot: u16,
        order: impl FnOnce(oneshot::Sender<Result<(), String>>) -> Order,
    ) -> Result<(), NodeError> {
        let refused = |detail: String| NodeError::Refused { detail };
        let orders = self.orders.get(self.place(service)?).and_then(|slots| slots.get(usize::from(slot)));
        let orders = orders.ok_or_else(|| refused(format!("{service} has no replica {slot}")))?;
        let (done, carried_out) = oneshot::channel();
        let stopping = || refused("the node is stopping".into());
        orders.try_send(order(done)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => refused(format!("{service}/{slot} is being drained")),
            mpsc::error::TrySendError::Closed(_) => stopping(),
        })?;
        match carried_out.await {
            Ok(outcome) => outcome.map_err(refused),
            Err(oneshot::error::RecvError { .. }) => Err(stopping()),
        }
    }
}

/// How many replicas or addresses a service has.
fn endpoints(service: &Service) -> u16 {
    u16::try_from(service.endpoints()).unwrap_or(u16::MAX)
}

fn ports_of(api_ports: &[Vec<ApiPorts>], place: ServiceId, slot: u16) -> Option<ApiPorts> {
    api_ports.get(usize::from(place.0))?.get(usize::from(slot)).copied()
}

/// A folder for messages.
pub(crate) fn display(dir: &std::path::Path) -> PathBuf {
    dir.canonicalize().unwrap_or_else(|_| dir.to_owned())
}
