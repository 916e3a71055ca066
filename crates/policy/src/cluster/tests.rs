use core::net::SocketAddr;
use core::time::Duration;
use std::vec::Vec;

use proptest::collection::vec;
use proptest::sample::select;
use proptest::{prop_assert, prop_assert_eq, proptest};

use super::Cluster;
use crate::balance::Balance;
use crate::guard::Outcome;
use crate::membership::{EndpointId, EndpointState, Member, Membership, ServiceId, Weight, ZoneId};
use crate::outlier::OutlierPolicy;
use crate::rng::Rng;
use crate::snapshot::ServicePolicy;
use crate::snapshot::test_support::snapshot;
use crate::sticky::Session;
use crate::time::Time;

const SERVICE: ServiceId = ServiceId(0);
const QUICK: Outcome = Outcome::Answered(Duration::from_millis(1));

const OUTLIER: OutlierPolicy = OutlierPolicy {
    consecutive: 3,
    interval: Duration::from_secs(10),
    volume: 20,
    slow: 5,
    base: Duration::from_secs(10),
    max: Duration::from_mins(1),
    share: 50,
    panic: 50,
};

struct World {
    cluster: Cluster,
    rng: Rng,
    now: Time,
}

fn id(slot: u16) -> EndpointId {
    EndpointId { service: SERVICE, slot, incarnation: 0 }
}

fn membership(states: &[EndpointState]) -> Membership {
    let member = |(slot, state): (u16, &EndpointState)| Member {
        id: id(slot),
        address: SocketAddr::from(([127, 0, 0, 1], 1_000 + slot)),
        weight: Weight::ONE,
        state: *state,
        is_backup: false,
        zone: None,
    };
    Membership { services: std::vec![(0..).zip(states).map(member).collect()] }
}

impl World {
    fn new(endpoints: usize, change: impl FnOnce(&mut ServicePolicy)) -> Self {
        let mut rng = Rng::new(3);
        let mut snapshot = snapshot(Balance::RoundRobin);
        change(&mut snapshot.services[0]);
        let mut cluster = Cluster::new(&snapshot, 1, &mut rng);
        cluster.apply(&membership(&std::vec![EndpointState::Ready; endpoints]), Time::ZERO);
        Self { cluster, rng, now: Time::ZERO }
    }

    fn with_outliers(endpoints: usize) -> Self {
        Self::new(endpoints, |service| service.outlier = Some(OUTLIER))
    }

    fn wait(&mut self, seconds: u64) {
        self.now = self.now.after(Duration::from_secs(seconds));
    }

    /// A request that ends at once as its endpoint says; where it went.
    fn ask(&mut self, outcome: impl FnOnce(u16) -> Outcome) -> u16 {
        let endpoint = self
            .cluster
            .begin(SERVICE, (0, Session::None), &[], self.now, &mut self.rng)
            .expect("one is ready");
        self.cluster.report(endpoint, outcome(endpoint.slot), self.now);
        self.cluster.end(endpoint);
        endpoint.slot
    }

    fn spread(&mut self, requests: usize, outcome: impl Fn(u16) -> Outcome) -> Vec<usize> {
        let mut counts = std::vec![0; self.cluster.endpoints(SERVICE).len()];
        (0..requests).for_each(|_| counts[usize::from(self.ask(&outcome))] += 1);
        counts
    }
}

#[test]
fn the_roster_differs_when_other_incarnations_are_ready() {
    use EndpointState::{Draining, Ready, Starting};
    let roster = |members: &[(EndpointState, u32)]| {
        let states: Vec<_> = members.iter().map(|(state, _)| *state).collect();
        let mut membership = membership(&states);
        for (member, (_, incarnation)) in membership.services[0].iter_mut().zip(members) {
            member.id.incarnation = *incarnation;
        }
        let mut world = World::new(0, |_| {});
        world.cluster.apply(&membership, Time::ZERO);
        world.cluster.roster(SERVICE)
    };
    let both = roster(&[(Ready, 0), (Ready, 0)]);
    assert_eq!(both, roster(&[(Ready, 0), (Ready, 0)]));
    let others = [
        roster(&[(Ready, 0), (Ready, 1)]),
        roster(&[(Ready, 1), (Ready, 0)]),
        roster(&[(Ready, 1), (Ready, 1)]),
        roster(&[(Ready, 0), (Starting, 1)]),
        roster(&[(Draining, 0), (Draining, 0)]),
    ];
    assert!(others.iter().all(|other| *other != both), "{others:?} {both}");
    assert_eq!(others[3], roster(&[(Ready, 0)]), "those that begin do not count");
}

