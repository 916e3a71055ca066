//! A system as its file describes it, whole and checked.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use floodway_blocks::engine::OptionValue;
use floodway_blocks::subscription::Subscription;
use floodway_policy::access::Permissions;
use floodway_policy::admission::PriorityPolicy;
use floodway_policy::balance::{Balance, HashPolicy};
use floodway_policy::budget::BudgetPolicy;
use floodway_policy::delivery::DeliveryPolicy;
use floodway_policy::fallback::FixedAnswer;
use floodway_policy::guard::GuardPolicy;
use floodway_policy::health::ProbePolicy;
use floodway_policy::hedge::HedgePolicy;
use floodway_policy::http_cache::CachePolicy;
use floodway_policy::idempotency::IdempotencyPolicy;
use floodway_policy::outlier::OutlierPolicy;
use floodway_policy::rate_limit::RateLimitPolicy;
use floodway_policy::retry::RetryPolicy;
use floodway_policy::routing::Pattern;
use floodway_policy::snapshot::{Limits, Protocol, QueuePolicy, TargetPolicy};
use floodway_policy::split::HeaderIs;
use floodway_policy::sticky::StickyPolicy;
use floodway_policy::trace::Share;
use floodway_policy::trust::TrustedProxies;
use floodway_policy::{ServiceId, Weight, ZoneId};
use floodway_workload::{Expectations, Load};

/// What one file describes. Paths are resolved against the folder of the file; everything else is as the
/// file has it, in its order, with defaults filled in.
#[derive(Debug, Clone)]
pub struct System {
    /// Its name.
    pub name: String,
    /// The file it was read from.
    pub file: PathBuf,
    /// The process that runs it.
    pub node: Node,
    /// The names of the zones; a [`ZoneId`] is a place here.
    pub zones: Vec<String>,
    /// The services; a [`ServiceId`] is a place here, as in the compiled snapshot.
    pub services: Vec<Service>,
    /// The entry for outside traffic, if there is one.
    pub gateway: Option<Gateway>,
    /// What is told of single requests.
    pub telemetry: Telemetry,
    /// Where services keep state.
    pub stores: Vec<Store>,
    /// Where services publish and subscribe; a place here is the same as in the compiled snapshot.
    pub topics: Vec<Topics>,
    /// Where services take leases.
    pub locks: Vec<Locks>,
    /// How jobs run.
    pub jobs: Jobs,
    /// Where services read secrets.
    pub secrets: Vec<Component>,
    /// Where services read and watch configuration.
    pub configuration: Vec<Component>,
    /// What is outside, as services ask it or are told of it.
    pub bindings: Vec<Component>,
    /// Which services the components of Dapr's documents are for, where not all.
    pub scopes: Vec<Scope>,
    /// How what services ask for is tried; the first that fits counts.
    pub targets: Vec<TargetPolicy>,
    /// What services may do.
    pub permissions: Permissions,
    /// The name of the document that says so, if one does.
    pub configured_by: Option<String>,
    /// Subscriptions of Dapr's documents.
    pub subscriptions: Vec<DaprSubscription>,
    /// What can be offered to it.
    pub loads: Vec<NamedLoad>,
    /// The names of the file's profiles.
    pub profiles: Vec<String>,
}

/// The process that runs a system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The folder for what must last.
    pub data: PathBuf,
    /// Where it runs: a place in [`System::zones`].
    pub zone: Option<ZoneId>,
    /// Threads that carry traffic; `None` for one per core.
    pub workers: Option<u16>,
    /// Time to finish requests and to end replicas on a stop, before they are killed.
    pub grace: Duration,
    /// Where the admin API listens. Beyond loopback only with `admin_token`.
    pub admin_listen: SocketAddr,
    /// What callers of the admin API must show.
    pub admin_token: Option<Token>,
    /// The IP address of the block API's ports. Beyond loopback only with `api_token`.
    pub api_bind: IpAddr,
    /// What callers of the block API must show.
    pub api_token: Option<Token>,
}

/// A secret that `Debug` does not show.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

