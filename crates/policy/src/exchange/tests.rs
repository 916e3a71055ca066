use core::net::SocketAddr;
use core::time::Duration;
use std::format;
use std::string::String;
use std::vec::Vec;

use expect_test::{Expect, expect};
use proptest::collection::vec;
use proptest::sample::select;
use proptest::{prop_assert, prop_assert_eq, proptest};

use super::{Action, AttemptId, Event, Exchange, Facts, Failure, Refusal};
use crate::balance::Balance;
use crate::cluster::Cluster;
use crate::membership::{EndpointId, EndpointState, Member, Membership, ServiceId, Weight};
use crate::rng::Rng;
use crate::snapshot::CallPolicy;
use crate::snapshot::test_support::{CALL, snapshot};
use crate::time::Time;

const GET: Facts = Facts { key: 1, idempotent: true, repeatable: true };
const POST: Facts = Facts { key: 1, idempotent: false, repeatable: false };

/// An exchange against so many ready endpoints, on a virtual clock.
struct World {
    exchange: Exchange,
    cluster: Cluster,
    rng: Rng,
    now: Time,
}

impl World {
    fn new(facts: Facts, endpoints: u16) -> Self {
        let mut rng = Rng::new(5);
        let mut cluster = Cluster::new(&snapshot(Balance::RoundRobin), &mut rng);
        let members = (0..endpoints).map(|slot| Member {
            id: EndpointId { service: ServiceId(0), slot, incarnation: 0 },
            address: SocketAddr::from(([127, 0, 0, 1], 1_000 + slot)),
            weight: Weight::ONE,
            state: EndpointState::Ready,
        });
        cluster.apply(&Membership { services: std::vec![members.collect()] });
        Self { exchange: Exchange::new(CALL, facts), cluster, rng, now: Time::ZERO }
    }

    fn step(&mut self, event: Event) -> Vec<Action> {
        self.exchange.step(event, self.now, &mut self.rng, &mut self.cluster).collect()
    }

    fn in_flight(&self) -> u32 {
        self.cluster.endpoints(ServiceId(0)).iter().map(|endpoint| endpoint.in_flight).sum()
    }
}

/// Plays `event at milliseconds` lines; writes down the actions of each.
fn check(facts: Facts, endpoints: u16, script: &[(u64, Event)], expected: &Expect) {
    let mut world = World::new(facts, endpoints);
    let mut story = Vec::new();
    for &(millis, event) in script {
        world.now = Time::ZERO.after(Duration::from_millis(millis));
        let actions: Vec<_> = world.step(event).into_iter().map(brief).collect();
        story.push(format!("{millis} {} -> {}\n", brief_event(event), actions.join(", ")));
    }
    expected.assert_eq(&story.concat());
    assert_eq!(world.in_flight() > 0, !world.exchange.is_over(), "what is over holds no endpoint");
}

fn brief(action: Action) -> String {
    match action {
        Action::Send { attempt, endpoint, connect_by, fresh } => {
            let fresh = if fresh { " fresh" } else { "" };
            format!("send {} to {} by {connect_by:?}{fresh}", attempt.0, endpoint.slot)
        }
        Action::WakeAt(time) => format!("wake at {time:?}"),
        Action::Relay(attempt) => format!("relay {}", attempt.0),
        Action::Cancel(attempt) => format!("cancel {}", attempt.0),
        Action::Answer(refusal) => format!("answer {} {refusal:?}", refusal.status()),
    }
}

fn brief_event(event: Event) -> String {
    match event {
        Event::Failed { attempt, failure } => format!("{} failed {failure:?}", attempt.0),
        Event::Replied { attempt } => format!("{} replied", attempt.0),
        other => format!("{other:?}"),
    }
}

const fn failed(attempt: u8, failure: Failure) -> Event {
    Event::Failed { attempt: AttemptId(attempt), failure }
}

const fn replied(attempt: u8) -> Event {
    Event::Replied { attempt: AttemptId(attempt) }
}

