//! What a node counts, as Prometheus reads it: text format 0.0.4. `docs/metrics.md` describes each family.

mod family;
mod process;
mod text;

use floodway_gateway::metrics::{ByCode, CODES, Durations, Metrics};
use floodway_policy::fallback::StandIn;

use crate::status::{NodeStatus, ReplicaStatus, SubscriptionStatus};
use family::Family;
use process::Process;
use text::Text;

/// What `Content-Type` says of the page.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The states that a replica is told apart by.
const STATES: [&str; 6] = ["starting", "ready", "unhealthy", "draining", "dead", "stopped"];

/// What requests that match no route are counted under. A route begins with a method, a host or a slash.
pub(crate) const NO_ROUTE: &str = "-";

/// The page.
pub(crate) fn page(status: &NodeStatus, metrics: &Metrics) -> String {
    let mut text = Text::default();
    node(&mut text, status);
    connections(&mut text, metrics);
    routes(&mut text, metrics);
    services(&mut text, metrics);
    replicas(&mut text, status);
    subscriptions(&mut text, status);
    process(&mut text, &Process::read());
    text.into_string()
}

fn node(text: &mut Text, status: &NodeStatus) {
    text.family(Family::BuildInfo)
        .sample(&[("version", env!("CARGO_PKG_VERSION")), ("system", &status.system)], 1);
    text.family(Family::Uptime).value(&[], status.uptime_s);
}

fn connections(text: &mut Text, metrics: &Metrics) {
    let counts = &metrics.counts;
    text.family(Family::Connections).sample(&[], counts.connections);
    text.family(Family::ConnectionsOpen).sample(&[], counts.open_connections);
    text.family(Family::ConnectionsRefused).sample(&[], counts.refused_connections);
    text.family(Family::TelemetryDropped).sample(&[], metrics.notes_dropped);
    let cache = &metrics.cache;
    text.family(Family::CacheBytes).sample(&[], cache.bytes);
    let mut family = text.family(Family::CacheRequests);
    for (result, count) in
        [("hit", cache.hits), ("collapsed", cache.collapsed), ("forwarded", cache.forwarded)]
    {
        family.sample(&[("result", result)], count);
    }
    text.family(Family::CacheStale).sample(&[], cache.stale);
}

fn routes(text: &mut Text, metrics: &Metrics) {
    let name = |name: &'_ str| if name.is_empty() { NO_ROUTE.to_owned() } else { name.to_owned() };
    let routes: Vec<_> = metrics.routes.iter().map(|route| (name(&route.name), route)).collect();
    let mut family = text.family(Family::Requests);
    for (name, route) in &routes {
        for (code, count) in by_code(&route.requests) {
            family.sample(&[("route", name), ("code", code)], count);
        }
    }
    let mut family = text.family(Family::RequestsInFlight);
    for (name, route) in &routes {
        family.sample(&[("route", name)], route.in_flight);
    }
    let mut family = text.family(Family::RequestDuration);
    for (name, route) in &routes {
        family.histogram(&[("route", name)], &route.durations);
    }
    let mut family = text.family(Family::Fallbacks);
    for (name, route) in &routes {
        for (by, count) in StandIn::ALL.iter().zip(route.stand_ins) {
            family.sample(&[("route", name), ("by", by.as_str())], count);
        }
    }
    let mut family = text.family(Family::Refusals);
    for (code, count) in &metrics.refusals {
        family.sample(&[("error", code)], *count);
    }
}

