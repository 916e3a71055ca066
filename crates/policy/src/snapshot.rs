//! The configuration that decisions are made by: compiled once from the system file, immutable, shared
//! by the gateway's workers and the simulator.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use crate::admission::PriorityPolicy;
use crate::balance::{Balance, HashPolicy};
use crate::budget::BudgetPolicy;
use crate::delivery::DeliveryPolicy;
use crate::fallback::FallbackPolicy;
use crate::guard::GuardPolicy;
use crate::health::ProbePolicy;
use crate::hedge::HedgePolicy;
use crate::http_cache::CachePolicy;
use crate::idempotency::IdempotencyPolicy;
use crate::membership::{ServiceId, ZoneId};
use crate::operation::OperationPolicy;
use crate::outlier::OutlierPolicy;
use crate::rate_limit::RateLimitPolicy;
use crate::retry::RetryPolicy;
use crate::routing::{RouteId, Router};
use crate::split::SplitPolicy;
use crate::sticky::StickyPolicy;
use crate::trust::TrustedProxies;

/// Everything the data plane needs to know of a system.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// The services; a [`ServiceId`] is a place here.
    pub services: Vec<ServicePolicy>,
    /// Finds the route of a request.
    pub router: Router,
    /// The routes; a [`RouteId`] is a place here.
    pub routes: Vec<RoutePolicy>,
    /// What may be spent on retries: one for each route and each service that is called.
    pub budgets: Vec<BudgetPolicy>,
    /// When second tries are made; of the routes that have them.
    pub hedges: Vec<HedgePolicy>,
    /// What the gateway accepts.
    pub limits: Limits,
    /// Whom the gateway believes what it says of others.
    pub trusted_proxies: TrustedProxies,
    /// Bytes that the gateway's HTTP cache may hold; `None` where no route has one.
    pub cache_bytes_max: Option<u64>,
    /// Where this node is, if that is known: endpoints there come first.
    pub zone: Option<ZoneId>,
    /// The topics components.
    pub topics: Vec<TopicsPolicy>,
    /// What stands between what services ask for and its failing; the first that fits counts.
    pub targets: Vec<TargetPolicy>,
}

/// How what services ask of a target is tried.
#[derive(Debug, Clone, PartialEq)]
pub struct TargetPolicy {
    /// What is asked.
    pub target: TargetName,
    /// The services that it is for; none for all.
    pub services: Vec<String>,
    /// How.
    pub policy: OperationPolicy,
}

/// Names a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetName {
    /// A service that others call.
    Service(String),
    /// A component, by its section of the system file and its name: what services ask of it.
    Outbound(&'static str, String),
    /// The same: what it brings to services.
    Inbound(&'static str, String),
}

/// How one service is called.
#[derive(Debug, Clone)]
pub struct ServicePolicy {
    /// Its name in the system file.
    pub name: String,
    /// Who gets the next request.
    pub balance: Balance,
    /// What requests are told apart by, for those balances that do.
    pub hash: HashPolicy,
    /// How the requests of a client stay together, if they do.
    pub sticky: Option<StickyPolicy>,
    /// Time in which a replica that has become ready gets more and more, up to its share.
    pub slow_start: Duration,
    /// Which replicas are left out for what their requests come to.
    pub outlier: Option<OutlierPolicy>,
    /// What it speaks.
    pub protocol: Protocol,
    /// How it is probed.
    pub probe: ProbePolicy,
    /// How a call from another service is made.
    pub call: CallPolicy,
    /// What protects it.
    pub guard: GuardPolicy,
}

/// What a service speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2, by TLS where the service speaks it, else by prior knowledge.
    Http2,
}

impl Protocol {
    /// Every protocol by its name in a system file.
    pub const NAMED: [(&'static str, Self); 2] = [("http1", Self::Http1), ("http2", Self::Http2)];
}

/// How a request to a service is made, by a route or by a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallPolicy {
    /// The service.
    pub service: ServiceId,
    /// Time until the response head must be there, all tries included.
    pub timeout: Duration,
    /// Time until the whole response must have been passed on, if there is a bound.
    pub total_timeout: Option<Duration>,
    /// Time for one connection to be made.
    pub connect_timeout: Duration,
    /// Tries after the first, where trying again is safe.
    pub retry: RetryPolicy,
    /// Pays for retries; a place in [`Snapshot::budgets`].
    pub budget: BudgetId,
    /// When a second try is made beside one that is late, if ever.
    pub hedge: Option<HedgeId>,
    /// Whether the time that is left is taken from requests and told to the service, not by gRPC only.
    pub tells_time: bool,
}

/// A budget by its place in [`Snapshot::budgets`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BudgetId(pub u16);

/// When second tries are made, by its place in [`Snapshot::hedges`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HedgeId(pub u16);

/// One route of the gateway.
#[derive(Debug, Clone)]
pub struct RoutePolicy {
    /// Names it to people, and in metrics: its methods, host and path.
    pub name: String,
    /// How its requests are made.
    pub call: CallPolicy,
    /// Largest request body in bytes.
    pub body_max: u64,
    /// How its responses are cached, if they are.
    pub cache: Option<CachePolicy>,
    /// Where its requests say how much they matter.
    pub priority: Option<PriorityPolicy>,
    /// How often its clients may ask, if there is a bound.
    pub rate_limit: Option<RateLimitPolicy>,
    /// What clients get where the service cannot answer, if not a problem.
    pub fallback: Option<Arc<FallbackPolicy>>,
    /// How its requests run once, if they do.
    pub idempotency: Option<Arc<IdempotencyPolicy>>,
    /// Which of its requests go elsewhere.
    pub split: Option<SplitPolicy>,
}

/// What the gateway accepts from clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request's line and headers together.
    pub header_bytes_max: u32,
    /// Number of headers.
    pub headers_max: u16,
    /// Largest request body in bytes where a route says nothing else.
    pub body_max: u64,
    /// Time from taking a connection to where its first request may begin: the header of the PROXY
    /// protocol and the TLS handshake together.
    pub handshake_timeout: Duration,
    /// Time for a request's head to arrive once it has begun.
    pub header_timeout: Duration,
    /// Time a connection may be idle: between two requests, or while a body stands still.
    pub idle_timeout: Duration,
    /// Bytes a second of a request's body, over each idle timeout, as long as the service takes them.
    pub body_rate_min: u32,
    /// Open client connections per node; more are refused.
    pub connections_max: u32,
    /// Of them, those of one client, unless it is a trusted proxy.
    pub connections_per_client_max: Option<u32>,
}