#[test]
fn relays_the_first_answer() {
    check(
        GET,
        3,
        &[(0, Event::Arrived), (3, replied(0)), (9, Event::Finished)],
        &expect![[r#"
            0 Arrived -> send 0 to 2 by t+500ms, wake at t+2s
            3 0 replied -> relay 0
            9 Finished -> 
        "#]],
    );
}

#[test]
fn a_post_that_was_refused_goes_to_another_endpoint() {
    check(
        POST,
        3,
        &[
            (0, Event::Arrived),
            (1, failed(0, Failure::ConnectRefused)),
            (2, replied(1)),
            (3, Event::Finished),
        ],
        &expect![[r#"
            0 Arrived -> send 0 to 2 by t+500ms, wake at t+2s
            1 0 failed ConnectRefused -> send 1 to 0 by t+501ms
            2 1 replied -> relay 1
            3 Finished -> 
        "#]],
    );
}

#[test]
fn a_post_that_was_sent_is_never_sent_again() {
    check(
        POST,
        3,
        &[(0, Event::Arrived), (1, failed(0, Failure::Broken))],
        &expect![[r#"
            0 Arrived -> send 0 to 2 by t+500ms, wake at t+2s
            1 0 failed Broken -> answer 502 BadGateway
        "#]],
    );
}

#[test]
fn a_stale_connection_costs_no_try() {
    let script = [
        (0, Event::Arrived),
        (0, failed(0, Failure::StaleConnection)),
        (1, failed(1, Failure::ConnectRefused)),
        (2, failed(2, Failure::ConnectRefused)),
        (3, failed(3, Failure::ConnectRefused)),
    ];
    check(
        POST,
        4,
        &script,
        &expect![[r#"
            0 Arrived -> send 0 to 3 by t+500ms, wake at t+2s
            0 0 failed StaleConnection -> send 1 to 3 by t+500ms fresh
            1 1 failed ConnectRefused -> send 2 to 0 by t+501ms
            2 2 failed ConnectRefused -> send 3 to 1 by t+502ms
            3 3 failed ConnectRefused -> answer 502 Unreachable
        "#]],
    );
}

#[test]
fn a_kept_connection_that_breaks_is_replaced_only_where_sending_twice_is_safe() {
    let script = [(0, Event::Arrived), (1, failed(0, Failure::KeptConnectionBroke))];
    check(
        GET,
        2,
        &script,
        &expect![[r#"
            0 Arrived -> send 0 to 1 by t+500ms, wake at t+2s
            1 0 failed KeptConnectionBroke -> send 1 to 1 by t+501ms fresh
        "#]],
    );
    check(
        POST,
        2,
        &script,
        &expect![[r#"
            0 Arrived -> send 0 to 1 by t+500ms, wake at t+2s
            1 0 failed KeptConnectionBroke -> answer 502 BadGateway
        "#]],
    );
}

#[test]
fn stops_when_every_endpoint_was_tried() {
    check(
        GET,
        1,
        &[(0, Event::Arrived), (1, failed(0, Failure::ConnectRefused))],
        &expect![[r"
        0 Arrived -> send 0 to 0 by t+500ms, wake at t+2s
        1 0 failed ConnectRefused -> answer 502 Unreachable
    "]],
    );
}

#[test]
fn answers_at_the_deadline_and_ignores_what_comes_later() {
    let script = [(0, Event::Arrived), (1_500, Event::Woke), (2_000, Event::Woke), (2_001, replied(0))];
    check(
        GET,
        2,
        &script,
        &expect![[r#"
            0 Arrived -> send 0 to 1 by t+500ms, wake at t+2s
            1500 Woke -> wake at t+2s
            2000 Woke -> cancel 0, answer 504 TimedOut
            2001 0 replied -> 
        "#]],
    );
}

#[test]
fn a_response_that_has_begun_is_not_cut_by_the_deadline() {
    check(
        GET,
        1,
        &[(0, Event::Arrived), (5, replied(0)), (2_000, Event::Woke), (9_000, Event::Finished)],
        &expect![[r"
        0 Arrived -> send 0 to 0 by t+500ms, wake at t+2s
        5 0 replied -> relay 0
        2000 Woke -> 
        9000 Finished -> 
    "]],
    );
}

#[test]
fn gives_up_when_the_client_does() {
    check(
        GET,
        1,
        &[(0, Event::Arrived), (5, Event::Abandoned), (6, replied(0))],
        &expect![[r"
        0 Arrived -> send 0 to 0 by t+500ms, wake at t+2s
        5 Abandoned -> cancel 0
        6 0 replied -> 
    "]],
    );
}

#[test]
fn says_that_no_endpoint_is_ready() {
    check(
        GET,
        0,
        &[(0, Event::Arrived)],
        &expect![[r"
        0 Arrived -> answer 503 NoEndpoint
    "]],
    );
}

const FAILURES: [Failure; 7] = [
    Failure::ConnectRefused,
    Failure::ConnectTimedOut,
    Failure::StaleConnection,
    Failure::KeptConnectionBroke,
    Failure::Broken,
    Failure::Malformed,
    Failure::RequestBody,
];

proptest! {
    /// Whatever happens: tries are bounded, no endpoint twice, nothing unsafe is sent again, in flight
    /// returns to zero, and the client gets exactly one outcome.
    #[test]
    fn every_life_ends_well(
        failures in vec(select(&FAILURES[..]), 1..20),
        endpoints in 0_u16..8,
        idempotent: bool,
        repeatable: bool,
    ) {
        let facts = Facts { key: 3, idempotent, repeatable };
        let mut world = World::new(facts, endpoints);
        let mut actions = world.step(Event::Arrived);
        let mut tried = Vec::new();
        let mut was_sent = false;
        for failure in failures {
            let Some(&Action::Send { attempt, endpoint, fresh, .. }) = actions.first() else { break };
            prop_assert!(!was_sent || (idempotent && repeatable), "sent twice");
            prop_assert!(fresh || !tried.contains(&endpoint));
            tried.push(endpoint);
            // A connection that was just made cannot be stale.
            let failure = match failure {
                Failure::StaleConnection if fresh => Failure::ConnectRefused,
                Failure::KeptConnectionBroke if fresh => Failure::Broken,
                failure => failure,
            };
            was_sent |= failure.may_have_been_sent();
            actions = world.step(Event::Failed { attempt, failure });
        }
        prop_assert!(tried.len() <= 2 * usize::from(CallPolicy::RETRIES_MAX + 1));
        if let Some(&Action::Send { attempt, .. }) = actions.first() {
            actions = world.step(Event::Replied { attempt });
            prop_assert_eq!(actions, [Action::Relay(attempt)]);
            actions = world.step(Event::Finished);
            prop_assert!(actions.is_empty());
        } else {
            prop_assert!(matches!(actions.as_slice(), [Action::Answer(_)]), "{:?}", actions);
            prop_assert_eq!(endpoints == 0, actions == [Action::Answer(Refusal::NoEndpoint)]);
        }
        prop_assert!(world.exchange.is_over());
        prop_assert_eq!(world.in_flight(), 0);
    }
}