#[test]
fn an_endpoint_that_fails_is_left_out_and_comes_back() {
    let mut world = World::with_outliers(3);
    let first_fails = |slot| if slot == 0 { Outcome::Failed } else { QUICK };
    world.spread(9, first_fails);
    assert_eq!(world.cluster.take_ejections(SERVICE), 1);
    assert_eq!(world.spread(10, first_fails), [0, 5, 5]);
    world.wait(10);
    assert_eq!(world.spread(9, first_fails)[0], 3, "it gets another chance");
    assert_eq!(world.cluster.take_ejections(SERVICE), 1);
    world.wait(10);
    assert_eq!(world.spread(10, |_| QUICK)[0], 0, "the second time it is out twice as long");
    world.wait(10);
    assert_eq!(world.spread(9, |_| QUICK), [3, 3, 3]);
}

#[test]
fn no_more_than_the_share_are_out_and_never_the_last() {
    let mut world = World::with_outliers(4);
    world.spread(100, |_| Outcome::Failed);
    assert_eq!(world.cluster.take_ejections(SERVICE), 2);
    let mut two = World::new(2, |service| service.outlier = Some(OutlierPolicy { share: 100, ..OUTLIER }));
    two.spread(100, |_| Outcome::Failed);
    assert_eq!(two.cluster.take_ejections(SERVICE), 1);
    let mut one = World::with_outliers(1);
    one.spread(100, |_| Outcome::Failed);
    assert_eq!(one.cluster.take_ejections(SERVICE), 0);
}

#[test]
fn where_too_few_are_left_nobody_is_out() {
    let mut world = World::new(4, |service| {
        service.outlier = Some(OutlierPolicy { share: 75, panic: 50, ..OUTLIER });
    });
    let all_but_last_fail = |slot| if slot == 3 { QUICK } else { Outcome::Failed };
    world.spread(12, all_but_last_fail);
    assert!(world.cluster.take_ejections(SERVICE) >= 2);
    assert!(world.spread(40, all_but_last_fail).iter().all(|count| *count > 0));
}

#[test]
fn one_that_succeeds_less_often_is_found_by_the_comparison() {
    let mut world = World::with_outliers(5);
    let mut turn = 0;
    let mut flaky = |slot| {
        turn += 1;
        if slot == 2 && turn % 2 == 0 { Outcome::Failed } else { QUICK }
    };
    for _ in 0..200 {
        let slot = world
            .cluster
            .begin(SERVICE, (0, Session::None), &[], world.now, &mut world.rng)
            .expect("ready")
            .slot;
        world.cluster.report(id(slot), flaky(slot), world.now);
        world.cluster.end(id(slot));
    }
    assert_eq!(world.cluster.take_ejections(SERVICE), 0, "it never fails three times in a row");
    world.wait(10);
    world.ask(|_| QUICK);
    assert_eq!(world.cluster.take_ejections(SERVICE), 1);
    assert_eq!(world.spread(40, |_| QUICK)[2], 0);
}

#[test]
fn a_probe_that_fails_has_the_last_word() {
    let mut world = World::with_outliers(2);
    world.spread(10, |slot| if slot == 0 { Outcome::Failed } else { QUICK });
    let states = [EndpointState::Ready, EndpointState::Unhealthy];
    world.cluster.apply(&membership(&states), world.now);
    assert_eq!(world.spread(5, |_| QUICK), [5, 0], "who is left out is better than who is not there");
}

#[test]
fn one_that_becomes_ready_gets_more_and_more() {
    let mut world = World::new(4, |service| service.slow_start = Duration::from_secs(100));
    let with_last = |state| {
        let mut states = std::vec![EndpointState::Ready; 4];
        states[3] = state;
        membership(&states)
    };
    world.cluster.apply(&with_last(EndpointState::Unhealthy), world.now);
    world.wait(1_000);
    world.cluster.apply(&with_last(EndpointState::Ready), world.now);
    let share = |world: &mut World| world.spread(4_000, |_| QUICK)[3];
    let shares: Vec<_> = (0..3)
        .map(|_| {
            let share = share(&mut world);
            world.wait(50);
            share
        })
        .collect();
    assert!((50..150).contains(&shares[0]), "{shares:?}");
    assert!((450..650).contains(&shares[1]), "{shares:?}");
    assert_eq!(shares[2], 1_000);
}

#[test]
fn peak_ewma_prefers_who_answers_first() {
    let mut world = World::new(2, |service| service.balance = Balance::PeakEwma);
    let slow_last = |slot| if slot == 1 { Outcome::Answered(Duration::from_millis(50)) } else { QUICK };
    let counts = world.spread(100, slow_last);
    assert!(counts[1] <= 2, "{counts:?}");
    // It is asked again once its bad name has faded, and keeps its share once it is quick.
    for _ in 0..500 {
        world.wait(1);
        world.ask(|_| QUICK);
    }
    let counts = world.spread(100, |_| QUICK);
    assert!(counts.iter().all(|count| *count > 20), "{counts:?}");
}

