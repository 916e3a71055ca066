//! A newer system file for a node that runs: read, checked, compared, and then taken over by the workers.

use std::fmt;
use std::sync::{Arc, Weak};

use floodway_gateway::{Memberships, Stores, Workers};
use floodway_policy::access::Permissions;
use floodway_system::{DaprSubscription, Scope, Service, System};
use tokio::sync::Mutex;

use crate::error::NodeError;
use crate::plane;
use crate::telemetry::Tellers;

/// Reads the system file as it is now; else says all that is wrong with it.
#[derive(Clone)]
pub struct ReadSystem(Arc<dyn Fn() -> Result<System, String> + Send + Sync>);

impl ReadSystem {
    /// By a function that may block.
    pub fn new(read: impl Fn() -> Result<System, String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }
}

impl fmt::Debug for ReadSystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ReadSystem").finish_non_exhaustive()
    }
}

/// Takes newer system files over, one after the other.
#[derive(Debug)]
pub(crate) struct Reload {
    pub(crate) read: ReadSystem,
    /// What the node runs by.
    pub(crate) present: Mutex<System>,
    pub(crate) workers: Weak<Workers>,
    pub(crate) memberships: Memberships,
    pub(crate) stores: Stores,
    pub(crate) tellers: Tellers,
}

impl Reload {
    /// Reads the file and takes it over. Where that cannot be, everything stays as it was.
    pub(crate) async fn reload(&self) -> Result<(), NodeError> {
        let mut present = self.present.lock().await;
        let ReadSystem(read) = self.read.clone();
        let system = tokio::task::spawn_blocking(move || read()).await;
        let system = system.map_err(|error| refused(&error.to_string()))?.map_err(|why| refused(&why))?;
        let fixed = differences(&present, &system);
        if !fixed.is_empty() {
            return Err(NodeError::NeedsRestart { what: fixed.join(", ") });
        }
        let Some(workers) = self.workers.upgrade() else { return Err(refused("the node is stopping")) };
        let snapshot = Arc::new(system.compile());
        let telemetry = self.tellers.start(&system, &snapshot)?;
        let (memberships, stores) = (self.memberships.clone(), self.stores.clone());
        let options = plane::workers_options(&system, snapshot, memberships, telemetry, stores)?;
        workers.reload(&options).await;
        *present = system;
        tracing::info!("the system file was read anew");
        Ok(())
    }
}

fn refused(detail: &str) -> NodeError {
    NodeError::Refused { detail: detail.to_owned() }
}

/// What another file would change and a running node cannot.
fn differences(present: &System, next: &System) -> Vec<String> {
    let listens = |system: &System| {
        let listens = system.gateway.iter().flat_map(|gateway| &gateway.listen);
        listens.map(|listen| listen.address).collect::<Vec<_>>()
    };
    let names =
        |system: &System| system.services.iter().map(|service| service.name.clone()).collect::<Vec<_>>();
    let parts = [
        ("`system`", present.name != next.name),
        ("`node`", present.node != next.node),
        ("`gateway.listen`", listens(present) != listens(next)),
        ("`stores`", present.stores != next.stores),
        ("`topics`", present.topics != next.topics),
        ("`locks`", present.locks != next.locks),
        ("`jobs`", present.jobs != next.jobs),
        ("`secrets`", present.secrets != next.secrets),
        ("the documents of `--resources-path`", documents(present) != documents(next)),
        ("`outbound`, or `breaker` of topics or jobs", present.targets != next.targets),
        ("`bindings`", present.bindings != next.bindings),
        ("`configuration`", present.configuration != next.configuration),
        ("the names of `services`", names(present) != names(next)),
    ];
    let mut fixed: Vec<_> =
        parts.iter().filter(|(_, differs)| *differs).map(|(name, _)| (*name).to_owned()).collect();
    for (present, next) in present.services.iter().zip(&next.services).filter(|(a, b)| a.name == b.name) {
        let keys = service_differences(present, next);
        fixed.extend(keys.into_iter().map(|key| format!("`services.{}.{key}`", present.name)));
    }
    fixed
}

/// What only documents bring.
fn documents(system: &System) -> (&[Scope], &[DaprSubscription], &Permissions) {
    (&system.scopes, &system.subscriptions, &system.permissions)
}

/// What belongs to processes and their probes; the rest is how requests are sent to them.
fn service_differences(present: &Service, next: &Service) -> Vec<&'static str> {
    let keys = [
        ("run", present.source != next.source),
        ("protocol", present.protocol != next.protocol),
        ("tls", present.tls != next.tls),
        ("health", present.health != next.health),
        ("weights", present.weights != next.weights),
        ("at", present.source == next.source && present.zones != next.zones),
    ];
    keys.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key).collect()
}
