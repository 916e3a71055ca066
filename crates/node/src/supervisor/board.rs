//! What is known of every replica, in one table.

use std::net::SocketAddr;
use std::sync::Arc;

use floodway_policy::{EndpointId, EndpointState, Member, Membership, ServiceId, Time, Weight, ZoneId};
use floodway_system::{Service, Source};
use tokio::sync::watch;

use super::ports::ApiPorts;
use super::{Traffic, endpoints};
use crate::clock::Clock;

/// All services, in the order of the snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Table {
    /// The services.
    pub services: Vec<ServiceRow>,
}

/// One service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceRow {
    /// Its name.
    pub name: String,
    /// Its replicas by slot.
    pub replicas: Vec<ReplicaRow>,
}

/// One replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaRow {
    /// Names its present incarnation.
    pub id: EndpointId,
    /// How it is.
    pub phase: Phase,
    /// Its process, while there is one that we started.
    pub pid: Option<u32>,
    /// Where it listens; port 0 before its first start.
    pub address: SocketAddr,
    /// Its port of the block API, where the node starts it.
    pub api_port: Option<u16>,
    /// Its share under a weighted balance.
    pub weight: Weight,
    /// It gets requests only while no other replica takes any.
    pub is_backup: bool,
    /// Where it is, if that is known.
    pub zone: Option<ZoneId>,
    /// When the present incarnation was started.
    pub since: Time,
    /// What its last probe met, while it is unhealthy.
    pub why: Option<String>,
    /// The incarnation before, while it finishes what it has.
    pub leaving: Option<(EndpointId, SocketAddr)>,
}

/// How a replica is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// As the data plane sees it.
    Is(EndpointState),
    /// Taken out by hand.
    Stopped,
}

/// The table, and those who watch it.
#[derive(Debug)]
pub(super) struct Board {
    table: watch::Sender<Table>,
    traffic: Arc<dyn Traffic>,
    clock: Clock,
}

// === impl Table ===

impl Table {
    /// The picture for the data plane.
    pub fn membership(&self) -> Membership {
        let members = |service: &ServiceRow| {
            // Those that leave come last, so that each of the others stands at the place of its slot.
            let leaving = service.replicas.iter().filter_map(ReplicaRow::leaving);
            service.replicas.iter().map(ReplicaRow::member).chain(leaving).collect()
        };
        Membership { services: self.services.iter().map(members).collect() }
    }

    /// Whether every replica takes requests.
    pub fn all_ready(&self) -> bool {
        let mut rows = self.services.iter().flat_map(|service| &service.replicas);
        rows.all(|row| row.phase == Phase::Is(EndpointState::Ready))
    }
}

// === impl ReplicaRow ===

impl ReplicaRow {
    fn member(&self) -> Member {
        let state = match self.phase {
            Phase::Is(state) => state,
            Phase::Stopped => EndpointState::Dead,
        };
        self.as_member(self.id, self.address, state)
    }

    fn leaving(&self) -> Option<Member> {
        let (id, address) = self.leaving?;
        Some(self.as_member(id, address, EndpointState::Draining))
    }

    const fn as_member(&self, id: EndpointId, address: SocketAddr, state: EndpointState) -> Member {
        let Self { weight, is_backup, zone, .. } = *self;
        Member { id, address, weight, state, is_backup, zone }
    }
}

// === impl Phase ===

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Is(state) => state.fmt(f),
            Self::Stopped => f.pad("stopped"),
        }
    }
}

// === impl Board ===

