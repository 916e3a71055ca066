//! Compiles a system to what decisions are made by.

use std::time::Duration;

use floodway_policy::routing::{RouteId, Router};
use floodway_policy::snapshot::{CallPolicy, RoutePolicy, ServicePolicy, TopicsPolicy};
use floodway_policy::{ServiceId, Snapshot};

use crate::model::{Route, Service, System, Topics};

/// Replicas are near: a connection that takes longer will hardly be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Tries of a call between services after the first, where trying again is safe.
const CALL_RETRIES: u8 = 2;

impl System {
    /// The configuration that the gateway and a simulator run by. Services, routes and topics keep
    /// their places.
    pub fn compile(&self) -> Snapshot {
        let routes = self.gateway.as_ref().map_or(&[] as &[Route], |gateway| &gateway.routes);
        let patterns = (0..).zip(routes).map(|(place, route)| (route.pattern.clone(), RouteId(place)));
        Snapshot {
            services: (0..)
                .zip(&self.services)
                .map(|(place, service)| policy(ServiceId(place), service))
                .collect(),
            router: Router::new(patterns),
            routes: routes.iter().map(route_policy).collect(),
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
            topics: self.topics.iter().map(topics_policy).collect(),
        }
    }
}

fn policy(id: ServiceId, service: &Service) -> ServicePolicy {
    ServicePolicy {
        name: service.name.clone(),
        balance: service.balance,
        probe: service.health.policy,
        call: call(id, service.timeout, CALL_RETRIES),
    }
}

const fn route_policy(route: &Route) -> RoutePolicy {
    RoutePolicy {
        call: call(route.to, route.timeout, route.retries),
        body_max: route.body_max,
        cache: route.cache,
    }
}

const fn call(service: ServiceId, timeout: Duration, retries: u8) -> CallPolicy {
    CallPolicy { service, timeout, connect_timeout: CONNECT_TIMEOUT, retries }
}

fn topics_policy(topics: &Topics) -> TopicsPolicy {
    TopicsPolicy {
        name: topics.name.clone(),
        delivery: topics.delivery,
        dead_letter: topics.dead_letter.clone(),
        in_flight_max: topics.in_flight_max,
    }
}
