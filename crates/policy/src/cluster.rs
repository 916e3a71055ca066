//! One worker's view of all endpoints: the newest membership and what this worker has in flight.

use alloc::vec::Vec;
use core::time::Duration;

use crate::admission::Ticket;
use crate::balance::{self, Balance, Choice};
use crate::budget::Budget;
use crate::guard::{Guard, Outcome};
use crate::hedge::Hedge;
use crate::latency::Latency;
use crate::membership::{EndpointId, EndpointState, Member, Membership, ServiceId, ZoneId};
use crate::outlier::{self, OutlierPolicy, Record};
use crate::rng::{Rng, mix};
use crate::snapshot::{BudgetId, HedgeId, ServicePolicy, Snapshot};
use crate::sticky::{Sealer, Secret, Session, Token};
use crate::time::Time;
use crate::zone::{self, Capacity, WHOLE};

/// An endpoint with what this worker knows of it.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// As the node sees it.
    pub member: Member,
    /// Requests this worker has sent to it that have not ended.
    pub in_flight: u32,
    /// What smooth weighted round robin owes it.
    pub(crate) credit: i64,
    /// How quickly it answers.
    pub(crate) latency: Latency,
    /// How well it does.
    record: Record,
    /// When it became ready.
    since: Time,
    /// Names it to clients, where they come back to it.
    token: Option<Token>,
}

/// The endpoints of one service, with the balancer's place.
#[derive(Debug, Clone)]
struct Upstream {
    balance: Balance,
    bound: u32,
    slow_start: Duration,
    outlier: Option<OutlierPolicy>,
    sealer: Option<Sealer>,
    endpoints: Vec<Endpoint>,
    /// Where this node is.
    zone: Option<ZoneId>,
    /// The endpoints that take new requests: those of the own zone, or all, where none there does.
    near: Group,
    /// Those of other zones, where there are some in the own one.
    far: Group,
    /// What goes to those, as a part of 2^32.
    spills: u32,
    /// What is due to them, but for whole requests.
    due: u32,
    /// All that take new requests, found by their tokens: in order of the places of those.
    named: Vec<(u32, u16)>,
    /// The first of those that are left out comes back then.
    returns: Time,
    /// The outcomes of an interval are compared then.
    compares: Time,
    /// Ejections that were not told yet.
    ejections: u32,
}

/// Endpoints that are balanced over.
#[derive(Debug, Clone)]
struct Group {
    /// Their indices, in order.
    ready: Vec<u16>,
    /// What tells each from the others where keys are spread. Beside each other, as all are looked at.
    salts: Vec<u64>,
    turn: usize,
}

/// The endpoints of all services as one worker sees them.
#[derive(Debug, Clone)]
pub struct Cluster {
    upstreams: Vec<Upstream>,
    guards: Vec<Guard>,
    budgets: Vec<Budget>,
    hedges: Vec<Hedge>,
}

// === impl Cluster ===

impl Cluster {
    /// The services of a snapshot, with no endpoint yet, as one of so many workers sees them: limits are
    /// shared out among all. Each worker passes its own stream, so that workers do not go round in step.
    pub fn new(snapshot: &Snapshot, workers: u32, rng: &mut Rng) -> Self {
        let upstream = |service| Upstream::new(service, snapshot.zone, rng.below(1 << 16));
        let upstreams = snapshot.services.iter().map(upstream).collect();
        let guards = snapshot.services.iter().map(|service| Guard::new(&service.guard, workers));
        let budgets = snapshot.budgets.iter().map(|budget| Budget::new(*budget, workers));
        let hedges = snapshot.hedges.iter().map(|hedge| Hedge::new(*hedge)).collect();
        Self { upstreams, guards: guards.collect(), budgets: budgets.collect(), hedges }
    }

    /// Makes the tokens of those sticky services by this secret that have none of their own. Without it, and without
    /// one of their own, they are not sticky.
    pub fn sealed_by(mut self, snapshot: &Snapshot, secret: &Secret) -> Self {
        for (upstream, service) in self.upstreams.iter_mut().zip(&snapshot.services) {
            upstream.sealer = sealer(service, Some(secret));
        }
        self
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

    pub(crate) fn hedge_mut(&mut self, hedge: HedgeId) -> Option<&mut Hedge> {
        self.hedges.get_mut(usize::from(hedge.0))
    }

    /// Takes those who were called to a service since this was last asked. The performer wakes their exchanges,
    /// by [`crate::exchange::Event::Woke`].
    pub fn take_called(&mut self, service: ServiceId) -> impl Iterator<Item = Ticket> + '_ {
        self.guard_mut(service).into_iter().flat_map(Guard::take_untold)
    }

