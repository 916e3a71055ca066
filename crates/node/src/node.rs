//! One running node, from its start to its end.
//!
//! ```text
//! start:  data folder ─▶ guard ─▶ builds ─▶ engine ─▶ gateway, API ports ─▶ replicas, deliveries ─▶ admin
//! stop:   gateway takes nothing new ─▶ deliveries end ─▶ replicas end ─▶ API ports, engine ─▶ guard, folder
//! ```

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::time::Duration;

use floodway_bench::Progress;
use floodway_policy::Time;
use floodway_system::{NamedLoad, Source, System, Token};
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;

use crate::admin::Admin;
use crate::clock::Clock;
use crate::data::{DataFolder, NodeFile, ReplicaPort};
use crate::error::NodeError;
use crate::files;
use crate::guard::Guard;
use crate::handover::Successor;
use crate::load::{self, Outcome, Target};
use crate::plane::{self, Plane};
use crate::reload::{ReadSystem, Reload};
use crate::status::Observer;
use crate::supervisor::{self, Line, Supervisor, Surroundings, Table};

/// What the caller decides.
#[derive(Debug)]
pub struct Options {
    /// Whether build steps are run.
    pub build: bool,
    /// Takes what replicas print, and the output of a build that failed.
    pub output: mpsc::Sender<Line>,
    /// Takes the output of builds as it comes; what does not fit is left out.
    pub progress: mpsc::Sender<Line>,
    /// Reads the system file again for a reload.
    pub read: ReadSystem,
    /// Sockets of the gateway that a program before left; see [`crate::handover`].
    pub inherited: Vec<StdListener>,
    /// What takes the place on an upgrade.
    pub successor: Successor,
}

/// What a node was told from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// Drain and end.
    Stop,
    /// Give the place to the successor, which was found to accept the system file.
    Upgrade,
}

/// A running node. Dropped before [`Node::stop`] has ended, it kills its replicas.
#[derive(Debug)]
pub struct Node {
    system: System,
    // Ended in this order when dropped.
    tasks: JoinSet<Infallible>,
    supervisor: Supervisor,
    plane: Plane,
    guard: Arc<Guard>,
    data: DataFolder,
    observer: Observer,
    stop: Arc<Notify>,
    reload: Arc<Reload>,
    upgrade: Arc<Notify>,
    successor: Successor,
    output: mpsc::Sender<Line>,
}

/// Requests wait so long at most for the replicas of a successor.
const SUCCESSION_MAX: Duration = Duration::from_secs(30);

// === impl Node ===

impl Node {
    /// Starts everything that `system` describes. Returns once the gateway listens and each replica
    /// was started; they become ready on their own. Must run on the thread that outlives the node: the
    /// kernel ends a child with the thread that started it.
    pub async fn start(system: System, options: Options) -> Result<Self, NodeError> {
        let clock = Clock::start();
        files::raise_limit();
        let data = DataFolder::take(&system.node.data)?;
        // Sockets that listen already stay; the workers look at the other addresses themselves.
        if options.inherited.is_empty() {
            for listen in system.gateway.iter().flat_map(|gateway| &gateway.listen) {
                check_free("the gateway", listen.address)?;
            }
        }
        let guard = Arc::new(Guard::start().await?);
        if options.build {
            let Options { progress, output, .. } = &options;
            supervisor::build(&system.services, &guard, clock, progress, output).await?;
        }
        check_programs(&system)?;
        let is_successor = !options.inherited.is_empty();
        let mut plane = Plane::start(&system, data.path(), options.inherited).await?;
        let surroundings = Surroundings {
            system: system.name.clone(),
            grace: system.node.grace,
            api_token: reveal(system.node.api_token.as_ref()),
            output: options.output.clone(),
            guard: Arc::clone(&guard),
            clock,
            backs: plane.backs(),
        };
        let supervisor =
            Supervisor::start(&system.services, plane.api_ports(), plane.traffic(), &surroundings)?;
        plane.deliver(&system).await;
        let observer = Observer {
            system: system.name.as_str().into(),
            addresses: plane.addresses().into(),
            engine: plane.engine_status(),
            replicas: supervisor.handle(),
            traffic: plane.traffic(),
            subscriptions: plane.subscriptions(&system),
            components: plane.components(),
            clock,
            start: plane::seed(),
        };
        let stop = Arc::new(Notify::new());
        let reload = Arc::new(plane.reload(options.read, system.clone()));
        let mut node = Self {
            system,
            tasks: JoinSet::new(),
            supervisor,
            plane,
            guard,
            data,
            observer,
            stop,
            reload,
            upgrade: Arc::default(),
            successor: options.successor,
            output: options.output,
        };
        let kept = Arc::clone(&node.guard);
        node.tasks.spawn(async move { kept.keep().await });
        if is_successor {
            node.open_when_ready();
        }
        node.open_admin().await?;
        Ok(node)
    }

