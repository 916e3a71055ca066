//! One worker's view of all endpoints: the newest membership and what this worker has in flight.

use alloc::vec::Vec;

use crate::admission::Ticket;
use crate::balance::{self, Balance, Choice};
use crate::budget::Budget;
use crate::guard::Guard;
use crate::membership::{EndpointId, EndpointState, Member, Membership, ServiceId};
use crate::rng::Rng;
use crate::snapshot::{BudgetId, Snapshot};

/// An endpoint with what this worker knows of it.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// As the node sees it.
    pub member: Member,
    /// Requests this worker has sent to it that have not ended.
    pub in_flight: u32,
    /// What smooth weighted round robin owes it.
    pub(crate) credit: i64,
}

/// The endpoints of one service, with the balancer's place.
#[derive(Debug, Clone)]
struct Upstream {
    balance: Balance,
    endpoints: Vec<Endpoint>,
    /// Indices of the endpoints that take new requests, in order.
    ready: Vec<u16>,
    turn: usize,
}

/// The endpoints of all services as one worker sees them.
#[derive(Debug, Clone)]
pub struct Cluster {
    upstreams: Vec<Upstream>,
    guards: Vec<Guard>,
    budgets: Vec<Budget>,
}

// === impl Cluster ===

impl Cluster {
    /// The services of a snapshot, with no endpoint yet, as one of so many workers sees them: limits are
    /// shared out among all. Each worker passes its own stream, so that workers do not go round in step.
    pub fn new(snapshot: &Snapshot, workers: u32, rng: &mut Rng) -> Self {
        let upstreams = snapshot
            .services
            .iter()
            .map(|service| Upstream {
                balance: service.balance,
                endpoints: Vec::new(),
                ready: Vec::new(),
                turn: rng.below(1 << 16) as usize,
            })
            .collect();
        let guards = snapshot.services.iter().map(|service| Guard::new(service.guard, workers));
        let budgets = snapshot.budgets.iter().map(|budget| Budget::new(*budget, workers));
        Self { upstreams, guards: guards.collect(), budgets: budgets.collect() }
    }

    /// What protects a service; `None` for one that the snapshot does not name.
    pub fn guard(&self, service: ServiceId) -> Option<&Guard> {
        self.guards.get(usize::from(service.0))
    }

    pub(crate) fn guard_mut(&mut self, service: ServiceId) -> Option<&mut Guard> {
        self.guards.get_mut(usize::from(service.0))
    }

    /// What pays for retries. A call without one has nothing to spend.
    pub(crate) fn budget_mut(&mut self, budget: BudgetId) -> Option<&mut Budget> {
        self.budgets.get_mut(usize::from(budget.0))
    }

    /// Takes those who were called to a service since this was last asked. The performer wakes their exchanges,
    /// by [`crate::exchange::Event::Woke`].
    pub fn take_called(&mut self, service: ServiceId) -> impl Iterator<Item = Ticket> + '_ {
        self.guard_mut(service).into_iter().flat_map(Guard::take_untold)
    }

    /// Takes over a newer picture. What is in flight on an incarnation that stays is kept.
    pub fn apply(&mut self, membership: &Membership) {
        for (upstream, members) in self.upstreams.iter_mut().zip(&membership.services) {
            upstream.apply(members);
        }
    }

    /// Picks an endpoint for a request and counts it as in flight there, or `None` when no ready
    /// endpoint is left that is not among `tried`.
    pub(crate) fn begin(
        &mut self,
        service: ServiceId,
        key: u64,
        tried: &[EndpointId],
        rng: &mut Rng,
    ) -> Option<EndpointId> {
        let upstream = self.upstreams.get_mut(usize::from(service.0))?;
        if upstream.ready.is_empty() {
            return None;
        }
        let choice = Choice { ready: &upstream.ready, tried, key };
        let index =
            balance::pick(upstream.balance, &mut upstream.endpoints, choice, &mut upstream.turn, rng)?;
        let endpoint = &mut upstream.endpoints[index];
        endpoint.in_flight += 1;
        Some(endpoint.member.id)
    }

    /// Ends what [`Cluster::begin`] began. An incarnation that is gone is none of our business any more.
    pub(crate) fn end(&mut self, id: EndpointId) {
        if let Some(endpoint) = self.endpoint_mut(id) {
            debug_assert!(endpoint.in_flight > 0, "each end has its begin");
            endpoint.in_flight = endpoint.in_flight.saturating_sub(1);
        }
    }

    /// Whether what began on an endpoint may go on there: its incarnation is still the present one.
    pub(crate) fn resume(&self, id: EndpointId) -> bool {
        self.endpoint(id).is_some()
    }

    /// Whether a service has an endpoint that takes requests.
    pub fn is_ready(&self, service: ServiceId) -> bool {
        self.upstreams.get(usize::from(service.0)).is_some_and(|upstream| !upstream.ready.is_empty())
    }

    /// Looks an endpoint up; `None` once its incarnation is gone. O(1) while slots are dense, as the
    /// node hands them out.
    pub fn endpoint(&self, id: EndpointId) -> Option<&Endpoint> {
        let upstream = self.upstreams.get(usize::from(id.service.0))?;
        upstream.endpoints.get(upstream.index(id)?)
    }

    /// The endpoints of a service, for tables and metrics.
    pub fn endpoints(&self, service: ServiceId) -> &[Endpoint] {
        self.upstreams.get(usize::from(service.0)).map_or(&[], |upstream| &upstream.endpoints)
    }

    fn endpoint_mut(&mut self, id: EndpointId) -> Option<&mut Endpoint> {
        let upstream = self.upstreams.get_mut(usize::from(id.service.0))?;
        let index = upstream.index(id)?;
        upstream.endpoints.get_mut(index)
    }
}

// === impl Upstream ===

impl Upstream {
    fn apply(&mut self, members: &[Member]) {
        let endpoints = members
            .iter()
            .map(|member| {
                let known = self.index(member.id).map(|index| &self.endpoints[index]);
                Endpoint {
                    member: member.clone(),
                    in_flight: known.map_or(0, |known| known.in_flight),
                    credit: known.map_or(0, |known| known.credit),
                }
            })
            .collect();
        self.endpoints = endpoints;
        self.ready.clear();
        self.ready.extend(
            (0_u16..)
                .zip(&self.endpoints)
                .filter(|(_, endpoint)| endpoint.member.state == EndpointState::Ready)
                .map(|(index, _)| index),
        );
    }

    fn index(&self, id: EndpointId) -> Option<usize> {
        let is_it = |endpoint: &Endpoint| endpoint.member.id == id;
        let guess = usize::from(id.slot);
        if self.endpoints.get(guess).is_some_and(is_it) {
            return Some(guess);
        }
        self.endpoints.iter().position(is_it)
    }
}