impl Board {
    pub(super) fn new(
        services: &[Service],
        api_ports: &[Vec<ApiPorts>],
        traffic: Arc<dyn Traffic>,
        clock: Clock,
    ) -> Self {
        let services = (0_u16..)
            .zip(services)
            .map(|(place, spec)| {
                let ports = api_ports.get(usize::from(place)).map_or(&[][..], Vec::as_slice);
                first_row(ServiceId(place), spec, ports, clock.now())
            })
            .collect();
        let board = Self { table: watch::Sender::new(Table { services }), traffic, clock };
        board.traffic.publish(board.table.borrow().membership());
        board
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Table> {
        self.table.subscribe()
    }

    pub(super) fn table(&self) -> Table {
        self.table.borrow().clone()
    }

    pub(super) fn place(&self, service: &str) -> Option<usize> {
        self.table.borrow().services.iter().position(|row| row.name == service)
    }

    /// Changes one replica's row; the data plane knows of it when this returns.
    pub(super) fn update(&self, id: EndpointId, change: impl FnOnce(&mut ReplicaRow)) {
        let changed = self.table.send_if_modified(|table| {
            let service = table.services.get_mut(usize::from(id.service.0));
            let Some(row) = service.and_then(|service| service.replicas.get_mut(usize::from(id.slot))) else {
                return false;
            };
            let before = row.clone();
            change(row);
            *row != before
        });
        if changed {
            self.traffic.publish(self.table.borrow().membership());
        }
    }

    /// How one replica is.
    pub(super) fn phase(&self, id: EndpointId) -> Option<Phase> {
        let table = self.table.borrow();
        let service = table.services.get(usize::from(id.service.0))?;
        service.replicas.get(usize::from(id.slot)).map(|row| row.phase)
    }

    /// Changes how one replica is.
    pub(super) fn set_phase(&self, id: EndpointId, phase: Phase) {
        self.update(id, |row| {
            row.phase = phase;
            row.why = None;
        });
    }

    /// Enters that one replica is unhealthy, and why.
    pub(super) fn set_unhealthy(&self, id: EndpointId, why: String) {
        self.update(id, |row| {
            row.phase = Phase::Is(EndpointState::Unhealthy);
            row.why = Some(why);
        });
    }

    /// Enters a new incarnation.
    pub(super) fn enter(&self, id: EndpointId, address: SocketAddr, pid: Option<u32>) {
        let since = self.clock.now();
        self.update(id, |row| {
            let phase = Phase::Is(EndpointState::Starting);
            *row = ReplicaRow { id, address, pid, since, phase, why: None, ..*row };
        });
    }

    /// Enters a new incarnation that is ready already; the one before it leaves.
    pub(super) fn take_over(&self, id: EndpointId, address: SocketAddr, pid: u32) {
        let since = self.clock.now();
        self.update(id, |row| {
            let (phase, leaving) = (Phase::Is(EndpointState::Ready), Some((row.id, row.address)));
            *row = ReplicaRow { id, address, pid: Some(pid), since, phase, why: None, leaving, ..*row };
        });
    }

    /// Requests under way on an endpoint.
    pub(super) async fn in_flight(&self, id: EndpointId) -> u64 {
        self.traffic.in_flight().await.get(&id).copied().unwrap_or(0)
    }
}

fn first_row(service: ServiceId, spec: &Service, api_ports: &[ApiPorts], since: Time) -> ServiceRow {
    let replicas = (0..endpoints(spec))
        .map(|slot| ReplicaRow {
            id: EndpointId { service, slot, incarnation: 0 },
            phase: Phase::Is(EndpointState::Starting),
            pid: None,
            address: match &spec.source {
                Source::At(addresses) => addresses[usize::from(slot)],
                Source::Run(_) => SocketAddr::from(([127, 0, 0, 1], 0)),
            },
            api_port: api_ports.get(usize::from(slot)).map(|ports| ports.http),
            weight: spec.weights.get(usize::from(slot)).copied().unwrap_or(Weight::ONE),
            is_backup: slot >= endpoints(spec).saturating_sub(spec.backups),
            zone: spec.zones.get(usize::from(slot)).copied().flatten(),
            since,
            why: None,
            leaving: None,
        })
        .collect();
    ServiceRow { name: spec.name.clone(), replicas }
}
