//! The worker threads: each with its own runtime, listeners and state.

mod bind;
mod present;
mod thread;

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder as ThreadBuilder, JoinHandle};
use std::time::Duration;

use floodway_blocks::invoke::{Invoke, LocalFuture};
use floodway_policy::{EndpointId, ServiceId, Snapshot};
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::cache::{CacheCounts, Purge};
use crate::counts::Counts;
use crate::generations::Generations;
use crate::idempotency::Stores;
use crate::listen::Listen;
use crate::membership::Memberships;
use crate::metrics::Metrics;
use crate::telemetry::Telemetry;
use crate::tls::{Back, Front, Reload as _, TlsError};
use crate::worker::{Phase, Worker};
use bind::{Bound, Listener};
use present::{Certificates, Present};

/// Services that wait to be started on a worker.
const SERVICES_MAX: usize = 1024;

/// How workers are started.
#[derive(Debug, Clone)]
pub struct WorkersOptions {
    /// How many; at least one.
    pub count: usize,
    /// Where they take requests.
    pub listen: Vec<Listen>,
    /// What they decide by.
    pub snapshot: Arc<Snapshot>,
    /// Who is there.
    pub memberships: Memberships,
    /// What they tell of single requests, if anything.
    pub telemetry: Option<Telemetry>,
    /// How TLS is spoken with each service, in the order of the snapshot's; those beyond the end speak none.
    pub backs: Arc<[Option<Back>]>,
    /// Start of their random streams.
    pub seed: u64,
    /// Where the idempotency keys of routes are kept.
    pub stores: Stores,
}

/// Why there are no workers.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address cannot be listened on.
    #[error("could not listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The system gives no thread or no event queue.
    #[error("could not start a worker")]
    Thread(#[source] io::Error),
}

/// What a service that runs on a worker is given.
#[derive(Debug, Clone)]
pub struct WorkerContext {
    /// Calls services of this system.
    pub invoke: Rc<dyn Invoke>,
    /// Tells when to take nothing new and end.
    pub shutdown: CancellationToken,
    generations: Rc<Generations>,
}

type Service = Box<dyn FnOnce(WorkerContext) -> LocalFuture<'static, ()> + Send>;
type Make = Box<dyn FnOnce() -> Worker + Send>;

/// The running workers. Dropping it stops them at once.
#[derive(Debug)]
pub struct Workers {
    addresses: Vec<SocketAddr>,
    /// The same sockets that the workers listen on, for whoever comes after.
    sockets: Mutex<Vec<StdListener>>,
    phase: watch::Sender<Phase>,
    shutdown: CancellationToken,
    present: Mutex<Present>,
    threads: Vec<Thread>,
}

#[derive(Debug)]
struct Thread {
    services: mpsc::Sender<Service>,
    handle: Option<JoinHandle<()>>,
}

// === impl WorkerContext ===

impl WorkerContext {
    /// What this worker has under way on each endpoint, after it has taken over the newest membership:
    /// on an endpoint that takes nothing new the count only falls from here.
    pub fn in_flight(&self) -> Vec<(EndpointId, u32)> {
        let mut in_flight = Vec::new();
        for worker in self.generations.all() {
            worker.refresh();
            let cluster = worker.cluster.borrow();
            let services = (0..).map(ServiceId).zip(&worker.snapshot.services);
            let endpoints = services.flat_map(|(id, _)| cluster.endpoints(id));
            in_flight.extend(endpoints.map(|endpoint| (endpoint.member.id, endpoint.in_flight)));
        }
        in_flight
    }

    /// The connections that this worker keeps to each endpoint and does not use.
    pub fn idle_connections(&self) -> Vec<(EndpointId, u32)> {
        let worker = self.generations.present();
        let (pool, upstreams) = (worker.pool.borrow(), worker.upstreams.borrow());
        pool.idle().chain(upstreams.idle()).collect()
    }
}

// === impl Workers ===

impl Workers {
    /// Binds all addresses and starts the threads.
    pub fn start(options: &WorkersOptions) -> Result<Self, StartError> {
        Self::begin(options, Vec::new(), Phase::Serving)
    }

    /// The same with sockets that listen already, of a program that went before. Those for addresses that
    /// are not asked for are closed. Connections wait in the queues for [`Workers::open`].
    pub fn take_over(options: &WorkersOptions, inherited: Vec<StdListener>) -> Result<Self, StartError> {
        Self::begin(options, inherited, Phase::Waiting)
    }

    fn begin(
        options: &WorkersOptions,
        inherited: Vec<StdListener>,
        phase: Phase,
    ) -> Result<Self, StartError> {
        let count = options.count.max(1);
        let Bound { addresses, sockets, listeners } = bind::bind(&options.listen, count, inherited)?;
        let (phase, _) = watch::channel(phase);
        let mut workers = Self {
            addresses,
            sockets: Mutex::new(sockets),
            phase,
            shutdown: CancellationToken::new(),
            present: Mutex::new(Present::new(options)),
            threads: Vec::with_capacity(count),
        };
        for (index, listeners) in listeners.into_iter().enumerate() {
            workers.start_thread(index, listeners, options)?;
        }
        Ok(workers)
    }