    /// Tells how the node is.
    pub fn observer(&self) -> Observer {
        self.observer.clone()
    }

    /// Where the gateway listens.
    pub fn addresses(&self) -> &[SocketAddr] {
        self.plane.addresses()
    }

    /// Waits until the admin API is told to stop or upgrade the node.
    pub async fn told(&self) -> Told {
        tokio::select! {
            () = self.stop.notified() => Told::Stop,
            () = self.upgrade.notified() => Told::Upgrade,
        }
    }

    /// What takes the place on an upgrade.
    pub const fn successor(&self) -> &Successor {
        &self.successor
    }

    /// Ends everything as [`Node::stop`] does, but for the gateway's sockets: connections wait in their
    /// queues for the program that comes next.
    pub async fn hand_over(self) -> Result<Vec<StdListener>, NodeError> {
        let sockets = self.plane.workers().upgrade().map(|workers| workers.take_sockets());
        self.stop().await?;
        Ok(sockets.unwrap_or_default())
    }

    /// Connections that waited for the successor are taken once its replicas can answer.
    fn open_when_ready(&mut self) {
        let (mut table, workers) = (self.supervisor.table(), self.plane.workers());
        let subscriptions = self.observer.subscriptions.clone();
        self.tasks.spawn(async move {
            let ready = async {
                drop(table.wait_for(Table::all_ready).await);
                subscriptions.all_open().await;
            };
            if tokio::time::timeout(SUCCESSION_MAX, ready).await.is_err() {
                tracing::warn!(after = ?SUCCESSION_MAX, "requests are taken though not all replicas are ready");
            }
            if let Some(workers) = workers.upgrade() {
                workers.open();
            }
            std::future::pending().await
        });
    }

    /// Reads the system file again and takes it over: routes, limits, policies and certificates for connections
    /// from then on. Where it has mistakes, or changes what a running node cannot, everything stays as it was.
    pub async fn reload(&self) -> Result<(), NodeError> {
        self.reload.reload().await
    }

    /// Waits until every replica takes requests and every subscription is open; returns the time since the node was started.
    pub async fn all_ready(&self) -> std::time::Duration {
        let mut table = self.supervisor.table();
        if table.wait_for(Table::all_ready).await.is_err() {
            // The supervisor lives as long as this node.
            std::future::pending::<()>().await;
        }
        self.observer.subscriptions.all_open().await;
        self.observer.clock.now().since(Time::ZERO)
    }

    /// The load of that name.
    pub fn load(&self, name: &str) -> Result<&NamedLoad, NodeError> {
        find_load(&self.system, name)
    }

