//! Builders: a gateway in front of servers, and servers that speak raw bytes.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use floodway_gateway::telemetry::Telemetry;
use floodway_gateway::{Back, Counts, Listen, Memberships, Stores, Workers, WorkersOptions};
use floodway_policy::admission::PriorityPolicy;
use floodway_policy::balance::{Balance, HashPolicy};
use floodway_policy::budget::BudgetPolicy;
use floodway_policy::fallback::{FallbackPolicy, FixedAnswer};
use floodway_policy::guard::GuardPolicy;
use floodway_policy::health::ProbePolicy;
use floodway_policy::hedge::HedgePolicy;
use floodway_policy::http_cache::CachePolicy;
use floodway_policy::idempotency::IdempotencyPolicy;
use floodway_policy::outlier::OutlierPolicy;
use floodway_policy::rate_limit::RateLimitPolicy;
use floodway_policy::retry::RetryPolicy;
use floodway_policy::routing::{Methods, PathPattern, Pattern, RouteId, Router};
use floodway_policy::snapshot::{
    BudgetId, CallPolicy, HedgeId, Limits, Protocol, RoutePolicy, ServicePolicy,
};
use floodway_policy::split::{HeaderIs, Part, SplitPolicy};
use floodway_policy::sticky::StickyPolicy;
use floodway_policy::trust::{Network, TrustedProxies};
use floodway_policy::{EndpointId, EndpointState, Member, Membership, ServiceId, Snapshot, Weight, ZoneId};

pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// A gateway that is being put together.
pub(crate) struct Builder {
    services: Vec<(Balance, Vec<SocketAddr>)>,
    protocols: Vec<(Protocol, Option<Back>)>,
    routes: Vec<Routing>,
    limits: Limits,
    timeout: Duration,
    workers: usize,
    listen: Listen,
    trusted: Vec<Network>,
    cache_bytes_max: u64,
    retry: RetryPolicy,
    budget: BudgetPolicy,
    hedge: Option<HedgePolicy>,
    fallback: Option<Arc<FallbackPolicy>>,
    fallback_to: Option<usize>,
    tells_time: bool,
    total_timeout: Option<Duration>,
    guard: GuardPolicy,
    hash: HashPolicy,
    sticky: Option<StickyPolicy>,
    outlier: Option<OutlierPolicy>,
    priority: Option<PriorityPolicy>,
    rate_limit: Option<RateLimitPolicy>,
    telemetry: Option<Telemetry>,
    stores: Stores,
    backups: usize,
    near: Option<usize>,
}

struct Routing {
    pattern: Pattern,
    service: usize,
    cache: Option<CachePolicy>,
    idempotency: Option<Arc<IdempotencyPolicy>>,
    split: Vec<(usize, u8, Option<HeaderIs>)>,
}

/// A running gateway.
pub(crate) struct Gateway {
    pub(crate) workers: Workers,
    memberships: Memberships,
    services: Vec<Vec<SocketAddr>>,
    backups: usize,
    near: Option<usize>,
}

/// A gateway with one service on these servers, and a route to it for everything.
pub(crate) fn gateway(servers: &[SocketAddr]) -> Gateway {
    builder().service(servers).route("/*", &[], 0).start()
}

pub(crate) fn builder() -> Builder {
    Builder {
        services: Vec::new(),
        protocols: Vec::new(),
        routes: Vec::new(),
        limits: Limits::default(),
        timeout: Duration::from_secs(5),
        workers: 2,
        retry: RetryPolicy::default(),
        budget: BudgetPolicy::default(),
        hedge: None,
        fallback: None,
        fallback_to: None,
        tells_time: false,
        total_timeout: None,
        guard: GuardPolicy::default(),
        hash: HashPolicy::default(),
        sticky: None,
        outlier: None,
        priority: None,
        rate_limit: None,
        listen: SocketAddr::from(([127, 0, 0, 1], 0)).into(),
        trusted: Vec::new(),
        cache_bytes_max: 64 << 20,
        telemetry: None,
        stores: Stores::default(),
        backups: 0,
        near: None,
    }
}

