use core::net::SocketAddr;
use std::vec::Vec;

use proptest::collection::vec;
use proptest::sample::select;
use proptest::{prop_assert, prop_assert_eq, proptest};

use super::Balance;
use crate::cluster::Cluster;
use crate::membership::{EndpointId, EndpointState, Member, Membership, ServiceId, Weight};
use crate::rng::Rng;
use crate::snapshot::ServicePolicy;
use crate::snapshot::test_support::snapshot;
use crate::sticky::Session;
use crate::time::Time;

const SERVICE: ServiceId = ServiceId(0);

/// One service with these weights; weight 0 stands for an endpoint that is not ready.
struct Fixture {
    cluster: Cluster,
    rng: Rng,
}

impl Fixture {
    fn new(balance: Balance, weights: &[u32]) -> Self {
        Self::of(weights, |service| service.balance = balance)
    }

    fn of(weights: &[u32], change: impl FnOnce(&mut ServicePolicy)) -> Self {
        let mut rng = Rng::new(42);
        let mut snapshot = snapshot(Balance::default());
        change(&mut snapshot.services[0]);
        let mut cluster = Cluster::new(&snapshot, 1, &mut rng);
        cluster.apply(&membership(weights, 0), Time::ZERO);
        Self { cluster, rng }
    }

    fn begin(&mut self, key: u64, tried: &[EndpointId]) -> Option<u16> {
        self.cluster.begin(SERVICE, (key, Session::None), tried, Time::ZERO, &mut self.rng).map(|id| id.slot)
    }

    /// Requests that end at once; how many each slot got.
    fn spread(&mut self, requests: u64, slots: usize) -> Vec<u64> {
        let mut counts = std::vec![0; slots];
        for key in 0..requests {
            let slot = self.begin(key, &[]).expect("an endpoint is ready");
            self.cluster.end(id(slot, 0));
            counts[usize::from(slot)] += 1;
        }
        counts
    }
}

fn id(slot: u16, incarnation: u32) -> EndpointId {
    EndpointId { service: SERVICE, slot, incarnation }
}

fn membership(weights: &[u32], incarnation: u32) -> Membership {
    let members = (0_u16..)
        .zip(weights)
        .map(|(slot, &weight)| Member {
            id: id(slot, incarnation),
            address: SocketAddr::from(([127, 0, 0, 1], 1_000 + slot)),
            weight: Weight::new(weight).unwrap_or(Weight::ONE),
            state: if weight == 0 { EndpointState::Unhealthy } else { EndpointState::Ready },
            is_backup: false,
            zone: None,
        })
        .collect();
    Membership { services: std::vec![members] }
}

fn policies() -> Vec<Balance> {
    Balance::NAMED.iter().map(|(_, balance)| *balance).collect()
}

proptest! {
    #[test]
    fn picks_only_ready_untried_endpoints_and_always_one_if_there_is_one(
        balance in select(policies()),
        weights in vec(0_u32..4, 1..40),
        tried in vec(0_u16..40, 0..6),
        keys in vec(0_u64..1_000, 1..50),
    ) {
        let mut fixture = Fixture::new(balance, &weights);
        let excluded: Vec<_> = tried.iter().map(|&slot| id(slot, 0)).collect();
        let eligible = (0_u16..).zip(&weights)
            .filter(|(slot, weight)| **weight > 0 && !tried.contains(slot))
            .count();
        for key in keys {
            if let Some(slot) = fixture.begin(key, &excluded) {
                prop_assert!(weights[usize::from(slot)] > 0 && !tried.contains(&slot));
            } else {
                prop_assert_eq!(eligible, 0);
            }
        }
    }

    #[test]
    fn weighted_is_exact_over_every_whole_cycle(weights in vec(1_u32..8, 1..10), cycles in 1_u64..5) {
        let total: u32 = weights.iter().sum();
        let counts = Fixture::new(Balance::Weighted, &weights).spread(u64::from(total) * cycles, weights.len());
        let expected: Vec<_> = weights.iter().map(|&weight| u64::from(weight) * cycles).collect();
        prop_assert_eq!(counts, expected);
    }

    #[test]
    fn round_robin_differs_by_one_at_most(slots in 1_usize..30, requests in 0_u64..200) {
        let counts = Fixture::new(Balance::RoundRobin, &std::vec![1; slots]).spread(requests, slots);
        let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
        prop_assert!(most - least <= 1);
    }

    #[test]
    fn least_requests_never_picks_a_busier_endpoint(slots in 1_usize..20, ends in vec(0_u16..20, 0..100)) {
        let mut fixture = Fixture::new(Balance::LeastRequests, &std::vec![1; slots]);
        for end in ends {
            let least = fixture.cluster.endpoints(SERVICE).iter().map(|e| e.in_flight).min().unwrap();
            let slot = fixture.begin(0, &[]).unwrap();
            let picked = fixture.cluster.endpoint(id(slot, 0)).unwrap().in_flight - 1;
            prop_assert_eq!(picked, least);
            let other = id(end % u16::try_from(slots).unwrap(), 0);
            if fixture.cluster.endpoint(other).unwrap().in_flight > 0 {
                fixture.cluster.end(other);
            }
        }
    }

    /// Whatever keys come: nobody has more in flight than the bound says, rounded up.
    #[test]
    fn a_bounded_hash_loads_nobody_beyond_its_bound(
        slots in 1_usize..20,
        bound in 100_u32..200,
        keys in vec(0_u64..5, 1..200),
    ) {
        let mut fixture = Fixture::of(&std::vec![1; slots], |service| {
            (service.balance, service.hash.bound) = (Balance::Hash, bound);
        });
        for (total, key) in (1_u64..).zip(keys) {
            let slot = fixture.begin(key, &[]).unwrap();
            let has = fixture.cluster.endpoint(id(slot, 0)).unwrap().in_flight;
            let most = (total * u64::from(bound)).div_ceil(100 * slots as u64);
            prop_assert!(u64::from(has) <= most, "{has} of {total}, {most} at most");
        }
    }

    #[test]
    fn ip_hash_moves_only_the_clients_of_the_endpoint_that_left(
        slots in 2_usize..20,
        gone in 0_usize..20,
        keys in vec(0_u64..u64::MAX, 1..100),
    ) {
        let gone = gone % slots;
        let mut weights = std::vec![1; slots];
        let mut before = Fixture::new(Balance::IpHash, &weights);
        weights[gone] = 0;
        let mut after = Fixture::new(Balance::IpHash, &weights);
        for key in keys {
            let (old, new) = (before.begin(key, &[]).unwrap(), after.begin(key, &[]).unwrap());
            prop_assert!(old == new || usize::from(old) == gone);
        }
    }
}