    /// Where requests are taken, with the ports that were chosen.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Takes connections from now on, where it has waited for that.
    pub fn open(&self) {
        self.phase.send_if_modified(|phase| {
            let is_waiting = *phase == Phase::Waiting;
            if is_waiting {
                *phase = Phase::Serving;
            }
            is_waiting
        });
    }

    /// The sockets that the workers listen on. As long as somebody holds them, connections wait in their
    /// queues though no worker takes any. Nothing where they were taken before.
    pub fn take_sockets(&self) -> Vec<StdListener> {
        std::mem::take(&mut self.sockets.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.threads.len()
    }

    /// Runs a service of the node on a worker's thread; `index` is taken modulo the number of workers.
    /// Services are told to end by [`Workers::end_services`].
    pub async fn spawn_on(&self, index: usize, service: Service) {
        let thread = &self.threads[index % self.threads.len()];
        if thread.services.send(service).await.is_err() {
            tracing::error!("a worker has ended and takes no more services");
        }
    }

    /// From now on, connections are served by what these options say; those that are open are served as
    /// before, and end with their next answer. The addresses and the number of workers stay as they are, and so
    /// must the services and their order. Counts go on. Returns once it is so.
    pub async fn reload(&self, options: &WorkersOptions) {
        let makers: Vec<_> = {
            let mut present = self.present();
            present.renew(options);
            let phase = self.phase.subscribe();
            (0..self.threads.len()).map(|index| present.maker(index, options, &phase)).collect()
        };
        for (index, make) in makers.into_iter().enumerate() {
            let (done, is_done) = oneshot::channel();
            let follow = move |context: WorkerContext| -> LocalFuture<'static, ()> {
                Box::pin(async move {
                    context.generations.follow(make());
                    if done.send(()).is_err() {
                        tracing::debug!("whoever asked for a reload has left");
                    }
                })
            };
            self.spawn_on(index, Box::new(follow)).await;
            // A worker that has ended takes no connections either.
            drop(is_done.await);
        }
    }

    /// What all workers have counted.
    pub fn counts(&self) -> Counts {
        self.present().counts()
    }

    /// Reads the files of certificates and keys again, for connections from now on. It blocks. What was there
    /// goes on where they cannot be used.
    pub fn reload_certificates(&self) -> Result<(), TlsError> {
        let Certificates { front, backs } = self.present().certificates.clone();
        front.as_ref().map_or(Ok(()), Front::reload)?;
        backs.iter().flatten().try_for_each(Back::reload)
    }

    /// The same by route and service. O(routes + services).
    pub fn metrics(&self) -> Metrics {
        self.present().metrics()
    }

    /// Takes responses out of the HTTP cache, and keeps those from it that are on their way. Returns how
    /// many were taken out. O(stored responses).
    pub fn purge(&self, purge: &Purge) -> u64 {
        let cache = Arc::clone(&self.present().shared.cache);
        cache.purge(purge)
    }

    /// What the HTTP cache did and holds.
    pub fn cache_counts(&self) -> CacheCounts {
        self.present().shared.cache.counts()
    }

    /// Bytes that the HTTP cache holds.
    pub fn cache_bytes(&self) -> u64 {
        self.cache_counts().bytes
    }

    /// Takes no more connections, and waits until every request is answered and every client connection
    /// has ended, at most `grace` long. Returns how many connections were left.
    pub async fn drain(&self, grace: Duration) -> u64 {
        const PAUSE: Duration = Duration::from_millis(5);
        drop(self.take_sockets());
        self.phase.send_replace(Phase::Draining);
        let wait = async {
            while self.counts().open_connections > 0 {
                tokio::time::sleep(PAUSE).await;
            }
        };
        match tokio::time::timeout(grace, wait).await {
            Ok(()) => 0,
            Err(_elapsed) => self.counts().open_connections,
        }
    }

    /// Tells the services to take nothing new and end.
    pub fn end_services(&self) {
        self.shutdown.cancel();
    }

    /// Cuts off the connections that are left and waits for the threads, and so for the services on them.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.end_services();
        self.phase.send_replace(Phase::Stopping);
        for thread in &mut self.threads {
            if let Some(handle) = thread.handle.take()
                && handle.join().is_err()
            {
                tracing::error!("a worker has panicked");
            }
        }
    }

    fn present(&self) -> MutexGuard<'_, Present> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start_thread(
        &mut self,
        index: usize,
        listeners: Vec<Listener>,
        options: &WorkersOptions,
    ) -> Result<(), StartError> {
        let (services, started) = mpsc::channel(SERVICES_MAX);
        let phase = self.phase.subscribe();
        let make = self.present().maker(index, options, &phase);
        let shutdown = self.shutdown.clone();
        let run = move || {
            // A runtime of this thread alone: its tasks need no lock and no other thread.
            match Builder::new_current_thread().enable_all().build_local(LocalOptions::default()) {
                Ok(runtime) => runtime.block_on(thread::run(make, listeners, phase, started, shutdown)),
                Err(error) => tracing::error!(%error, "a worker has no runtime"),
            }
        };
        let spawned = ThreadBuilder::new().name(format!("worker-{index}")).spawn(run);
        let handle = Some(spawned.map_err(StartError::Thread)?);
        self.threads.push(Thread { services, handle });
        Ok(())
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.end();
    }
}