impl Builder {
    pub(crate) fn service(mut self, servers: &[SocketAddr]) -> Self {
        self.services.push((Balance::RoundRobin, servers.to_vec()));
        self.protocols.push((Protocol::Http1, None));
        self
    }

    pub(crate) fn http2(mut self) -> Self {
        self.protocols.last_mut().expect("a service").0 = Protocol::Http2;
        self
    }

    pub(crate) fn tls(mut self, back: Back) -> Self {
        self.protocols.last_mut().expect("a service").1 = Some(back);
        self
    }

    pub(crate) fn balance(mut self, balance: Balance) -> Self {
        self.services.last_mut().expect("a service").0 = balance;
        self
    }

    pub(crate) fn route(mut self, path: &str, methods: &[&str], service: usize) -> Self {
        let named = methods.iter().try_fold(Methods::NONE, |set, method| set.with(method));
        let methods = named.filter(|_| !methods.is_empty()).unwrap_or(Methods::ALL);
        let path = PathPattern::parse(path).expect("a pattern");
        let pattern = Pattern { host: None, path, methods };
        self.routes.push(Routing { pattern, service, cache: None, idempotency: None, split: Vec::new() });
        self
    }

    pub(crate) fn limits(mut self, change: impl FnOnce(&mut Limits)) -> Self {
        change(&mut self.limits);
        self
    }

    pub(crate) fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How the last route caches.
    /// How long all answers may take to their end.
    pub(crate) fn total_timeout(mut self, timeout: Duration) -> Self {
        self.total_timeout = Some(timeout);
        self
    }

    pub(crate) fn cache(mut self, policy: CachePolicy) -> Self {
        self.routes.last_mut().expect("a route").cache = Some(policy);
        self
    }

    /// How the last route runs requests once, and by which stores.
    pub(crate) fn idempotency(mut self, policy: IdempotencyPolicy, stores: Stores) -> Self {
        self.routes.last_mut().expect("a route").idempotency = Some(Arc::new(policy));
        self.stores = stores;
        self
    }

    pub(crate) fn cache_bytes_max(mut self, bytes: u64) -> Self {
        self.cache_bytes_max = bytes;
        self
    }

    pub(crate) fn trusting(mut self, network: &str) -> Self {
        self.trusted.push(Network::parse(network).expect("a network"));
        self
    }

    pub(crate) fn listen(mut self, change: impl FnOnce(&mut Listen)) -> Self {
        change(&mut self.listen);
        self
    }

    /// How all requests are tried again.
    pub(crate) fn retry(mut self, change: impl FnOnce(&mut RetryPolicy)) -> Self {
        change(&mut self.retry);
        self
    }

    pub(crate) fn budget(mut self, budget: BudgetPolicy) -> Self {
        self.budget = budget;
        self
    }

    /// How all requests are hedged.
    pub(crate) fn hedge(mut self, policy: HedgePolicy) -> Self {
        self.hedge = Some(policy);
        self
    }

    /// Services are told how much time is left, and clients heard.
    pub(crate) fn tells_time(mut self) -> Self {
        self.tells_time = true;
        self
    }

    /// The service that stands in for those of all routes, and what they answer where it cannot either.
    pub(crate) fn fallback_to(mut self, service: usize, answer: Option<FixedAnswer>) -> Self {
        self.fallback = Some(Arc::new(FallbackPolicy { to: None, answer }));
        self.fallback_to = Some(service);
        self
    }

    /// What all routes answer where a service cannot.
    pub(crate) fn fallback(mut self, policy: FallbackPolicy) -> Self {
        self.fallback = Some(Arc::new(policy));
        self
    }

    /// What protects each service.
    pub(crate) fn guard(mut self, change: impl FnOnce(&mut GuardPolicy)) -> Self {
        change(&mut self.guard);
        self
    }

