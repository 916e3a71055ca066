//! The worker threads: each with its own runtime, listeners and state.

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use floodway_blocks::invoke::{Invoke, LocalFuture};
use floodway_policy::{EndpointId, ServiceId, Snapshot};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::cache::{CacheCounts, Purge, Store};
use crate::clock::Clock;
use crate::connection::{self, Client};
use crate::counts::{Counters, Counts};
use crate::entry;
use crate::generations::Generations;
use crate::idempotency::Stores;
use crate::invoke::Caller;
use crate::listen::Listen;
use crate::membership::Memberships;
use crate::metrics::Metrics;
use crate::peer::{Peer, Scheme};
use crate::rate_limits::RateLimits;
use crate::telemetry::Telemetry;
use crate::tls::{self, Back, Front, Reload as _, TlsError};
use crate::worker::{Open, Phase, Shared, Worker};

/// Connections that wait to be taken.
const BACKLOG: i32 = 4096;
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

/// What the workers were started with or told last, and what they have counted.
#[derive(Debug)]
struct Present {
    shared: Shared,
    certificates: Certificates,
    /// By thread.
    counters: Vec<Arc<Counters>>,
    /// Of workers that may still have connections.
    before: Vec<(Arc<Snapshot>, Arc<Counters>)>,
    /// Of those that have ended.
    past: Metrics,
}

/// What is read anew when its files change.
#[derive(Debug, Clone, Default)]
struct Certificates {
    front: Option<Front>,
    backs: Arc<[Option<Back>]>,
}

/// One worker's socket for an address.
#[derive(Debug)]
struct Listener {
    /// Which of the addresses it is.
    place: usize,
    socket: StdListener,
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
        let Bound { addresses, sockets, listeners } = bind(&options.listen, count, inherited)?;
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
                Ok(runtime) => runtime.block_on(run(make, listeners, phase, started, shutdown)),
                Err(error) => tracing::error!(%error, "a worker has no runtime"),
            }
        };
        let spawned = thread::Builder::new().name(format!("worker-{index}")).spawn(run);
        let handle = Some(spawned.map_err(StartError::Thread)?);
        self.threads.push(Thread { services, handle });
        Ok(())
    }
}

// === impl Present ===

impl Present {
    fn new(options: &WorkersOptions) -> Self {
        let cache = Arc::new(Store::new(options.snapshot.cache_bytes_max.unwrap_or_default()));
        let shared = Shared {
            snapshot: Arc::clone(&options.snapshot),
            memberships: options.memberships.clone(),
            clock: Clock::start(),
            backs: Arc::clone(&options.backs),
            stores: options.stores.clone(),
            cache,
            rate_limits: Arc::new(RateLimits::new(&options.snapshot)),
            crowd: Arc::default(),
            listen: options.listen.as_slice().into(),
            telemetry: options.telemetry.clone(),
        };
        let (counters, before, past) = (Vec::new(), Vec::new(), Metrics::default());
        Self { shared, certificates: Certificates::of(options), counters, before, past }
    }

    /// Takes newer options over. What has nothing to do with them stays.
    fn renew(&mut self, options: &WorkersOptions) {
        let Shared { snapshot, clock, cache, crowd, .. } = &self.shared;
        let keeps_cache = snapshot.cache_bytes_max == options.snapshot.cache_bytes_max;
        let (clock, crowd) = (*clock, Arc::clone(crowd));
        let cache = keeps_cache.then(|| Arc::clone(cache));
        let last = Arc::clone(snapshot);
        self.before.extend(self.counters.drain(..).map(|counters| (Arc::clone(&last), counters)));
        self.before.retain(|(snapshot, counters)| {
            let is_over = Arc::strong_count(counters) == 1;
            if is_over {
                let mut metrics = Metrics::new(snapshot);
                metrics.add(counters);
                self.past.keep(&metrics);
            }
            !is_over
        });
        let fresh = Self::new(options).shared;
        self.shared = Shared { clock, crowd, cache: cache.unwrap_or(fresh.cache), ..fresh };
        self.certificates = Certificates::of(options);
    }

    /// Makes the next worker of a thread, on it.
    fn maker(&mut self, index: usize, options: &WorkersOptions, phase: &watch::Receiver<Phase>) -> Make {
        let counters = Arc::new(Counters::new(&self.shared.snapshot));
        self.counters.push(Arc::clone(&counters));
        let seed = floodway_policy::rng::mix(options.seed ^ index as u64);
        let workers = u32::try_from(options.count.max(1)).unwrap_or(u32::MAX);
        let (shared, phase) = (self.shared.clone(), phase.clone());
        // One of them looks after the files for all.
        let watched = if index == 0 { self.certificates.clone() } else { Certificates::default() };
        Box::new(move || {
            let worker = Worker::new(shared, counters, phase, workers, seed);
            watched.look_after(&worker);
            worker
        })
    }

    fn counts(&self) -> Counts {
        let mut counts = self.past.counts;
        for counters in self.counters.iter().chain(self.before.iter().map(|(_, counters)| counters)) {
            counts.add(counters);
        }
        counts
    }

    fn metrics(&self) -> Metrics {
        let mut metrics = Metrics::new(&self.shared.snapshot);
        for counters in &self.counters {
            metrics.add(counters);
        }
        for (snapshot, counters) in &self.before {
            let mut before = Metrics::new(snapshot);
            before.add(counters);
            metrics.merge(&before);
        }
        metrics.merge(&self.past);
        metrics.cache = self.shared.cache.counts();
        metrics
    }
}

// === impl Certificates ===

impl Certificates {
    fn of(options: &WorkersOptions) -> Self {
        Self {
            front: options.listen.iter().find_map(|listen| listen.tls.clone()),
            backs: Arc::clone(&options.backs),
        }
    }