#[test]
fn smooth_weighted_spreads_a_heavy_endpoint() {
    let mut fixture = Fixture::new(Balance::Weighted, &[5, 1, 1]);
    let order: Vec<_> = (0..7).map(|_| fixture.begin(0, &[]).unwrap()).collect();
    assert_eq!(order, [0, 0, 1, 0, 2, 0, 0]);
}

#[test]
fn least_requests_weighs_what_is_in_flight() {
    let mut fixture = Fixture::new(Balance::LeastRequests, &[3, 1]);
    let mut counts = [0, 0];
    for _ in 0..40 {
        counts[usize::from(fixture.begin(0, &[]).unwrap())] += 1;
    }
    assert_eq!(counts, [30, 10]);
}

#[test]
fn random_ip_hash_and_power_of_two_use_every_endpoint_evenly() {
    for balance in [Balance::Random, Balance::IpHash, Balance::Hash, Balance::PowerOfTwo, Balance::PeakEwma] {
        let counts = Fixture::new(balance, &[1; 5]).spread(50_000, 5);
        assert!(counts.iter().all(|&count| (9_400..10_600).contains(&count)), "{balance}: {counts:?}");
    }
}

#[test]
fn keys_are_spread_evenly_over_many_endpoints() {
    let counts = Fixture::new(Balance::Hash, &[1; 64]).spread(64_000, 64);
    assert!(counts.iter().all(|&count| (800..1_200).contains(&count)), "{counts:?}");
}

#[test]
fn power_of_two_avoids_the_busy_one_of_two() {
    let mut fixture = Fixture::new(Balance::PowerOfTwo, &[1, 1]);
    let first = fixture.begin(0, &[]).unwrap();
    let second = fixture.begin(0, &[]).unwrap();
    assert_ne!(first, second, "of two endpoints both are looked at");
}

#[test]
fn a_new_incarnation_starts_with_nothing_in_flight() {
    let mut fixture = Fixture::new(Balance::RoundRobin, &[1]);
    assert_eq!(fixture.begin(0, &[]), Some(0));
    fixture.cluster.apply(&membership(&[1], 0), Time::ZERO);
    assert_eq!(fixture.cluster.endpoint(id(0, 0)).unwrap().in_flight, 1, "the same one keeps its count");
    fixture.cluster.apply(&membership(&[1], 1), Time::ZERO);
    assert_eq!(fixture.cluster.endpoint(id(0, 1)).unwrap().in_flight, 0);
    fixture.cluster.end(id(0, 0));
    assert_eq!(fixture.cluster.endpoint(id(0, 1)).unwrap().in_flight, 0, "a late end is not held against it");
}

#[test]
fn a_key_stays_where_it_is_until_its_endpoint_is_full() {
    let mut fixture = Fixture::of(&[1; 4], |service| {
        (service.balance, service.hash.bound) = (Balance::Hash, 125);
    });
    let home = fixture.begin(7, &[]).unwrap();
    fixture.cluster.end(id(home, 0));
    assert!((0..20).all(|_| {
        let slot = fixture.begin(7, &[]).unwrap();
        fixture.cluster.end(id(slot, 0));
        slot == home
    }));
    let slots: std::collections::BTreeSet<_> = (0..8).map(|_| fixture.begin(7, &[]).unwrap()).collect();
    assert!(slots.len() >= 3, "what is too much goes elsewhere: {slots:?}");
}

#[test]
fn cookies_are_found_by_their_whole_name() {
    let found = |header: &'static str| super::cookie(header.as_bytes(), "id");
    assert_eq!(found("a=b; id=7; c=d"), Some(&b"7"[..]));
    assert_eq!(found("id="), Some(&b""[..]));
    assert_eq!((found("xid=7"), found("idx=7"), found("")), (None, None, None));
}