    /// Waits until every replica is ready, runs a load against the gateway, and judges it. `progress`
    /// is called on the load's own thread. Dropping the future stops the load.
    pub async fn run_load(
        &self,
        load: &NamedLoad,
        progress: impl Fn(Progress) + Send + 'static,
    ) -> Result<Outcome, NodeError> {
        if tokio::time::timeout(load::READY_MAX, self.all_ready()).await.is_err() {
            let missing = self.observer.status().await.unready().join(", ");
            return Err(NodeError::NeverReady { seconds: load::READY_MAX.as_secs(), missing });
        }
        let target = Target {
            gateway: within_reach(self.addresses()),
            data: self.data.path(),
            guard: &self.guard,
            output: &self.output,
            audit_ports: self.plane.audit_ports(),
            api_token: self.system.node.api_token.as_ref().map(Token::reveal),
            system: &self.system.name,
        };
        load::run(load, &target, progress).await
    }

    /// Drains and ends everything: no new request, those under way finished, deliveries stopped,
    /// replicas stopped, what the engine has made durable. Takes about twice the grace at most.
    pub async fn stop(self) -> Result<(), NodeError> {
        let Self { system, mut tasks, supervisor, mut plane, guard, data, .. } = self;
        tasks.shutdown().await;
        plane.drain(system.node.grace).await;
        supervisor.stop().await;
        plane.close().await?;
        if let Ok(guard) = Arc::try_unwrap(guard) {
            guard.stop().await;
        }
        data.withdraw();
        Ok(())
    }

    async fn open_admin(&mut self) -> Result<(), NodeError> {
        let address = self.system.node.admin_listen;
        let unusable = |source| NodeError::AddressUnusable { what: "the admin API".into(), address, source };
        let listener = TcpListener::bind(address).await.map_err(unusable)?;
        let address = listener.local_addr().map_err(unusable)?;
        let admin = Admin {
            token: reveal(self.system.node.admin_token.as_ref()),
            observer: self.observer.clone(),
            replicas: self.supervisor.handle(),
            workers: self.plane.workers(),
            components: self.plane.components(),
            stop: Arc::clone(&self.stop),
            reload: Arc::clone(&self.reload),
            upgrade: Arc::clone(&self.upgrade),
            successor: self.successor.clone(),
        };
        self.tasks.spawn(admin.serve(listener));
        self.data.announce(&NodeFile {
            pid: std::process::id(),
            system: self.system.name.clone(),
            admin: address,
            gateway: self.addresses().to_vec(),
            replicas: replica_ports(&self.supervisor.table().borrow()),
        })
    }
}

/// The load of that name.
pub fn find_load<'a>(system: &'a System, name: &str) -> Result<&'a NamedLoad, NodeError> {
    system.load(name).ok_or_else(|| NodeError::UnknownLoad {
        name: name.to_owned(),
        known: system.loads.iter().map(|load| load.name.clone()).collect(),
    })
}

fn replica_ports(table: &Table) -> Vec<ReplicaPort> {
    let ports = table.services.iter().flat_map(|service| {
        service.replicas.iter().filter_map(|row| {
            let replica = format!("{}/{}", service.name, row.id.slot);
            row.api_port.map(|api_port| ReplicaPort { replica, api_port })
        })
    });
    ports.collect()
}

/// The gateway shares its ports among its workers, so the kernel would share them with a stranger of the
/// same user too: a plain listener finds out whether someone is there.
fn check_free(what: &str, address: SocketAddr) -> Result<(), NodeError> {
    let bound = StdListener::bind(address);
    bound.map(drop).map_err(|source| NodeError::AddressUnusable { what: what.into(), address, source })
}

/// Each service's program must be there before anything is started.
fn check_programs(system: &System) -> Result<(), NodeError> {
    for service in &system.services {
        if let Source::Run(run) = &service.source {
            let word = run.command.first().map_or("", String::as_str);
            supervisor::resolve(&service.name, word, &run.dir)?;
        }
    }
    Ok(())
}

/// An address of the gateway that can be connected to, also where it listens on all of them.
fn within_reach(addresses: &[SocketAddr]) -> SocketAddr {
    let mut address = addresses.first().copied().unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)));
    if address.ip().is_unspecified() {
        let loopback = match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        };
        address.set_ip(loopback);
    }
    address
}

fn reveal(token: Option<&Token>) -> Option<String> {
    token.map(|token| token.reveal().to_owned())
}