    /// Takes over a newer picture. What is in flight on an incarnation that stays is kept.
    pub fn apply(&mut self, membership: &Membership, now: Time) {
        for (upstream, members) in self.upstreams.iter_mut().zip(&membership.services) {
            upstream.apply(members, now);
        }
    }

    /// Picks an endpoint for a request and counts it as in flight there, or `None` when no ready
    /// endpoint is left that is not among `tried`. That of its session comes first.
    pub(crate) fn begin(
        &mut self,
        service: ServiceId,
        (key, session): (u64, Session),
        tried: &[EndpointId],
        now: Time,
        rng: &mut Rng,
    ) -> Option<EndpointId> {
        let upstream = self.upstreams.get_mut(usize::from(service.0))?;
        if now >= upstream.returns {
            upstream.list_ready(now);
        }
        let home = upstream.home(session, tried);
        let index = home.or_else(|| upstream.pick(key, tried, now, rng))?;
        let endpoint = &mut upstream.endpoints[index];
        endpoint.in_flight += 1;
        Some(endpoint.member.id)
    }

    /// What became of a request on an endpoint.
    pub(crate) fn report(&mut self, id: EndpointId, outcome: Outcome, now: Time) {
        if let Some(upstream) = self.upstreams.get_mut(usize::from(id.service.0))
            && let Some(index) = upstream.index(id)
        {
            upstream.report(index, outcome, now);
        }
    }