    /// What requests are told apart by.
    pub(crate) fn hash(mut self, policy: HashPolicy) -> Self {
        self.hash = policy;
        self
    }

    /// How the clients of all services stay where they are.
    pub(crate) fn sticky(mut self, policy: StickyPolicy) -> Self {
        self.sticky = Some(policy);
        self
    }

    pub(crate) fn outlier(mut self, policy: OutlierPolicy) -> Self {
        self.outlier = Some(policy);
        self
    }

    pub(crate) fn rate_limit(mut self, policy: RateLimitPolicy) -> Self {
        self.rate_limit = Some(policy);
        self
    }

    pub(crate) fn priority(mut self, policy: PriorityPolicy) -> Self {
        self.priority = Some(policy);
        self
    }

    pub(crate) fn telemetry(mut self, telemetry: Telemetry) -> Self {
        self.telemetry = Some(telemetry);
        self
    }

    /// A part of the last route goes to another service.
    pub(crate) fn split(mut self, service: usize, percent: u8, header: Option<HeaderIs>) -> Self {
        self.routes.last_mut().expect("a route").split.push((service, percent, header));
        self
    }

    /// The last so many servers of each service are backups.
    pub(crate) fn backups(mut self, backups: usize) -> Self {
        self.backups = backups;
        self
    }

    /// The first so many servers of each service are in the zone of the gateway, the others in another.
    pub(crate) fn near(mut self, near: usize) -> Self {
        self.near = Some(near);
        self
    }

    pub(crate) fn one_worker(mut self) -> Self {
        self.workers = 1;
        self
    }

    pub(crate) fn start(self) -> Gateway {
        let memberships = Memberships::default();
        let (backups, near) = (self.backups, self.near);
        let (options, services) = self.options(&memberships);
        let gateway = Gateway {
            workers: Workers::start(&options).expect("workers"),
            memberships,
            services,
            backups,
            near,
        };
        gateway.publish(|_, _| EndpointState::Ready);
        gateway
    }

    fn options(self, memberships: &Memberships) -> (WorkersOptions, Vec<Vec<SocketAddr>>) {
        let call = |service: usize| CallPolicy {
            service: ServiceId(u16::try_from(service).expect("few")),
            timeout: self.timeout,
            total_timeout: self.total_timeout,
            connect_timeout: Duration::from_secs(1),
            retry: self.retry,
            budget: BudgetId(0),
            hedge: self.hedge.map(|_| HedgeId(0)),
            tells_time: self.tells_time,
        };
        let services = self.services.iter().enumerate().map(|(index, (balance, _))| ServicePolicy {
            name: format!("service-{index}"),
            balance: *balance,
            hash: self.hash.clone(),
            sticky: self.sticky.clone(),
            slow_start: Duration::ZERO,
            outlier: self.outlier,
            protocol: self.protocols[index].0,
            probe: ProbePolicy::default(),
            call: call(index),
            guard: self.guard.clone(),
        });
        let policy = |route: &Routing, service| RoutePolicy {
            name: route.pattern.to_string(),
            call: call(service),
            body_max: self.limits.body_max,
            cache: route.cache,
            idempotency: route.idempotency.clone(),
            priority: self.priority.clone(),
            fallback: self.fallback.clone(),
            rate_limit: self.rate_limit.clone(),
            split: None,
        };
        let routes = self.routes.iter().map(|route| {
            let part = |(service, percent, header): &(usize, u8, Option<HeaderIs>)| Part {
                header: header.clone(),
                percent: *percent,
                route: policy(route, *service),
            };
            let split = (!route.split.is_empty())
                .then(|| SplitPolicy { parts: route.split.iter().map(part).collect() });
            let to = self.fallback_to.map(|to| policy(route, to));
            RoutePolicy { split, ..stood_in_for(policy(route, route.service), to) }
        });
        let has_cache = self.routes.iter().any(|route| route.cache.is_some());
        let patterns = (0..).map(RouteId).zip(&self.routes).map(|(id, route)| (route.pattern.clone(), id));
        let snapshot = Snapshot {
            services: services.collect(),
            router: Router::new(patterns),
            routes: routes.collect(),
            budgets: vec![self.budget],
            hedges: self.hedge.into_iter().collect(),
            limits: self.limits,
            cache_bytes_max: has_cache.then_some(self.cache_bytes_max),
            zone: self.near.map(|_| ZoneId(0)),
            trusted_proxies: TrustedProxies::new(self.trusted),
            ..Snapshot::default()
        };
        let options = WorkersOptions {
            count: self.workers,
            listen: vec![self.listen],
            snapshot: Arc::new(snapshot),
            memberships: memberships.clone(),
            telemetry: self.telemetry,
            backs: self.protocols.into_iter().map(|(_, back)| back).collect(),
            seed: 7,
            stores: self.stores,
        };
        let services = self.services.into_iter().map(|(_, servers)| servers).collect();
        (options, services)
    }
}

