//! The data plane of a node: the engine, the gateway's workers, the replicas' API ports and deliveries.

mod components;
mod engine;
mod outside;
mod tls;
mod traffic;

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::path::Path;
use std::rc::Rc;
use std::sync::{Arc, Weak};
use std::time::Duration;

use floodway_api::{Caller, Components, Scopes, ServerOptions};
use floodway_blocks::invoke::{Invoke, LocalFuture};
use floodway_gateway::telemetry::Telemetry;
use floodway_gateway::{Back, Memberships, StartError, Stores, WorkerContext, Workers, WorkersOptions};
use floodway_policy::Snapshot;
use floodway_system::{Service, Source, System};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;
use tokio::sync::{Mutex, oneshot};
use tokio_util::sync::CancellationToken;

use crate::error::NodeError;
use crate::reload::{ReadSystem, Reload};
use crate::status::{EngineStatus, Subscriptions};
use crate::supervisor::{ApiPorts, Traffic};
use crate::telemetry::Tellers;
use components::{components, scopes, stores};
use engine::OpenEngine;
use traffic::GatewayTraffic;

pub use outside::read_secret;
pub use tls::check_tls;

/// Everything that carries requests and messages.
#[derive(Debug)]
pub(crate) struct Plane {
    engine: Option<OpenEngine>,
    workers: Arc<Workers>,
    backs: Arc<[Option<Back>]>,
    traffic: Arc<dyn Traffic>,
    components: Arc<Components>,
    /// Whom components are for, where not for all.
    scopes: Scopes,
    token: Option<String>,
    api_ports: Vec<Vec<ApiPorts>>,
    audit_ports: ApiPorts,
    /// Ends the deliveries, which stop before the replicas do.
    deliveries: CancellationToken,
    /// One per service; its sender goes when its deliveries have ended.
    delivered: Vec<oneshot::Receiver<Infallible>>,
    tellers: Tellers,
    memberships: Memberships,
    stores: Stores,
}

/// One kind of delivery to an app: with its name, what it may use, how it is reached, the token that it is shown,
/// and when deliveries end.
type Deliver = fn(
    String,
    Arc<Components>,
    Rc<dyn Invoke>,
    Option<String>,
    CancellationToken,
) -> LocalFuture<'static, ()>;

/// How many workers after its HTTP port a replica's gRPC port is served: so one replica is served by two cores.
const GRPC_AFTER_HTTP: usize = 1;
/// Connections to an API port that wait to be taken.
const BACKLOG: i32 = 1024;
/// The caller of an audit.
const AUDIT: &str = "audit";

// === impl Plane ===

impl Plane {
    /// Opens the engine, starts the workers, and serves the API on a port per replica.
    pub(crate) async fn start(
        system: &System,
        data: &Path,
        inherited: Vec<StdListener>,
    ) -> Result<Self, NodeError> {
        let engine = OpenEngine::open(system, data).await?;
        let snapshot = Arc::new(system.compile());
        let memberships = Memberships::default();
        let tellers = Tellers::default();
        let telemetry = tellers.start(system, &snapshot)?;
        let stores = stores(system, engine.as_ref());
        let options =
            workers_options(system, Arc::clone(&snapshot), memberships.clone(), telemetry, stores.clone())?;
        let workers = Arc::new(start_workers(&options, inherited)?);
        let shared = (memberships.clone(), Arc::downgrade(&workers));
        let traffic = GatewayTraffic { memberships: shared.0, workers: shared.1 };
        let mut plane = Self {
            components: Arc::new(components(system, &snapshot, engine.as_ref())?),
            scopes: scopes(system),
            engine,
            workers,
            backs: options.backs,
            memberships,
            stores,
            traffic: Arc::new(traffic),
            token: system.node.api_token.as_ref().map(|token| token.reveal().to_owned()),
            api_ports: Vec::new(),
            audit_ports: ApiPorts { http: 0, grpc: 0 },
            deliveries: CancellationToken::new(),
            delivered: Vec::new(),
            tellers,
        };
        plane.open_api(system).await?;
        Ok(plane)
    }

    /// Those of each replica of each service, in the order of the file.
    pub(crate) fn api_ports(&self) -> &[Vec<ApiPorts>] {
        &self.api_ports
    }

    /// Those whose caller is the audit.
    pub(crate) const fn audit_ports(&self) -> ApiPorts {
        self.audit_ports
    }

    /// How TLS is spoken with each service, as far as it is.
    pub(crate) fn backs(&self) -> Arc<[Option<Back>]> {
        Arc::clone(&self.backs)
    }