/// A program.
#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// Where its replicas come from.
    pub source: Source,
    /// What it speaks.
    pub protocol: Protocol,
    /// It serves Dapr's `AppCallback`: it is asked what it subscribes to, and told of messages and jobs, by gRPC.
    pub is_grpc_app: bool,
    /// How TLS is spoken with it, if it is.
    pub tls: Option<ServiceTls>,
    /// How a replica is probed.
    pub health: Health,
    /// Which replica gets the next request.
    pub balance: Balance,
    /// What requests are told apart by.
    pub hash: HashPolicy,
    /// How the requests of a client stay together, if they do.
    pub sticky: Option<StickyPolicy>,
    /// Time in which a replica that has become ready gets more and more.
    pub slow_start: Duration,
    /// Which replicas are left out for what their requests come to.
    pub outlier: Option<OutlierPolicy>,
    /// One for each replica or address.
    pub weights: Vec<Weight>,
    /// Where each replica or address is, as far as that is known.
    pub zones: Vec<Option<ZoneId>>,
    /// The last so many replicas or addresses are for when no other takes requests; fewer than there are.
    pub backups: u16,
    /// Time for a call to it from another service.
    pub timeout: Duration,
    /// When such a call is tried again.
    pub retry: RetryPolicy,
    /// What pays for that.
    pub budget: BudgetPolicy,
    /// What protects it.
    pub guard: GuardPolicy,
}

/// TLS with the replicas of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceTls {
    /// The file of the authorities; without one, those that the machine believes.
    pub ca: Option<PathBuf>,
    /// The name that certificates must be for; without one, the address that is connected to.
    pub name: Option<String>,
    /// What the gateway shows of itself.
    pub own: Option<CertificateFiles>,
    /// Certificates are checked.
    pub verify: bool,
}

/// Where the replicas of a service come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The node starts them.
    Run(Run),
    /// They are there.
    At(Vec<SocketAddr>),
}

/// How replicas are started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// A line for `sh -c`, run in `dir` before the first start; once per distinct line and folder.
    pub build: Option<String>,
    /// The program and its arguments; at least the program. Relative to `dir`.
    pub command: Vec<String>,
    /// The working folder.
    pub dir: PathBuf,
    /// Environment variables besides those the node sets.
    pub env: Vec<(String, String)>,
    /// How many; at least 1.
    pub replicas: u16,
}

/// How a replica is probed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// By what.
    pub probe: Probe,
    /// When, and what follows.
    pub policy: ProbePolicy,
}

/// What a probe does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// GET this path; 200 to 399 is a success.
    Http(String),
    /// Ask for this service by the gRPC health checking protocol; empty for the replica as a whole.
    Grpc(String),
    /// Connect.
    Tcp,
}

/// The entry for outside traffic.
#[derive(Debug, Clone)]
pub struct Gateway {
    /// Where it listens; at least one, no two that overlap. Port 0 takes any free one.
    pub listen: Vec<Listen>,
    /// How it speaks TLS. There where a listener does.
    pub tls: Option<Tls>,
    /// Whom it believes what they say of others.
    pub trusted_proxies: TrustedProxies,
    /// What it accepts.
    pub limits: Limits,
    /// Bytes that the caches of routes may hold together.
    pub cache_bytes_max: u64,
    /// Which request goes where.
    pub routes: Vec<Route>,
}

/// Where the gateway takes connections, and what they begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listen {
    /// The address.
    pub address: SocketAddr,
    /// Each connection begins with a header of the PROXY protocol. Only with trusted proxies.
    pub proxy_protocol: bool,
    /// Clients speak TLS.
    pub tls: bool,
}

/// TLS with clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// At least one.
    pub certificates: Vec<CertificateFiles>,
    /// What clients are asked for.
    pub client: Option<ClientAuthority>,
}

/// A certificate and its private key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate and those that lead to its authority.
    pub cert: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// Who may have issued the certificates of clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientAuthority {
    /// The file of the authorities.
    pub ca: PathBuf,
    /// A client without a certificate is refused.
    pub required: bool,
}

/// Sends the requests that match to a service.
#[derive(Debug, Clone)]
pub struct Route {
    /// Which requests.
    pub pattern: Pattern,
    /// The service.
    pub to: ServiceId,
    /// Which requests go elsewhere.
    pub split: Vec<Part>,
    /// Time until the head of the response must be there, all tries included.
    pub timeout: Duration,
    /// Time until the whole response must have been passed on, if there is a bound.
    pub total_timeout: Option<Duration>,
    /// Time for one connection to be made.
    pub connect_timeout: Duration,
    /// Tries after the first, where trying again is safe.
    pub retry: RetryPolicy,
    /// What may be spent on them.
    pub budget: BudgetPolicy,
    /// When a second try is made beside one that is late, if ever.
    pub hedge: Option<HedgePolicy>,
    /// Whether clients may say how long they wait, and the service is told what is left.
    pub tells_time: bool,
    /// What clients get where the service cannot answer, if not a problem.
    pub fallback: Option<Fallback>,
    /// How much a request matters.
    pub priority: Option<PriorityPolicy>,
    /// How often clients may ask.
    pub rate_limit: Option<RateLimitPolicy>,
    /// Largest request body in bytes.
    pub body_max: u64,
    /// How its responses are cached, if they are.
    pub cache: Option<CachePolicy>,
    /// How its requests run once, if they do.
    pub idempotency: Option<Arc<IdempotencyPolicy>>,
}