impl Gateway {
    /// Goes on as another that has the same services.
    pub(crate) fn reload(&self, other: Builder) {
        let (options, services) = other.options(&self.memberships);
        assert_eq!(services, self.services);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(self.workers.reload(&options));
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.workers.addresses()[0]
    }

    pub(crate) fn counts(&self) -> Counts {
        self.workers.counts()
    }

    /// Publishes the state that each endpoint, by service and slot, is in.
    pub(crate) fn publish(&self, state: impl Fn(usize, usize) -> EndpointState) {
        let services = self.services.iter().enumerate().map(|(service, servers)| {
            let members = servers.iter().enumerate().map(|(slot, address)| Member {
                id: EndpointId {
                    service: ServiceId(u16::try_from(service).expect("few")),
                    slot: u16::try_from(slot).expect("few"),
                    incarnation: 0,
                },
                address: *address,
                weight: Weight::ONE,
                state: state(service, slot),
                is_backup: slot >= servers.len() - self.backups,
                zone: self.near.map(|near| ZoneId((slot >= near).into())),
            });
            members.collect()
        });
        self.memberships.publish(Membership { services: services.collect() });
    }

    /// Waits until nothing is in flight.
    pub(crate) fn wait_quiet(&self) {
        floodway_kit::eventually_blocking(PATIENCE, "nothing is in flight", || self.counts().in_flight == 0);
    }
}

/// A server that does as told with each of its connections, on a thread of its own.
/// A route, with another that is taken where its service cannot answer.
fn stood_in_for(own: RoutePolicy, to: Option<RoutePolicy>) -> RoutePolicy {
    let Some(to) = to else { return own };
    let to = Some(Box::new(RoutePolicy { fallback: None, cache: None, ..to }));
    let answer = own.fallback.as_ref().and_then(|fallback| fallback.answer.clone());
    RoutePolicy { fallback: Some(Arc::new(FallbackPolicy { to, answer })), ..own }
}

pub(crate) fn raw_server(each: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let address = listener.local_addr().expect("an address");
    let each = Arc::new(each);
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
            let each = Arc::clone(&each);
            thread::spawn(move || each(stream));
        }
    });
    address
}

/// Reads a head, up to and with its empty line.
pub(crate) fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && matches!(stream.read(&mut byte), Ok(1)) {
        head.push(byte[0]);
    }
    String::from_utf8_lossy(&head).into_owned()
}

pub(crate) fn write(stream: &mut TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).expect("the other side reads");
}

pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("somebody listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    stream
}

/// Reads exactly as many bytes as the text has, and compares.
pub(crate) fn expect_text(stream: &mut TcpStream, text: &str) {
    let mut bytes = vec![0; text.len()];
    stream.read_exact(&mut bytes).expect("the text comes");
    assert_eq!(String::from_utf8_lossy(&bytes), text);
}
