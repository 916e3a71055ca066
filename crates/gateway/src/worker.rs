//! What one worker owns: its view of the endpoints, its connections, its random stream. All of it stays
//! on the worker's thread.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use floodway_policy::admission::Ticket;
use floodway_policy::sticky::Secret;
use floodway_policy::{Cluster, EndpointId, Rng, ServiceId, Snapshot, Time};
use hyper::client::conn::http1::SendRequest;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::bells::Bells;
use crate::body::Outbound;
use crate::buffers::Buffers;
use crate::cache::{Store, TallyPlace};
use crate::clock::Clock;
use crate::counts::Counters;
use crate::crowd::{Crowd, Present};
use crate::http1::Side;
use crate::idempotency::Stores;
use crate::listen::Listen;
use crate::membership::Memberships;
use crate::peer::Peer;
use crate::pool::{Pool, Streams};
use crate::queue::Queue;
use crate::rate_limits::RateLimits;
use crate::tasks::Tasks;
use crate::telemetry::Telemetry;
use crate::tls::Back;

/// Where a worker is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Lets connections wait in the queue.
    Waiting,
    /// Takes connections.
    Serving,
    /// Takes no more, and finishes what it has.
    Draining,
    /// Cuts off what is left.
    Stopping,
}

/// What the workers of a node share.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) memberships: Memberships,
    /// So that all have the same time.
    pub(crate) clock: Clock,
    pub(crate) backs: Arc<[Option<Back>]>,
    pub(crate) stores: Stores,
    pub(crate) cache: Arc<Store>,
    pub(crate) rate_limits: Arc<RateLimits>,
    pub(crate) crowd: Arc<Crowd>,
    /// How connections begin, by the listener that takes them.
    pub(crate) listen: Arc<[Listen]>,
    pub(crate) telemetry: Option<Telemetry>,
    /// Of sticky sessions, where their service has none of its own.
    pub(crate) secret: Secret,
}

pub(crate) struct Worker {
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) clock: Clock,
    pub(crate) cluster: RefCell<Cluster>,
    pub(crate) rng: RefCell<Rng>,
    /// Connections to endpoints that hyper serves.
    pub(crate) pool: RefCell<Pool<SendRequest<Outbound>>>,
    /// Connections to endpoints that we serve.
    pub(crate) upstreams: RefCell<Pool<Side>>,
    /// Connections to endpoints that carry several requests at once.
    pub(crate) streams: RefCell<Streams>,
    /// How TLS is spoken with each service, as far as it is.
    pub(crate) backs: Arc<[Option<Back>]>,
    pub(crate) buffers: Buffers,
    pub(crate) queue: Queue,
    pub(crate) tasks: Tasks,
    pub(crate) bells: Bells,
    /// Shared by the workers of the node.
    pub(crate) rate_limits: Arc<RateLimits>,
    /// Shared by the workers of the node.
    pub(crate) crowd: Arc<Crowd>,
    /// Shared by the workers of the node.
    pub(crate) cache: Arc<Store>,
    /// Where this worker counts what the cache does.
    pub(crate) cache_place: TallyPlace,
    /// Where keys of requests are kept.
    pub(crate) stores: Stores,
    pub(crate) counters: Arc<Counters>,
    /// Where anything is told of single requests.
    pub(crate) telemetry: Option<Telemetry>,
    pub(crate) phase: watch::Receiver<Phase>,
    /// This worker's share of the connections that may be open.
    pub(crate) connections_max: u64,
    /// How connections begin, by the listener that takes them.
    pub(crate) listen: Arc<[Listen]>,
    /// Another worker has taken the place.
    pub(crate) retired: CancellationToken,
    memberships: Memberships,
    seen: Cell<u64>,
    /// The same as the phase says, at less cost.
    is_draining: Cell<bool>,
    /// Connections end with their next answer.
    is_leaving: Cell<bool>,
}

/// A client's connection that is open, for as long as it is.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) worker: Rc<Worker>,
    /// The client's place among those that are bounded one by one.
    present: Option<Present>,
}

impl Open {
    /// Nothing where there are as many as there may be.
    pub(crate) fn begin(worker: &Rc<Worker>) -> Option<Self> {
        // Each worker has its share: the kernel spreads connections evenly over the listeners.
        if worker.counters.open_connections.get() >= worker.connections_max {
            worker.counters.refused_connections.add_one();
            return None;
        }
        worker.counters.connections.add_one();
        worker.counters.open_connections.add_one();
        Some(Self { worker: Rc::clone(worker), present: None })
    }