proptest! {
    /// Whatever requests come to: one is picked as long as one is ready.
    #[test]
    fn somebody_is_always_left(
        endpoints in 1_usize..6,
        outcomes in vec((0_u8..3, 0_u64..20), 1..300),
        share in 0_u8..=100,
        panic in 0_u8..=100,
    ) {
        let mut world = World::new(endpoints, |service| {
            service.outlier = Some(OutlierPolicy { share, panic, volume: 2, ..OUTLIER });
        });
        for (outcome, pause) in outcomes {
            world.wait(pause);
            let outcome = [QUICK, Outcome::Failed, Outcome::Answered(Duration::from_secs(9))][usize::from(outcome)];
            prop_assert!(usize::from(world.ask(|_| outcome)) < endpoints);
        }
    }
}

proptest! {
    #[test]
    fn backups_get_requests_only_while_nobody_else_takes_any(states in vec((0_u8..3, 0_u8..2), 1..12)) {
        let named: Vec<_> = states
            .iter()
            .map(|(state, _)| {
                [EndpointState::Ready, EndpointState::Unhealthy, EndpointState::Dead][usize::from(*state)]
            })
            .collect();
        let mut world = World::new(states.len(), |_| ());
        let mut picture = membership(&named);
        for (member, (_, backup)) in picture.services[0].iter_mut().zip(&states) {
            member.is_backup = *backup == 1;
        }
        world.cluster.apply(&picture, world.now);
        let ready = |member: &&Member| member.state == EndpointState::Ready;
        let backed = picture.services[0].iter().filter(ready).all(|member| member.is_backup);
        for _ in 0..20 {
            let Some(picked) = world.cluster.begin(SERVICE, (0, Session::None), &[], world.now, &mut world.rng) else {
                prop_assert!(!picture.services[0].iter().any(|member| ready(&member)));
                break;
            };
            let member = &picture.services[0][usize::from(picked.slot)];
            prop_assert!(ready(&member) && member.is_backup == backed);
        }
    }
}

/// Members of the own zone, then of others, as far as they are ready.
fn zones(near: [usize; 2], far: [usize; 2]) -> Membership {
    let states = |[ready, all]: [usize; 2]| {
        let unhealthy = std::iter::repeat_n(EndpointState::Unhealthy, all - ready);
        std::iter::repeat_n(EndpointState::Ready, ready).chain(unhealthy)
    };
    let states: Vec<_> = states(near).chain(states(far)).collect();
    let mut picture = membership(&states);
    for (index, member) in picture.services[0].iter_mut().enumerate() {
        member.zone = [None, Some(ZoneId(2))][index % 2];
        if index < near[1] {
            member.zone = Some(ZoneId(1));
        }
    }
    picture
}

fn zoned(balance: Balance, near: [usize; 2], far: [usize; 2]) -> World {
    let mut rng = Rng::new(3);
    let mut snapshot = snapshot(balance);
    snapshot.zone = Some(ZoneId(1));
    let mut world = World { cluster: Cluster::new(&snapshot, 1, &mut rng), rng, now: Time::ZERO };
    world.cluster.apply(&zones(near, far), Time::ZERO);
    world
}

/// How many of these requests stay in a zone with so many endpoints.
fn stay(world: &mut World, near: usize, keys: core::ops::Range<u64>) -> usize {
    let mut asked = |key| {
        let session = Session::None;
        let picked =
            world.cluster.begin(SERVICE, (key, session), &[], world.now, &mut world.rng).expect("ready");
        world.cluster.end(picked);
        usize::from(picked.slot) < near
    };
    keys.filter(|key| asked(*key)).count()
}