    /// Takes newer system files over.
    pub(crate) fn reload(&self, read: ReadSystem, present: System) -> Reload {
        Reload {
            read,
            present: Mutex::new(present),
            workers: self.workers(),
            memberships: self.memberships.clone(),
            stores: self.stores.clone(),
            tellers: self.tellers.clone(),
        }
    }

    /// For the supervisor.
    pub(crate) fn traffic(&self) -> Arc<dyn Traffic> {
        Arc::clone(&self.traffic)
    }

    /// What services can ask for, all of it.
    pub(crate) fn components(&self) -> Arc<Components> {
        Arc::clone(&self.components)
    }

    /// The gateway, for as long as it is there.
    pub(crate) fn workers(&self) -> Weak<Workers> {
        Arc::downgrade(&self.workers)
    }

    /// Where the gateway listens.
    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        self.workers.addresses()
    }

    /// What the engine found.
    pub(crate) fn engine_status(&self) -> Option<EngineStatus> {
        self.engine.as_ref().map(|engine| engine.status.clone())
    }

    /// The services that may subscribe: those the node starts, where there are topics.
    fn subscribers<'a>(&self, system: &'a System) -> impl Iterator<Item = &'a Service> + use<'a> {
        let has_topics = !self.components.topics.is_empty();
        system.services.iter().filter(move |service| has_topics && replicas_to_start(service) > 0)
    }

    /// Which services have their subscriptions open.
    pub(crate) fn subscriptions(&self, system: &System) -> Subscriptions {
        let wanted = self.subscribers(system).map(|service| service.name.clone()).collect();
        Subscriptions { wanted, open: self.components.subscribed() }
    }

    /// Starts the delivery of messages and jobs to each service, spread over the workers: on that of the first
    /// replica's gRPC port, so that what is streamed needs no way to another thread.
    pub(crate) async fn deliver(&mut self, system: &System) {
        let mut worker = GRPC_AFTER_HTTP;
        for service in &system.services {
            let replicas = usize::from(replicas_to_start(service));
            if replicas > 0 {
                self.deliver_to(&service.name, worker).await;
            }
            worker += replicas;
        }
    }

    async fn deliver_to(&mut self, app: &str, worker: usize) {
        self.deliver_by(worker, app, |app, components, invoke, token, shutdown| {
            Box::pin(floodway_api::run_jobs(app, components, invoke, token, shutdown))
        })
        .await;
        if !self.components.cron.is_empty() {
            self.deliver_by(worker, app, |app, components, invoke, token, shutdown| {
                Box::pin(floodway_api::run_cron(app, components, invoke, token, shutdown))
            })
            .await;
        }
        if !self.components.topics.is_empty() {
            self.deliver_by(worker, app, |app, components, invoke, token, shutdown| {
                Box::pin(floodway_api::deliver(app, components, invoke, token, shutdown))
            })
            .await;
        }
    }

    /// Runs one kind of delivery to an app on a worker, until deliveries end.
    async fn deliver_by(&mut self, worker: usize, app: &str, deliver: Deliver) {
        let (app, token) = (app.to_owned(), self.token.clone());
        let (components, shutdown) = (self.components_of(&app), self.deliveries.clone());
        let (ended, delivered) = oneshot::channel();
        let run = move |context: WorkerContext| -> LocalFuture<'static, ()> {
            Box::pin(async move {
                deliver(app, components, context.invoke, token, shutdown).await;
                drop(ended);
            })
        };
        self.workers.spawn_on(worker, Box::new(run)).await;
        self.delivered.push(delivered);
    }

    /// The components that an app may use.
    fn components_of(&self, app: &str) -> Arc<Components> {
        let Components { declared, targets, .. } = &*self.components;
        if self.scopes.is_empty() && declared.is_empty() && targets.is_empty() {
            return Arc::clone(&self.components);
        }
        Arc::new(self.components.for_app(app, &self.scopes))
    }

    /// Takes no new request from outside and no new message to deliver, and waits until those under way
    /// have ended.
    pub(crate) async fn drain(&mut self, grace: Duration) {
        self.deliveries.cancel();
        let deliveries = async {
            for delivered in self.delivered.drain(..) {
                // Nothing is sent: a sender that is gone tells it.
                drop(delivered.await);
            }
        };
        let deliveries = tokio::time::timeout(grace, deliveries);
        let (left, deliveries) = tokio::join!(self.workers.drain(grace), deliveries);
        if left > 0 {
            tracing::warn!(connections = left, ?grace, "requests did not end within the grace");
        }
        if deliveries.is_err() {
            tracing::warn!(?grace, "deliveries did not end within the grace: their messages come again");
        }
    }

    /// Ends the API ports, the workers and the engine.
    pub(crate) async fn close(self) -> Result<(), NodeError> {
        let Self { engine, mut workers, tellers, .. } = self;
        workers.end_services();
        // The status may be looked at this very moment.
        let workers = loop {
            match Arc::try_unwrap(workers) {
                Ok(workers) => break workers,
                Err(shared) => workers = shared,
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        };
        let stopped = tokio::task::spawn_blocking(move || {
            workers.stop();
            tellers.finish();
        });
        let stopped = stopped.await;
        if let Err(error) = stopped {
            tracing::error!(%error, "the workers did not stop as they should");
        }
        match engine {
            Some(engine) => engine.close().await,
            None => Ok(()),
        }
    }

    async fn open_api(&mut self, system: &System) -> Result<(), NodeError> {
        let bind = SocketAddr::new(system.node.api_bind, 0);
        let mut worker = 0;
        for service in &system.services {
            let mut ports = Vec::new();
            for _ in 0..replicas_to_start(service) {
                ports.push(self.open_api_ports(&service.name, bind, worker).await?);
                worker += 1;
            }
            self.api_ports.push(ports);
        }
        self.audit_ports = self.open_api_ports(AUDIT, bind, worker).await?;
        Ok(())
    }

    /// Serves the block API for one caller on ports of its own, which are listened on.
    async fn open_api_ports(
        &self,
        app: &str,
        bind: SocketAddr,
        worker: usize,
    ) -> Result<ApiPorts, NodeError> {
        let unusable = |source| NodeError::AddressUnusable {
            what: format!("the block API of {app}"),
            address: bind,
            source,
        };
        let (http, grpc) = (listen(bind).map_err(unusable)?, listen(bind).map_err(unusable)?);
        let port =
            |listener: &StdListener| listener.local_addr().map(|address| address.port()).map_err(unusable);
        let ports = ApiPorts { http: port(&http)?, grpc: port(&grpc)? };
        let caller = Caller { app: app.to_owned() };
        let components = self.components_of(app);
        let options = ServerOptions { token: self.token.clone(), ..ServerOptions::default() };
        let (theirs, usable, limits) = (caller.clone(), Arc::clone(&components), options.clone());
        let by_http = move |context: WorkerContext| -> LocalFuture<'static, ()> {
            Box::pin(async move {
                let Some(http) = taken_over(http) else { return };
                floodway_api::serve(http, theirs, usable, context.invoke, limits, context.shutdown).await;
            })
        };
        let by_grpc = move |context: WorkerContext| -> LocalFuture<'static, ()> {
            Box::pin(async move {
                let Some(grpc) = taken_over(grpc) else { return };
                let WorkerContext { invoke, shutdown, .. } = context;
                floodway_api::serve_grpc(grpc, caller, components, invoke, options, shutdown).await;
            })
        };
        self.workers.spawn_on(worker, Box::new(by_http)).await;
        self.workers.spawn_on(worker + GRPC_AFTER_HTTP, Box::new(by_grpc)).await;
        Ok(ports)
    }
}