    /// It is known whose it is; false where that client has as many as it may. A trusted proxy stands for
    /// many clients.
    pub(crate) fn is_of(&mut self, peer: &Peer) -> bool {
        let Some(max) = self.worker.snapshot.limits.connections_per_client_max else { return true };
        if peer.is_trusted {
            return true;
        }
        self.present = self.worker.crowd.enter(peer.address, max);
        if self.present.is_none() {
            self.worker.counters.refused_connections.add_one();
        }
        self.present.is_some()
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.worker.counters.open_connections.subtract_one();
    }
}

impl Worker {
    pub(crate) fn new(
        shared: Shared,
        counters: Arc<Counters>,
        phase: watch::Receiver<Phase>,
        workers: u32,
        seed: u64,
    ) -> Self {
        let Shared {
            snapshot,
            memberships,
            clock,
            backs,
            stores,
            cache,
            rate_limits,
            crowd,
            listen,
            telemetry,
            secret,
        } = shared;
        let mut rng = Rng::new(seed);
        let connections = snapshot.limits.connections_max;
        let cluster = RefCell::new(Cluster::new(&snapshot, workers, &mut rng).sealed_by(&snapshot, &secret));
        Self {
            snapshot,
            clock,
            cluster,
            rng: RefCell::new(rng),
            pool: RefCell::default(),
            upstreams: RefCell::default(),
            streams: RefCell::default(),
            backs,
            buffers: Buffers::default(),
            queue: Queue::default(),
            rate_limits,
            crowd,
            is_draining: Cell::new(false),
            is_leaving: Cell::new(false),
            listen,
            retired: CancellationToken::new(),
            tasks: Tasks::default(),
            bells: Bells::default(),
            cache_place: cache.take_place(),
            cache,
            stores,
            counters,
            telemetry,
            phase,
            connections_max: u64::from(connections.div_ceil(workers)),
            memberships,
            seen: Cell::new(0),
        }
    }

    /// Takes over a newer membership, if there is one.
    pub(crate) fn refresh(&self) {
        let mut seen = self.seen.get();
        if let Some(membership) = self.memberships.newer(&mut seen) {
            self.seen.set(seen);
            let mut cluster = self.cluster.borrow_mut();
            cluster.apply(&membership, self.clock.now());
            self.pool.borrow_mut().retain(|endpoint| cluster.endpoint(endpoint).is_some());
            self.upstreams.borrow_mut().retain(|endpoint| cluster.endpoint(endpoint).is_some());
            self.streams.borrow_mut().retain(|endpoint| cluster.endpoint(endpoint).is_some());
        }
    }

    pub(crate) fn address(&self, endpoint: EndpointId) -> Option<SocketAddr> {
        self.cluster.borrow().endpoint(endpoint).map(|endpoint| endpoint.member.address)
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.is_draining.get()
    }

    /// Waits until then, or until the ticket is called.
    pub(crate) async fn wait(&self, ticket: Option<(ServiceId, Ticket)>, until: Time) {
        let until = self.clock.instant(until);
        match ticket {
            Some(place) => self.queue.wait(place, until).await,
            None => tokio::time::sleep_until(until).await,
        }
    }

    /// Whether connections are to end with the answer that goes out now.
    pub(crate) fn is_leaving(&self) -> bool {
        self.is_leaving.get()
    }

    /// Takes no more connections from now on, and waits for no more requests.
    pub(crate) fn drain(&self) {
        self.is_draining.set(true);
        self.is_leaving.set(true);
        self.bells.ring();
    }

    /// Another takes the connections from now on.
    pub(crate) fn retire(&self) {
        self.is_leaving.set(true);
        self.retired.cancel();
        self.disconnect();
    }

    /// Ends the connections to endpoints that nobody uses.
    pub(crate) fn disconnect(&self) {
        self.pool.borrow_mut().retain(|_| false);
        self.upstreams.borrow_mut().retain(|_| false);
        self.streams.borrow_mut().retain(|_| false);
    }

    pub(crate) fn random(&self) -> u64 {
        self.rng.borrow_mut().next_u64()
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("counters", &self.counters).finish_non_exhaustive()
    }
}