proptest! {
    /// Requests stay as the rule of Envoy's priority levels says, to within one where no key decides.
    #[test]
    fn a_zone_keeps_what_it_can_take(
        balance in select(Balance::NAMED.map(|(_, balance)| balance).to_vec()),
        near in (0_usize..8, 1_usize..8),
        far in (0_usize..8, 1_usize..8),
    ) {
        let ((near_ready, near), (far_ready, far)) = (near, far);
        let (near_ready, far_ready) = (near_ready % (near + 1), far_ready % (far + 1));
        if near_ready + far_ready > 0 {
            let mut world = zoned(balance, [near_ready, near], [far_ready, far]);
            let kept = stay(&mut world, near, 0..1_000);
            let part = |ready: usize, all: usize| (1.4 * ready as f64 / all as f64).min(1.0);
            let (own, others) = (part(near_ready, near), part(far_ready, far));
            let expected = if own + others < 1.0 { own / (own + others) } else { own };
            let tolerance = if balance.is_by_key() { 70.0 } else { 1.001 };
            prop_assert!((kept as f64 - expected * 1_000.0).abs() <= tolerance, "{kept}, {expected} expected");
        }
    }

    /// As a zone loses endpoints, a key moves when its own one is gone or it spills over, and never back.
    #[test]
    fn a_key_that_spilled_over_stays_there(key in 0_u64..u64::MAX, all in 2_usize..10) {
        let stays = |ready| stay(&mut zoned(Balance::Hash, [ready, all], [3, 3]), all, key..key + 1) == 1;
        let kept: Vec<_> = (0..=all).map(stays).collect();
        prop_assert!(kept.is_sorted() && kept[all] && !kept[0], "{kept:?}");
    }

    /// Over zones too, one is picked as long as one is left that was not tried.
    #[test]
    fn no_zone_is_left_untried(
        near in (0_usize..4, 0_usize..4),
        far in (0_usize..4, 1_usize..4),
        balance in select(Balance::NAMED.map(|(_, balance)| balance).to_vec()),
        key in 0_u64..100,
    ) {
        let (near, far) = ([near.0 % (near.1 + 1), near.1], [far.0 % (far.1 + 1), far.1]);
        let mut world = zoned(balance, near, far);
        let mut tried = Vec::new();
        while let Some(picked) =
            world.cluster.begin(SERVICE, (key, Session::None), &tried, world.now, &mut world.rng)
        {
            prop_assert!(!tried.contains(&picked));
            tried.push(picked);
        }
        prop_assert_eq!(tried.len(), near[0] + far[0]);
    }
}

#[test]
fn a_node_without_a_zone_prefers_none() {
    let mut world = World::new(0, |_| ());
    world.cluster.apply(&zones([2, 2], [2, 2]), world.now);
    assert_eq!(world.spread(8, |_| QUICK), [2, 2, 2, 2]);
    let mut elsewhere = zoned(Balance::RoundRobin, [0, 0], [4, 4]);
    assert_eq!(elsewhere.spread(8, |_| QUICK), [2, 2, 2, 2], "and one where nobody else is");
}

#[test]
fn weights_say_how_much_of_a_zone_is_left() {
    let mut world = zoned(Balance::Weighted, [1, 2], [2, 2]);
    let mut picture = zones([1, 2], [2, 2]);
    picture.services[0][0].weight = Weight::new(3).expect("a weight");
    world.cluster.apply(&picture, world.now);
    assert_eq!(stay(&mut world, 2, 0..100), 100, "three quarters are there");
    picture.services[0][0].weight = Weight::ONE;
    picture.services[0][1].weight = Weight::new(3).expect("a weight");
    world.cluster.apply(&picture, world.now);
    assert!((34..=36).contains(&stay(&mut world, 2, 0..100)), "a quarter is there");
}

#[test]
fn what_was_replaced_is_not_missed() {
    let mut world = zoned(Balance::RoundRobin, [2, 2], [2, 2]);
    let mut picture = zones([2, 2], [2, 2]);
    let leaving = Member { state: EndpointState::Draining, ..picture.services[0][0].clone() };
    picture.services[0][0].id.incarnation = 1;
    picture.services[0].extend([leaving.clone(), leaving]);
    world.cluster.apply(&picture, world.now);
    let session = Session::None;
    let mut begin = || world.cluster.begin(SERVICE, (0, session), &[], world.now, &mut world.rng);
    assert!((0..50).all(|_| begin().is_some_and(|picked| picked.slot < 2)));
    picture.services[0][0].state = EndpointState::Draining;
    world.cluster.apply(&picture, world.now);
    assert!((28..=42).contains(&stay(&mut world, 2, 0..50)), "one that drains and has no other is");
}

#[test]
fn slow_start_lends_from_other_zones() {
    let mut snapshot = snapshot(Balance::RoundRobin);
    (snapshot.zone, snapshot.services[0].slow_start) = (Some(ZoneId(1)), Duration::from_secs(100));
    let mut rng = Rng::new(3);
    let mut cluster = Cluster::new(&snapshot, 1, &mut rng);
    cluster.apply(&zones([0, 1], [2, 2]), Time::ZERO);
    let mut world = World { cluster, rng, now: Time::ZERO };
    world.wait(1_000);
    world.cluster.apply(&zones([1, 1], [2, 2]), world.now);
    assert!((50..150).contains(&stay(&mut world, 1, 0..1_000)));
}