    /// For as long as the worker is the one that takes connections.
    fn look_after(self, worker: &Worker) {
        let spawn = |watched: LocalFuture<'static, Infallible>| {
            let retired = worker.retired.clone();
            worker.tasks.spawn(async move {
                tokio::select! {
                    never = watched => match never {},
                    () = retired.cancelled() => {}
                }
            });
        };
        if let Some(front) = self.front {
            spawn(Box::pin(tls::watch(front)));
        }
        for back in self.backs.iter().flatten().cloned() {
            spawn(Box::pin(tls::watch(back)));
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.end();
    }
}

/// A thread's life: listens, runs services, and ends when told and done.
async fn run(
    make: Make,
    listeners: Vec<Listener>,
    mut phase: watch::Receiver<Phase>,
    mut services: mpsc::Receiver<Service>,
    shutdown: CancellationToken,
) {
    let generations = Rc::new(Generations::new(make()));
    let own = crate::tasks::Tasks::default();
    for listener in listeners {
        own.spawn(listen(Rc::clone(&generations), listener, phase.clone()));
    }
    let invoke: Rc<dyn Invoke> = Rc::new(Caller::new(Rc::clone(&generations)));
    let context = WorkerContext { invoke, shutdown, generations: Rc::clone(&generations) };
    loop {
        tokio::select! {
            Some(service) = services.recv() => own.spawn(service(context.clone())),
            _ = phase.wait_for(|phase| *phase == Phase::Stopping) => break,
        }
    }
    own.finished().await;
    // Connections to endpoints end with their senders.
    generations.all().for_each(|worker| worker.disconnect());
}

/// Takes connections until the thread drains.
async fn listen(generations: Rc<Generations>, listener: Listener, mut phase: watch::Receiver<Phase>) {
    const PAUSE: Duration = Duration::from_millis(50);
    let Listener { place, socket } = listener;
    let listener = match TcpListener::from_std(socket) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "a worker cannot listen"),
    };
    // A sender that is gone is told apart below.
    drop(phase.wait_for(|phase| *phase >= Phase::Serving).await);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = phase.wait_for(|phase| *phase >= Phase::Draining) => {
                return generations.all().for_each(|worker| worker.drain());
            }
        };
        match accepted {
            Ok((stream, client)) => {
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "a connection was gone at once");
                    continue;
                }
                take(&generations.present(), place, stream, client);
            }
            Err(error) => {
                // Out of descriptors or memory: what is open goes on, and may end soon.
                tracing::warn!(%error, "a connection could not be taken");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

fn take(worker: &Rc<Worker>, place: usize, stream: tokio::net::TcpStream, from: SocketAddr) {
    let Some(how) = worker.listen.get(place) else { return };
    let Some(mut open) = Open::begin(worker) else { return tracing::debug!(%from, "too many connections") };
    if how.is_plain() {
        let address = from.ip();
        let is_trusted = worker.snapshot.trusted_proxies.contains(address);
        let peer = Peer { address, is_trusted, scheme: Scheme::Http, certificate: None };
        if !open.is_of(&peer) {
            return tracing::debug!(%from, "the client has too many connections");
        }
        worker.tasks.spawn(connection::serve(Client::new(open, peer), stream.into()));
    } else {
        worker.tasks.spawn(entry::enter(open, how.clone(), stream, from));
    }
}

/// What is listened on.
struct Bound {
    addresses: Vec<SocketAddr>,
    sockets: Vec<StdListener>,
    /// By worker.
    listeners: Vec<Vec<Listener>>,
}

/// At least one listener per address and worker, on the same port. Each socket that was inherited for an
/// address is given to a worker, for it may have connections in its queue.
fn bind(listen: &[Listen], count: usize, mut inherited: Vec<StdListener>) -> Result<Bound, StartError> {
    let mut bound = Bound {
        addresses: Vec::with_capacity(listen.len()),
        sockets: Vec::new(),
        listeners: (0..count).map(|_| Vec::new()).collect(),
    };
    for (place, how) in listen.iter().enumerate() {
        let failed = |source| StartError::Listen { address: how.address, source };
        let mut sockets = take_inherited(&mut inherited, how.address);
        if sockets.is_empty() {
            check_free(how.address).map_err(failed)?;
            sockets.push(bind_one(how.address).map_err(failed)?);
        }
        let address = sockets[0].local_addr().map_err(failed)?;
        while sockets.len() < count {
            sockets.push(bind_one(address).map_err(failed)?);
        }
        for (index, socket) in sockets.into_iter().enumerate() {
            bound.sockets.push(socket.try_clone().map_err(failed)?);
            bound.listeners[index % count].push(Listener { place, socket });
        }
        bound.addresses.push(address);
    }
    Ok(bound)
}

/// Those of them that listen on an address; with port 0, on any one port of it.
fn take_inherited(inherited: &mut Vec<StdListener>, wanted: SocketAddr) -> Vec<StdListener> {
    let is_it = |socket: &StdListener| {
        let is = socket.local_addr().ok()?;
        let is_wanted = is == wanted || (wanted.port() == 0 && is.ip() == wanted.ip());
        is_wanted.then_some(is)
    };
    let Some(address) = inherited.iter().find_map(is_it) else { return Vec::new() };
    inherited.extract_if(.., |socket| socket.local_addr().is_ok_and(|is| is == address)).collect()
}

fn bind_one(address: SocketAddr) -> io::Result<StdListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Fails where somebody listens already: sharing a port is for the workers of one node only, and two
/// nodes that share one by mistake would each get half of the requests.
fn check_free(address: SocketAddr) -> io::Result<()> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(1)
}
