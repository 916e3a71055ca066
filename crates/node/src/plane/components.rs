//! What services can ask for: the system file's names, each with the engine behind it.

use std::sync::Arc;

use floodway_api::{
    Components, DeclaredSubscription, JobsComponent, Outbox, Scopes, StoreComponent, TopicsComponent,
};
use floodway_gateway::Stores;
use floodway_policy::Snapshot;
use floodway_system::{DaprSubscription, Jobs, Scope, System};

use super::engine::{JOBS, OpenEngine};
use super::outside;
use crate::error::NodeError;

/// All components. The checker of the system file knows only engines that are opened, so each has one.
pub(super) fn components(
    system: &System,
    snapshot: &Snapshot,
    engine: Option<&OpenEngine>,
) -> Result<Components, NodeError> {
    let mut components = Components::default();
    let by_grpc = system.services.iter().filter(|service| service.is_grpc_app);
    components.by_grpc = by_grpc.map(|service| service.name.clone()).collect();
    components.declared = system.subscriptions.iter().map(declared).collect();
    components.permissions = Arc::new(system.permissions.clone());
    components.targets.clone_from(&snapshot.targets);
    components.secrets = outside::secrets(&system.secrets)?;
    components.bindings = outside::output_bindings(&system.bindings)?;
    components.cron = outside::cron_bindings(&system.bindings)?;
    components.configuration = outside::configuration(&system.configuration)?;
    let Some(OpenEngine { engine, .. }) = engine else { return Ok(components) };
    for spec in &system.stores {
        let Some(store) = engine.store(&spec.name) else { continue };
        let outbox = spec.outbox.as_ref();
        let outbox =
            outbox.map(|outbox| Outbox { topics: outbox.topics.clone(), topic: outbox.topic.clone() });
        components.stores.insert(spec.name.clone(), StoreComponent { store, outbox });
    }
    for policy in &snapshot.topics {
        let Some(topics) = engine.topics(&policy.name) else { continue };
        let results = policy.queues.iter().filter_map(|queue| queue.results.as_ref());
        let results = results.filter_map(|kept| Some((kept.store.clone(), engine.store(&kept.store)?)));
        let component = TopicsComponent { topics, policy: policy.clone(), results: results.collect() };
        components.topics.insert(policy.name.clone(), component);
    }
    for spec in &system.locks {
        let Some(locks) = engine.locks(&spec.name) else { continue };
        components.locks.insert(spec.name.clone(), locks);
    }
    let Jobs { timeout, in_flight_max } = system.jobs;
    components.jobs = engine.jobs(JOBS).map(|jobs| JobsComponent { jobs, timeout, in_flight_max });
    Ok(components)
}

fn declared(spec: &DaprSubscription) -> DeclaredSubscription {
    let DaprSubscription { subscription, apps } = spec.clone();
    DeclaredSubscription { subscription, apps }
}

/// Whom components are for, where not for all.
pub(super) fn scopes(system: &System) -> Scopes {
    let scope = |scope: &Scope| ((scope.section, scope.name.clone()), scope.apps.iter().cloned().collect());
    system.scopes.iter().map(scope).collect()
}

/// The stores by name, for the gateway.
pub(super) fn stores(system: &System, engine: Option<&OpenEngine>) -> Stores {
    let Some(OpenEngine { engine, .. }) = engine else { return Stores::new() };
    let open = |name: &String| Some((name.clone(), engine.store(name)?));
    system.stores.iter().filter_map(|spec| open(&spec.name)).collect()
}