/// What stands in for a route's service that cannot answer. Stale responses are the cache's affair.
#[derive(Debug, Clone)]
pub struct Fallback {
    /// Another service.
    pub to: Option<ServiceId>,
    /// What clients get where that does not answer either.
    pub answer: Option<FixedAnswer>,
}

/// A part of a route's requests that goes to another service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The service.
    pub to: ServiceId,
    /// Of a hundred, so many by chance.
    pub percent: u8,
    /// Those with this header at any rate.
    pub header: Option<HeaderIs>,
}

/// An engine with its options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Engine {
    /// A name of the catalogue.
    pub name: String,
    /// Every option that the engine has for the block, defaults filled in.
    pub options: BTreeMap<String, OptionValue>,
}

/// Where services keep state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// Its name.
    pub name: String,
    /// What does the work.
    pub engine: Engine,
    /// What is published with each transaction.
    pub outbox: Option<Outbox>,
}

/// Publishes with each transaction, in one commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outbox {
    /// The topics component, which has the same engine as the store.
    pub topics: String,
    /// The topic.
    pub topic: String,
}

/// Where services publish and subscribe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topics {
    /// Its name.
    pub name: String,
    /// What does the work.
    pub engine: Engine,
    /// How a message is delivered.
    pub delivery: DeliveryPolicy,
    /// Where messages go that are given up, unless a subscription says otherwise.
    pub dead_letter: Option<String>,
    /// Messages of one subscription that may be under way at once; at least 1.
    pub in_flight_max: u16,
    /// For how long after a message another with its deduplication id is a duplicate.
    pub dedup: Duration,
    /// The topics that are task queues.
    pub queues: Vec<QueuePolicy>,
}

/// Where services take leases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Locks {
    /// Its name.
    pub name: String,
    /// What does the work.
    pub engine: Engine,
}

/// How jobs run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Jobs {
    /// Time for a service's answer to one run.
    pub timeout: Duration,
    /// Runs of one service under way at once; at least 1.
    pub in_flight_max: u16,
}

/// A name that services use, and what does the work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// Its name.
    pub name: String,
    /// What does the work.
    pub engine: Engine,
}

/// Whom a component is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// The key of the system file under which such a component stands, as in "stores".
    pub section: &'static str,
    /// The component.
    pub name: String,
    /// The services.
    pub apps: Vec<String>,
}

/// A subscription that a document declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DaprSubscription {
    /// What is subscribed to.
    pub subscription: Subscription,
    /// The services that it is for; none for all.
    pub apps: Vec<String>,
}

/// A load with what it must come to.
#[derive(Debug, Clone)]
pub struct NamedLoad {
    /// Its name.
    pub name: String,
    /// What to offer.
    pub load: Load,
    /// What must come back.
    pub expect: Expectations,
    /// What to run afterwards.
    pub audit: Option<Audit>,
}

/// A program that checks the system after a load; its exit status counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    /// The program and its arguments; at least the program. Relative to `dir`.
    pub command: Vec<String>,
    /// The working folder.
    pub dir: PathBuf,
}

// === impl Token ===

impl Token {
    pub(crate) const fn new(secret: String) -> Self {
        Self(secret)
    }

    /// The secret itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

// === impl Service ===

impl Service {
    /// How many replicas or addresses it has.
    pub const fn endpoints(&self) -> usize {
        match &self.source {
            Source::Run(run) => run.replicas as usize,
            Source::At(addresses) => addresses.len(),
        }
    }
}

// === impl System ===

impl System {
    /// Finds a load by name.
    pub fn load(&self, name: &str) -> Option<&NamedLoad> {
        self.loads.iter().find(|load| load.name == name)
    }
}

/// What is told of single requests.
#[derive(Debug, Clone, Default)]
pub struct Telemetry {
    /// Lines of JSON.
    pub access_log: Option<AccessLog>,
    /// Spans.
    pub traces: Option<Traces>,
}

/// A line for each request.
#[derive(Debug, Clone)]
pub struct AccessLog {
    /// Of how many.
    pub sample: Share,
    /// Where lines go.
    pub to: LogTo,
}

/// Where a log goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogTo {
    /// The node's own.
    Stderr,
    /// Added to a file.
    File(PathBuf),
}

/// Taking part in traces.
#[derive(Debug, Clone)]
pub struct Traces {
    /// Where a collector takes OTLP over HTTP.
    pub otlp: SocketAddr,
    /// Of how many requests.
    pub sample: Share,
}