impl Limits {
    /// Bytes of a body that must come within an idle timeout.
    pub fn body_bytes_min(&self) -> u64 {
        (self.idle_timeout.as_secs() * u64::from(self.body_rate_min)).max(1)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_bytes_max: 32 << 10,
            headers_max: 100,
            body_max: 10 << 20,
            handshake_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            body_rate_min: 500,
            connections_max: 10_000,
            connections_per_client_max: None,
        }
    }
}

/// How one topics component delivers.
#[derive(Debug, Clone)]
pub struct TopicsPolicy {
    /// Its name in the system file.
    pub name: String,
    /// How a message is delivered.
    pub delivery: DeliveryPolicy,
    /// Where messages go that are given up, unless a subscription says otherwise.
    pub dead_letter: Option<String>,
    /// Messages of one subscription that may be under way at once.
    pub in_flight_max: u16,
    /// For how long after a message another with its deduplication id is a duplicate.
    pub dedup: Duration,
    /// The topics that are task queues.
    pub queues: Vec<QueuePolicy>,
}

/// How the tasks of a queue are given to workers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuePolicy {
    /// Its name, which is that of the topic.
    pub name: String,
    /// How a task is delivered; its timeout is that of one run.
    pub delivery: DeliveryPolicy,
    /// Where tasks go that are given up, unless the subscription says otherwise.
    pub dead_letter: Option<String>,
    /// Tasks that may be under way at once.
    pub in_flight_max: u16,
    /// Where results are kept.
    pub results: Option<ResultsPolicy>,
}

/// Where the results of tasks are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultsPolicy {
    /// The store.
    pub store: String,
    /// For how long.
    pub keep: Duration,
}

impl Snapshot {
    /// Finds a service by name. O(services).
    pub fn service(&self, name: &str) -> Option<ServiceId> {
        let place = self.services.iter().position(|service| service.name == name)?;
        u16::try_from(place).ok().map(ServiceId)
    }

    /// The policy of a service that this snapshot names.
    pub fn call(&self, service: ServiceId) -> Option<&CallPolicy> {
        self.services.get(usize::from(service.0)).map(|service| &service.call)
    }

    /// The policy of a route that this snapshot's router returned.
    pub fn route(&self, route: RouteId) -> Option<&RoutePolicy> {
        self.routes.get(usize::from(route.0))
    }
}

#[cfg(test)]
pub(crate) mod test_support {
    use super::{BudgetId, CallPolicy, Protocol, RoutePolicy, ServicePolicy, Snapshot};
    use crate::balance::{Balance, HashPolicy};
    use crate::budget::BudgetPolicy;
    use crate::guard::GuardPolicy;
    use crate::health::ProbePolicy;
    use crate::membership::ServiceId;
    use crate::retry::{Backoff, RetryPolicy, Statuses};
    use core::time::Duration;

    pub(crate) const CALL: CallPolicy = CallPolicy {
        service: ServiceId(0),
        timeout: Duration::from_secs(2),
        total_timeout: None,
        connect_timeout: Duration::from_millis(500),
        retry: RetryPolicy {
            max: 2,
            statuses: Statuses::NONE,
            try_timeout: None,
            backoff: Backoff { initial: Duration::from_millis(20), max: Duration::from_millis(100) },
        },
        budget: BudgetId(0),
        hedge: None,
        tells_time: false,
    };

    /// A route to it, with nothing special.
    pub(crate) fn route() -> RoutePolicy {
        RoutePolicy {
            name: "/*".into(),
            call: CALL,
            body_max: u64::MAX,
            cache: None,
            priority: None,
            rate_limit: None,
            fallback: None,
            idempotency: None,
            split: None,
        }
    }

    /// One service named "api".
    pub(crate) fn snapshot(balance: Balance) -> Snapshot {
        let service = ServicePolicy {
            name: "api".into(),
            balance,
            hash: HashPolicy::default(),
            sticky: None,
            slow_start: Duration::ZERO,
            outlier: None,
            protocol: Protocol::Http1,
            probe: ProbePolicy::default(),
            call: CALL,
            guard: GuardPolicy::default(),
        };
        let budgets = alloc::vec![BudgetPolicy::default()];
        Snapshot { services: alloc::vec![service], budgets, ..Snapshot::default() }
    }
}
