//! Compiles a system to what decisions are made by.

use std::sync::Arc;
use std::time::Duration;

use floodway_policy::budget::BudgetPolicy;
use floodway_policy::fallback::FallbackPolicy;
use floodway_policy::routing::{RouteId, Router};
use floodway_policy::snapshot::{BudgetId, CallPolicy, HedgeId, RoutePolicy, ServicePolicy, TopicsPolicy};
use floodway_policy::split::{Part, SplitPolicy};
use floodway_policy::{ServiceId, Snapshot};

use crate::model::{self, Route, Service, System, Topics};

/// Replicas are near: a connection that takes longer will hardly be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

impl System {
    /// The configuration that the gateway and a simulator run by. Services, routes and topics keep
    /// their places.
    pub fn compile(&self) -> Snapshot {
        let routes = self.gateway.as_ref().map_or(&[] as &[Route], |gateway| &gateway.routes);
        let patterns = (0..).zip(routes).map(|(place, route)| (route.pattern.clone(), RouteId(place)));
        Snapshot {
            services: (0..)
                .zip(&self.services)
                .zip(routes.len()..)
                .map(|((place, service), budget)| policy(ServiceId(place), budget_id(budget), service))
                .collect(),
            router: Router::new(patterns),
            routes: routes_of(routes),
            budgets: self.budgets(routes),
            hedges: routes.iter().filter_map(|route| route.hedge).collect(),
            limits: self.gateway.as_ref().map(|gateway| gateway.limits).unwrap_or_default(),
            cache_bytes_max: self
                .gateway
                .as_ref()
                .filter(|_| routes.iter().any(|route| route.cache.is_some()))
                .map(|gateway| gateway.cache_bytes_max),
            trusted_proxies: self
                .gateway
                .as_ref()
                .map(|gateway| gateway.trusted_proxies.clone())
                .unwrap_or_default(),
            zone: self.node.zone,
            topics: self.topics.iter().map(topics_policy).collect(),
            targets: self.targets.clone(),
        }
    }

    /// One for each route, then one for each service.
    fn budgets(&self, routes: &[Route]) -> Vec<BudgetPolicy> {
        let of_routes = routes.iter().map(|route| route.budget);
        of_routes.chain(self.services.iter().map(|service| service.budget)).collect()
    }
}

fn budget_id(place: usize) -> BudgetId {
    BudgetId(u16::try_from(place).unwrap_or(u16::MAX))
}

fn policy(id: ServiceId, budget: BudgetId, service: &Service) -> ServicePolicy {
    ServicePolicy {
        name: service.name.clone(),
        balance: service.balance,
        hash: service.hash.clone(),
        sticky: service.sticky.clone(),
        slow_start: service.slow_start,
        outlier: service.outlier,
        protocol: service.protocol,
        probe: service.health.policy,
        call: CallPolicy {
            service: id,
            timeout: service.timeout,
            total_timeout: None,
            connect_timeout: CONNECT_TIMEOUT,
            retry: service.retry,
            budget,
            hedge: None,
            tells_time: false,
        },
        guard: service.guard.clone(),
    }
}

/// Budgets are in the order of routes, and so are hedges, of those that have one.
fn routes_of(routes: &[Route]) -> Vec<RoutePolicy> {
    let mut hedges = (0..).map(HedgeId);
    let policy = |(place, route): (u16, &Route)| {
        let hedge = route.hedge.and_then(|_| hedges.next());
        let own = route_policy(BudgetId(place), hedge, route);
        let own = RoutePolicy { fallback: fallback(&own, route).map(Arc::new), ..own };
        RoutePolicy { split: split(&own, route), ..own }
    };
    (0..).zip(routes).map(policy).collect()
}

fn route_policy(budget: BudgetId, hedge: Option<HedgeId>, route: &Route) -> RoutePolicy {
    RoutePolicy {
        name: route.pattern.to_string(),
        call: CallPolicy {
            service: route.to,
            timeout: route.timeout,
            total_timeout: route.total_timeout,
            connect_timeout: route.connect_timeout,
            retry: route.retry,
            budget,
            hedge,
            tells_time: route.tells_time,
        },
        body_max: route.body_max,
        cache: route.cache,
        priority: route.priority.clone(),
        fallback: None,
        rate_limit: route.rate_limit.clone(),
        idempotency: route.idempotency.clone(),
        split: None,
    }
}

/// The other service is asked as this route says, but what it answers is not kept, and nobody stands in for it.
fn fallback(own: &RoutePolicy, route: &Route) -> Option<FallbackPolicy> {
    let model::Fallback { to, answer } = route.fallback.as_ref()?;
    let elsewhere = |service| {
        let call = CallPolicy { service, hedge: None, ..own.call };
        Box::new(RoutePolicy { call, cache: None, ..own.clone() })
    };
    Some(FallbackPolicy { to: to.map(elsewhere), answer: answer.clone() })
}

/// The parts differ from their route in the service alone, and share its budget.
fn split(own: &RoutePolicy, route: &Route) -> Option<SplitPolicy> {
    let part = |part: &model::Part| Part {
        header: part.header.clone(),
        percent: part.percent,
        route: RoutePolicy { call: CallPolicy { service: part.to, ..own.call }, ..own.clone() },
    };
    let parts: Vec<_> = route.split.iter().map(part).collect();
    (!parts.is_empty()).then_some(SplitPolicy { parts })
}

fn topics_policy(topics: &Topics) -> TopicsPolicy {
    TopicsPolicy {
        name: topics.name.clone(),
        delivery: topics.delivery,
        dead_letter: topics.dead_letter.clone(),
        in_flight_max: topics.in_flight_max,
        dedup: topics.dedup,
        queues: topics.queues.clone(),
    }
}