/// On this worker's thread.
fn taken_over(listener: StdListener) -> Option<TcpListener> {
    match TcpListener::from_std(listener) {
        Ok(listener) => Some(listener),
        Err(error) => {
            tracing::error!(%error, "the block API cannot be served");
            None
        }
    }
}

fn listen(bind: SocketAddr) -> io::Result<StdListener> {
    let socket = Socket::new(Domain::for_address(bind), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.bind(&bind.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Those that get API ports; whoever serves at an address of others calls nobody here.
fn replicas_to_start(service: &Service) -> u16 {
    match &service.source {
        Source::Run(run) => run.replicas,
        Source::At(_) => 0,
    }
}

/// How workers carry what the system file says.
pub(crate) fn workers_options(
    system: &System,
    snapshot: Arc<Snapshot>,
    memberships: Memberships,
    telemetry: Option<Telemetry>,
    stores: Stores,
) -> Result<WorkersOptions, NodeError> {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    Ok(WorkersOptions {
        count: system.node.workers.map_or_else(cores, usize::from),
        listen: tls::listeners(system)?,
        backs: tls::backs(system)?,
        snapshot,
        memberships,
        telemetry,
        seed: seed(),
        stores,
    })
}

fn start_workers(options: &WorkersOptions, inherited: Vec<StdListener>) -> Result<Workers, NodeError> {
    let started =
        if inherited.is_empty() { Workers::start(options) } else { Workers::take_over(options, inherited) };
    started.map_err(|error| match error {
        StartError::Listen { address, source } => {
            NodeError::AddressUnusable { what: "the gateway".into(), address, source }
        }
        StartError::Thread(source) => NodeError::System { attempt: "start the workers", source },
    })
}

/// Differs from start to start, so that their choices do.
pub(crate) fn seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::process::id())
}