    /// How many endpoints of a service were left out since this was last asked.
    pub fn take_ejections(&mut self, service: ServiceId) -> u32 {
        let upstream = self.upstreams.get_mut(usize::from(service.0));
        upstream.map_or(0, |upstream| core::mem::take(&mut upstream.ejections))
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

    /// Names an endpoint to clients; nothing where its service is not sticky, or it is gone.
    pub(crate) fn token(&self, id: EndpointId) -> Option<Token> {
        self.endpoint(id)?.token
    }

    /// Whether a service has an endpoint that takes requests.
    pub fn is_ready(&self, service: ServiceId) -> bool {
        self.upstreams.get(usize::from(service.0)).is_some_and(|upstream| !upstream.near.ready.is_empty())
    }

    /// A number that differs when other incarnations take requests: for whoever asked one of them something
    /// that another may answer differently. O(endpoints).
    pub fn roster(&self, service: ServiceId) -> u64 {
        let ready = self.endpoints(service).iter().filter(|endpoint| endpoint.is_ready());
        ready.fold(0, |sum, endpoint| {
            let EndpointId { slot, incarnation, .. } = endpoint.member.id;
            let place = (u64::from(slot) << 32 | u64::from(incarnation)).wrapping_add(1);
            // Spread over all bits (the multiplier of Knuth's multiplicative hashing), so that sums differ.
            let spread = place.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            sum ^ spread ^ (spread >> 29)
        })
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

// === impl Endpoint ===

/// Of its share, one that has just become ready gets this at first.
const FIRST_SHARE: f64 = 0.1;

impl Endpoint {
    /// Whether it only finishes what it has, as another incarnation of it has taken its place.
    fn is_replaced(&self, all: &[Self]) -> bool {
        let EndpointId { slot, incarnation, .. } = self.member.id;
        let follows =
            |other: &Self| other.member.id.slot == slot && other.member.id.incarnation > incarnation;
        self.member.state == EndpointState::Draining && all.iter().any(follows)
    }

    fn is_ready(&self) -> bool {
        self.member.state == EndpointState::Ready
    }

    /// Whether it may have this request: as likely as the part of the slow start that is over.
    fn is_warm(&self, slow_start: Duration, now: Time, rng: &mut Rng) -> bool {
        let age = now.since(self.since);
        age >= slow_start || {
            let part = age.as_secs_f64() / slow_start.as_secs_f64();
            rng.unit() < FIRST_SHARE + (1.0 - FIRST_SHARE) * part
        }
    }
}

// === impl Group ===

impl Group {
    const fn new(turn: u32) -> Self {
        Self { ready: Vec::new(), salts: Vec::new(), turn: turn as usize }
    }

    fn clear(&mut self) {
        self.ready.clear();
        self.salts.clear();
    }

    fn add(&mut self, index: u16, slot: u16) {
        self.ready.push(index);
        self.salts.push(mix(u64::from(slot) + 1));
    }
}

// === impl Upstream ===

/// Tells what decides whether a key spills over from what decides where it goes.
const SPILL_SALT: u64 = 0x7A6F_6E65;

impl Upstream {
    /// Each worker begins at a `turn` of its own, below 2^16.
    fn new(service: &ServicePolicy, zone: Option<ZoneId>, turn: u32) -> Self {
        Self {
            balance: service.balance,
            bound: service.hash.bound,
            slow_start: service.slow_start,
            outlier: service.outlier,
            sealer: sealer(service, None),
            endpoints: Vec::new(),
            zone,
            near: Group::new(turn),
            far: Group::new(turn),
            spills: 0,
            due: turn << 16,
            named: Vec::new(),
            returns: Time::NEVER,
            compares: Time::ZERO,
            ejections: 0,
        }
    }

    fn apply(&mut self, members: &[Member], now: Time) {
        let endpoints = members
            .iter()
            .map(|member| {
                let known = self.index(member.id).map(|index| &self.endpoints[index]);
                let same = known.filter(|known| known.member.address == member.address);
                let token = same.and_then(|same| same.token);
                let seal = || self.sealer.as_ref().map(|sealer| sealer.token(member));
                Endpoint {
                    member: member.clone(),
                    in_flight: known.map_or(0, |known| known.in_flight),
                    credit: known.map_or(0, |known| known.credit),
                    latency: known.map(|known| known.latency).unwrap_or_default(),
                    record: known.map(|known| known.record).unwrap_or_default(),
                    since: known.filter(|known| known.is_ready()).map_or(now, |known| known.since),
                    token: token.or_else(seal),
                }
            })
            .collect();
        self.endpoints = endpoints;
        self.list_ready(now);
    }

    /// Those that take requests: ready, and not left out unless too few would be left. Backups only where there
    /// is nobody else.
    fn list_ready(&mut self, now: Time) {
        let ready = |endpoint: &&Endpoint| endpoint.is_ready();
        let all = self.endpoints.iter().filter(ready).count();
        let out = self.endpoints.iter().filter(ready).filter(|endpoint| endpoint.record.is_out(now)).count();
        let panic = self.outlier.map_or(0, |policy| usize::from(policy.panic));
        let panics = (all - out) * 100 < all * panic;
        let may = |endpoint: &Endpoint| endpoint.is_ready() && (panics || !endpoint.record.is_out(now));
        let needs_backup = !self.endpoints.iter().any(|endpoint| !endpoint.member.is_backup && may(endpoint));
        let takes = |endpoint: &Endpoint| may(endpoint) && endpoint.member.is_backup == needs_backup;
        let is_near = |endpoint: &Endpoint| self.zone.is_some() && endpoint.member.zone == self.zone;
        let (mut own, mut others) = (Capacity::default(), Capacity::default());
        self.near.clear();
        self.far.clear();
        self.named.clear();
        for (index, endpoint) in (0_u16..).zip(&self.endpoints) {
            let (group, capacity) =
                if is_near(endpoint) { (&mut self.near, &mut own) } else { (&mut self.far, &mut others) };
            let weight = u64::from(endpoint.member.weight.get());
            if endpoint.member.is_backup == needs_backup && !endpoint.is_replaced(&self.endpoints) {
                capacity.all += weight;
            }
            if takes(endpoint) {
                capacity.ready += weight;
                group.add(index, endpoint.member.id.slot);
                self.named.extend(endpoint.token.map(|token| (token.place(), index)));
            }
        }
        self.named.sort_unstable();
        self.spills = u32::try_from(WHOLE - zone::kept(own, others)).unwrap_or(0);
        if self.near.ready.is_empty() {
            core::mem::swap(&mut self.near, &mut self.far);
            self.spills = 0;
        }
        let out = self.endpoints.iter().filter(|endpoint| endpoint.record.is_out(now));
        self.returns = out.map(|endpoint| endpoint.record.until()).min().unwrap_or(Time::NEVER);
    }

    /// The endpoint that a session names, if it takes requests and was not tried. O(log ready).
    fn home(&self, session: Session, tried: &[EndpointId]) -> Option<usize> {
        let Session::At(token) = session else { return None };
        let first = self.named.partition_point(|(place, _)| *place < token.place());
        let same_place = self.named[first..].iter().take_while(|(place, _)| *place == token.place());
        let mut indices = same_place.map(|(_, index)| usize::from(*index));
        let index = indices.find(|index| self.endpoints[*index].token == Some(token))?;
        (!tried.contains(&self.endpoints[index].member.id)).then_some(index)
    }

    fn pick(&mut self, key: u64, tried: &[EndpointId], now: Time, rng: &mut Rng) -> Option<usize> {
        let leaves = self.leaves_zone(key);
        let mut choice = Choice { ready: &[], salts: &[], tried, key, bound: self.bound, but: None, now };
        let picked = self.pick_from(leaves, choice, rng)?;
        let endpoint = &self.endpoints[picked];
        // One that has just become ready gets less at first: it gives way to another as often as it should.
        if !self.balance.is_by_key() && !endpoint.is_warm(self.slow_start, now, rng) {
            choice.but = Some(endpoint.member.id);
            return self.pick_from(leaves, choice, rng).or(Some(picked));
        }
        Some(picked)
    }

    /// Whether a request goes to another zone. Those of one key all do, or all do not, as long as as much does.
    fn leaves_zone(&mut self, key: u64) -> bool {
        if self.spills == 0 {
            return false;
        }
        if self.balance.is_by_key() {
            return mix(key ^ SPILL_SALT) >> 32 < u64::from(self.spills);
        }
        let (due, is_whole) = self.due.overflowing_add(self.spills);
        self.due = due;
        is_whole
    }

    /// From the zone that it is meant for, and if nobody is left there, from any.
    fn pick_from(&mut self, leaves: bool, choice: Choice<'_>, rng: &mut Rng) -> Option<usize> {
        let Self { balance, endpoints, near, far, .. } = self;
        let groups = if leaves { [far, near] } else { [near, far] };
        groups.into_iter().filter(|group| !group.ready.is_empty()).find_map(|group| {
            let choice = Choice { ready: &group.ready, salts: &group.salts, ..choice };
            balance::pick(*balance, endpoints, choice, &mut group.turn, rng)
        })
    }

    fn report(&mut self, index: usize, outcome: Outcome, now: Time) {
        if let Outcome::Answered(took) = outcome {
            self.endpoints[index].latency.observe(took, now);
        }
        let Some(policy) = self.outlier else { return };
        if self.endpoints[index].record.observe(outcome, &policy) {
            self.eject(index, &policy, now);
        }
        if now >= self.compares {
            let is_first = self.compares == Time::ZERO;
            self.compares = now.after(policy.interval);
            if !is_first {
                self.compare(&policy, now);
            }
        }
    }

    fn compare(&mut self, policy: &OutlierPolicy, now: Time) {
        let records = self.endpoints.iter().map(|endpoint| &endpoint.record).enumerate();
        for index in outlier::outliers(records, policy) {
            self.eject(index, policy, now);
        }
        self.endpoints.iter_mut().for_each(|endpoint| endpoint.record.begin_interval(now));
    }

    /// Leaves one out, unless too many are.
    fn eject(&mut self, index: usize, policy: &OutlierPolicy, now: Time) {
        let ready = self.endpoints.iter().filter(|endpoint| endpoint.is_ready());
        let (all, out) = ready
            .fold((0, 0), |(all, out), endpoint| (all + 1, out + usize::from(endpoint.record.is_out(now))));
        let most = (all * usize::from(policy.share) / 100).max(1);
        if self.endpoints[index].record.is_out(now) || out >= most || out + 1 >= all {
            return;
        }
        self.endpoints[index].record.eject(policy, now);
        self.ejections += 1;
        self.list_ready(now);
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

fn sealer(service: &ServicePolicy, secret: Option<&Secret>) -> Option<Sealer> {
    let sticky = service.sticky.as_ref()?;
    let secret = sticky.secret.as_ref().or(secret)?;
    Some(Sealer::new(&service.name, secret, sticky.names))
}

#[cfg(test)]
mod tests;