fn services(text: &mut Text, metrics: &Metrics) {
    let services = &metrics.services;
    let mut family = text.family(Family::Attempts);
    for service in services {
        family.sample(&[("service", &service.name)], service.attempts);
    }
    let mut family = text.family(Family::Retries);
    for service in services {
        family.sample(&[("service", &service.name)], service.retries);
    }
    let mut family = text.family(Family::Hedges);
    for service in services {
        family.sample(&[("service", &service.name)], service.hedges);
    }
    let mut family = text.family(Family::Failures);
    for service in services {
        for (why, count) in &service.failures {
            family.sample(&[("service", &service.name), ("reason", why)], *count);
        }
    }
    let mut family = text.family(Family::ServiceConnections);
    for service in services {
        family.sample(&[("service", &service.name)], service.connections);
    }
    let mut family = text.family(Family::Ejections);
    for service in services {
        family.sample(&[("service", &service.name)], service.ejections);
    }
    let mut family = text.family(Family::Calls);
    for service in services {
        for (code, count) in by_code(&service.calls) {
            family.sample(&[("service", &service.name), ("code", code)], count);
        }
    }
    let mut family = text.family(Family::ResponseDuration);
    for service in services {
        family.histogram(&[("service", &service.name)], &service.response_durations);
    }
}

fn replicas(text: &mut Text, status: &NodeStatus) {
    let replicas: Vec<_> = status
        .services
        .iter()
        .flat_map(|service| service.replicas.iter().map(|replica| (service.name.as_str(), replica)))
        .collect();
    let mut each = |family, value: fn(&ReplicaStatus) -> u64| {
        let mut family = text.family(family);
        for (service, replica) in &replicas {
            family.sample(&[("service", service), ("replica", &replica.replica)], value(replica));
        }
    };
    each(Family::ReplicaReady, |replica| u64::from(replica.state == "ready"));
    each(Family::ReplicaRestarts, |replica| u64::from(replica.restarts));
    each(Family::ReplicaInFlight, |replica| replica.in_flight);
    each(Family::ReplicaIdleConnections, |replica| replica.idle_connections);
    let mut family = text.family(Family::Replicas);
    for service in &status.services {
        for state in STATES {
            let count = service.replicas.iter().filter(|replica| replica.state == state).count() as u64;
            family.sample(&[("service", &service.name), ("state", state)], count);
        }
    }
}

fn subscriptions(text: &mut Text, status: &NodeStatus) {
    fn labels(it: &SubscriptionStatus) -> [(&str, &str); 3] {
        [("service", &it.service), ("topics", &it.topics), ("topic", &it.topic)]
    }
    let all = &status.subscriptions;
    let mut each = |family, value: fn(&SubscriptionStatus) -> u64| {
        let mut family = text.family(family);
        for subscription in all {
            family.sample(&labels(subscription), value(subscription));
        }
    };
    each(Family::DeliveryAttempts, |it| it.attempts);
    each(Family::Redeliveries, |it| it.redeliveries);
    each(Family::DeliveriesInFlight, |it| it.in_flight);
    let mut family = text.family(Family::Messages);
    for subscription in all {
        let SubscriptionStatus { consumed, dropped, dead_letters, .. } = *subscription;
        for (outcome, count) in [("consumed", consumed), ("dropped", dropped), ("dead_letter", dead_letters)]
        {
            let [service, topics, topic] = labels(subscription);
            family.sample(&[service, topics, topic, ("outcome", outcome)], count);
        }
    }
    let mut family = text.family(Family::OldestMessage);
    for subscription in all {
        family.value(&labels(subscription), subscription.oldest_s);
    }
}

fn process(text: &mut Text, process: &Process) {
    let Process { cpu_s, memory_bytes, descriptors, started_s } = *process;
    text.family(Family::ProcessCpu).optional(cpu_s);
    text.family(Family::ProcessMemory).optional(memory_bytes);
    text.family(Family::ProcessDescriptors).optional(descriptors);
    text.family(Family::ProcessStart).optional(started_s);
}

fn by_code(counts: &ByCode) -> impl Iterator<Item = (&'static str, u64)> {
    CODES.into_iter().zip(counts.iter().copied())
}

impl text::Samples<'_> {
    fn histogram(&mut self, labels: &[(&str, &str)], durations: &Durations) {
        for (bound, count) in durations.cumulative() {
            self.bucket(labels, &bound.as_secs_f64().to_string(), count);
        }
        let count = durations.count();
        self.bucket(labels, "+Inf", count);
        self.part("_sum", labels, durations.sum().as_secs_f64());
        self.part("_count", labels, count as f64);
    }
}
