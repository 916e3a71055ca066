mod hedging;

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
use crate::admission::{Admission, AdmissionPolicy, Class, Limit};
use crate::balance::Balance;
use crate::breaker::{BreakerPolicy, Trip};
use crate::cluster::Cluster;
use crate::guard::{Guard, GuardPolicy};
use crate::membership::{EndpointId, EndpointState, Member, Membership, ServiceId, Weight};
use crate::retry::{RetryPolicy, Statuses};
use crate::rng::Rng;
use crate::snapshot::CallPolicy;
use crate::snapshot::test_support::{CALL, snapshot};
use crate::sticky::Session;
use crate::time::Time;

const GET: Facts = Facts {
    key: 1,
    session: Session::None,
    idempotent: true,
    repeatable: true,
    class: Class::NORMAL,
    gives_up: Time::NEVER,
};
const POST: Facts = Facts {
    key: 1,
    session: Session::None,
    idempotent: false,
    repeatable: false,
    class: Class::NORMAL,
    gives_up: Time::NEVER,
};

/// An exchange against so many ready endpoints, on a virtual clock.
struct World {
    exchange: Exchange,
    cluster: Cluster,
    rng: Rng,
    now: Time,
}

impl World {
    fn new(facts: Facts, endpoints: u16) -> Self {
        Self::with(facts, endpoints, CALL, GuardPolicy::default())
    }

    fn with(facts: Facts, endpoints: u16, call: CallPolicy, guard: GuardPolicy) -> Self {
        let mut rng = Rng::new(5);
        let mut snapshot = snapshot(Balance::RoundRobin);
        snapshot.services[0].guard = guard;
        let mut cluster = Cluster::new(&snapshot, 1, &mut rng);
        let members = (0..endpoints).map(|slot| Member {
            id: EndpointId { service: ServiceId(0), slot, incarnation: 0 },
            address: SocketAddr::from(([127, 0, 0, 1], 1_000 + slot)),
            weight: Weight::ONE,
            state: EndpointState::Ready,
            is_backup: false,
            zone: None,
        });
        cluster.apply(&Membership { services: std::vec![members.collect()] }, Time::ZERO);
        Self { exchange: Exchange::new(call, facts), cluster, rng, now: Time::ZERO }
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
    play(&mut world, script, expected);
    assert!(!world.exchange.is_over() || world.in_flight() == 0, "what is over holds no endpoint");
}

fn play(world: &mut World, script: &[(u64, Event)], expected: &Expect) {
    let mut story = Vec::new();
    for &(millis, event) in script {
        world.now = Time::ZERO.after(Duration::from_millis(millis));
        let actions: Vec<_> = world.step(event).into_iter().map(brief).collect();
        story.push(format!("{millis} {} -> {}\n", brief_event(event), actions.join(", ")));
    }
    expected.assert_eq(&story.concat());
}

fn brief(action: Action) -> String {
    match action {
        Action::Send { attempt, endpoint, connect_by, fresh } => {
            let fresh = if fresh { " fresh" } else { "" };
            format!("send {} to {} by {connect_by:?}{fresh}", attempt.0, endpoint.slot)
        }
        Action::WakeAt(time) => format!("wake at {time:?}"),
        Action::Queue(_) => "queue".into(),
        Action::Relay(attempt) => format!("relay {}", attempt.0),
        Action::Cancel(attempt) => format!("cancel {}", attempt.0),
        Action::Answer(refusal) => format!("answer {} {refusal:?}", refusal.status()),
    }
}

fn brief_event(event: Event) -> String {
    match event {
        Event::Failed { attempt, failure } => format!("{} failed {failure:?}", attempt.0),
        Event::Replied { attempt, status } => format!("{} replied {status}", attempt.0),
        other => format!("{other:?}"),
    }
}

const fn failed(attempt: u8, failure: Failure) -> Event {
    Event::Failed { attempt: AttemptId(attempt), failure }
}

const fn replied(attempt: u8) -> Event {
    Event::Replied { attempt: AttemptId(attempt), status: 200 }
}

#[test]
fn relays_the_first_answer() {
    check(
        GET,
        3,
        &[(0, Event::Arrived), (3, replied(0)), (9, Event::Finished)],
        &expect![[r#"
            0 Arrived -> send 0 to 2 by t+500ms, wake at t+2s
            3 0 replied 200 -> relay 0
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
            1 0 failed ConnectRefused -> send 1 to 0 by t+501ms, wake at t+2s
            2 1 replied 200 -> relay 1
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
        (33, Event::Woke),
        (34, failed(3, Failure::ConnectRefused)),
    ];
    check(
        POST,
        4,
        &script,
        &expect![[r#"
            0 Arrived -> send 0 to 3 by t+500ms, wake at t+2s
            0 0 failed StaleConnection -> send 1 to 3 by t+500ms fresh, wake at t+2s
            1 1 failed ConnectRefused -> send 2 to 0 by t+501ms, wake at t+2s
            2 2 failed ConnectRefused -> wake at t+32.726551ms
            33 Woke -> send 3 to 1 by t+533ms, wake at t+2s
            34 3 failed ConnectRefused -> answer 502 Unreachable
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
            1 0 failed KeptConnectionBroke -> send 1 to 1 by t+501ms fresh, wake at t+2s
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
fn an_only_endpoint_is_tried_again_after_pauses() {
    let script = [
        (0, Event::Arrived),
        (1, failed(0, Failure::ConnectRefused)),
        (5, Event::Woke),
        (17, Event::Woke),
        (18, failed(1, Failure::ConnectRefused)),
        (60, Event::Woke),
        (61, failed(2, Failure::ConnectRefused)),
    ];
    check(
        POST,
        1,
        &script,
        &expect![[r#"
            0 Arrived -> send 0 to 0 by t+500ms, wake at t+2s
            1 0 failed ConnectRefused -> wake at t+16.363275ms
            5 Woke -> wake at t+16.363275ms
            17 Woke -> send 1 to 0 by t+517ms, wake at t+2s
            18 1 failed ConnectRefused -> wake at t+53.666355ms
            60 Woke -> send 2 to 0 by t+560ms, wake at t+2s
            61 2 failed ConnectRefused -> answer 502 Unreachable
        "#]],
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
            2001 0 replied 200 -> 
        "#]],
    );
}

#[test]
fn a_response_that_has_begun_is_not_cut_by_the_deadline() {
    check(
        GET,
        1,
        &[(0, Event::Arrived), (5, replied(0)), (2_000, Event::Woke), (9_000, Event::Finished)],
        &expect![[r#"
            0 Arrived -> send 0 to 0 by t+500ms, wake at t+2s
            5 0 replied 200 -> relay 0
            2000 Woke -> 
            9000 Finished -> 
        "#]],
    );
}

#[test]
fn the_whole_may_have_less_time_than_its_head() {
    let call = CallPolicy { total_timeout: Some(Duration::from_millis(300)), ..CALL };
    let mut world = World::with(GET, 1, call, GuardPolicy::default());
    play(
        &mut world,
        &[(100, Event::Arrived), (400, Event::Woke)],
        &expect![[r#"
        100 Arrived -> send 0 to 0 by t+400ms, wake at t+400ms
        400 Woke -> cancel 0, answer 504 TimedOut
    "#]],
    );
    assert_eq!(world.exchange.ends_by(), Time::ZERO.after(Duration::from_millis(400)));
    assert_eq!(Exchange::new(CALL, GET).ends_by(), Time::NEVER);
}

#[test]
fn gives_up_when_the_client_does() {
    check(
        GET,
        1,
        &[(0, Event::Arrived), (5, Event::Abandoned), (6, replied(0))],
        &expect![[r#"
            0 Arrived -> send 0 to 0 by t+500ms, wake at t+2s
            5 Abandoned -> cancel 0
            6 0 replied 200 -> 
        "#]],
    );
}

#[test]
fn who_gives_up_sooner_is_answered_sooner_and_says_nothing_of_the_service() {
    let breaker = BreakerPolicy { trip: half_of(1), ..BreakerPolicy::default() };
    let guard = GuardPolicy { breaker: Some(breaker), ..GuardPolicy::default() };
    let facts = Facts { gives_up: Time::ZERO.after(Duration::from_millis(100)), ..GET };
    let mut world = World::with(facts, 2, CALL, guard);
    play(
        &mut world,
        &[(0, Event::Arrived), (100, Event::Woke)],
        &expect![[r#"
            0 Arrived -> send 0 to 1 by t+100ms, wake at t+100ms
            100 Woke -> cancel 0, answer 504 TimedOut
        "#]],
    );
    world.exchange = Exchange::new(CALL, facts);
    play(
        &mut world,
        &[(100, Event::Arrived)],
        &expect![[r#"
            100 Arrived -> answer 504 TooLate
        "#]],
    );
    world.exchange = Exchange::new(CALL, GET);
    play(
        &mut world,
        &[(100, Event::Arrived), (2_100, Event::Woke)],
        &expect![[r#"
            100 Arrived -> send 0 to 0 by t+600ms, wake at t+2.1s
            2100 Woke -> cancel 0, answer 504 TimedOut
        "#]],
    );
    world.exchange = Exchange::new(CALL, GET);
    play(
        &mut world,
        &[(2_100, Event::Arrived)],
        &expect![[r#"
            2100 Arrived -> answer 503 BreakerOpen
        "#]],
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

/// Half of so many at least, within ten seconds.
fn half_of(volume: u32) -> Trip {
    Trip::Share { percent: 50, volume, window: Duration::from_secs(10) }
}

fn retrying(change: impl FnOnce(&mut RetryPolicy)) -> CallPolicy {
    let mut call = CALL;
    change(&mut call.retry);
    call
}

#[test]
fn a_status_is_tried_again_where_it_is_named_and_the_request_may_be() {
    let call = retrying(|retry| retry.statuses = Statuses::NONE.with(503).expect("a server's status"));
    let replied = |attempt, status| Event::Replied { attempt: AttemptId(attempt), status };
    let script = [(0, Event::Arrived), (1, replied(0, 503)), (2, replied(1, 500)), (3, Event::Finished)];
    let guard = GuardPolicy::default();
    play(
        &mut World::with(GET, 2, call, guard.clone()),
        &script,
        &expect![[r#"
        0 Arrived -> send 0 to 1 by t+500ms, wake at t+2s
        1 0 replied 503 -> cancel 0, send 1 to 0 by t+501ms, wake at t+2s
        2 1 replied 500 -> relay 1
        3 Finished -> 
    "#]],
    );
    play(
        &mut World::with(POST, 2, call, guard),
        &script,
        &expect![[r#"
        0 Arrived -> send 0 to 1 by t+500ms, wake at t+2s
        1 0 replied 503 -> relay 0
        2 1 replied 500 -> 
        3 Finished -> 
    "#]],
    );
}

#[test]
fn a_slow_try_is_given_up_for_another_where_it_may_be() {
    let call = retrying(|retry| retry.try_timeout = Some(Duration::from_millis(100)));
    let script = [
        (0, Event::Arrived),
        (100, Event::Woke),
        (101, replied(0)),
        (102, replied(1)),
        (103, Event::Finished),
    ];
    let guard = GuardPolicy::default();
    play(
        &mut World::with(GET, 2, call, guard.clone()),
        &script,
        &expect![[r#"
        0 Arrived -> send 0 to 1 by t+500ms, wake at t+100ms
        100 Woke -> cancel 0, send 1 to 0 by t+600ms, wake at t+200ms
        101 0 replied 200 -> 
        102 1 replied 200 -> relay 1
        103 Finished -> 
    "#]],
    );
    play(
        &mut World::with(POST, 2, call, guard),
        &script,
        &expect![[r#"
        0 Arrived -> send 0 to 1 by t+500ms, wake at t+100ms
        100 Woke -> wake at t+2s
        101 0 replied 200 -> relay 0
        102 1 replied 200 -> 
        103 Finished -> 
    "#]],
    );
}

#[test]
fn retries_of_what_was_sent_end_with_the_budget() {
    let mut world = World::new(GET, 3);
    let failed = |world: &mut World| {
        world.exchange = Exchange::new(CALL, GET);
        world.step(Event::Arrived);
        let actions = world.step(failed(0, Failure::Broken));
        world.step(Event::Abandoned);
        matches!(actions[..], [Action::Send { .. }, ..])
    };
    let retried = (0..1_000).filter(|_| failed(&mut world)).count();
    // A hundred that were saved, and a fifth.
    assert!((250..=300).contains(&retried), "{retried}");
}

#[test]
fn waits_in_the_queue_until_there_is_room() {
    let admission =
        AdmissionPolicy { limit: Limit::Fixed(1), queue_max: 1, queue_time: Duration::from_millis(50) };
    let guard = GuardPolicy { admission: Some(admission), ..GuardPolicy::default() };
    let mut world = World::with(GET, 2, CALL, guard);
    world.step(Event::Arrived);
    let first = std::mem::replace(&mut world.exchange, Exchange::new(CALL, GET));
    play(
        &mut world,
        &[(1, Event::Arrived), (2, Event::Woke)],
        &expect![[r#"
        1 Arrived -> queue, wake at t+51ms
        2 Woke -> wake at t+51ms
    "#]],
    );
    let second = std::mem::replace(&mut world.exchange, Exchange::new(CALL, GET));
    play(
        &mut world,
        &[(3, Event::Arrived)],
        &expect![[r#"
        3 Arrived -> answer 503 Overloaded
    "#]],
    );
    world.exchange = first;
    play(
        &mut world,
        &[(4, replied(0)), (5, Event::Finished)],
        &expect![[r#"
        4 0 replied 200 -> relay 0
        5 Finished -> 
    "#]],
    );
    assert_eq!(world.cluster.take_called(ServiceId(0)).count(), 1);
    world.exchange = second;
    play(
        &mut world,
        &[(6, Event::Woke), (7, replied(0)), (8, Event::Finished)],
        &expect![[r#"
        6 Woke -> send 0 to 0 by t+506ms, wake at t+2.001s
        7 0 replied 200 -> relay 0
        8 Finished -> 
    "#]],
    );
    assert_eq!(
        world.cluster.guard(ServiceId(0)).and_then(Guard::admission).map(Admission::in_flight),
        Some(0)
    );
}

#[test]
fn leaves_the_queue_when_its_time_is_over_or_the_client_is_gone() {
    let admission =
        AdmissionPolicy { limit: Limit::Fixed(1), queue_max: 9, queue_time: Duration::from_millis(50) };
    let guard = GuardPolicy { admission: Some(admission), ..GuardPolicy::default() };
    let mut world = World::with(GET, 2, CALL, guard);
    world.step(Event::Arrived);
    world.exchange = Exchange::new(CALL, GET);
    play(
        &mut world,
        &[(0, Event::Arrived), (50, Event::Woke)],
        &expect![[r#"
        0 Arrived -> queue, wake at t+50ms
        50 Woke -> answer 503 Overloaded
    "#]],
    );
    world.exchange = Exchange::new(CALL, GET);
    play(
        &mut world,
        &[(50, Event::Arrived), (60, Event::Abandoned)],
        &expect![[r#"
        50 Arrived -> queue, wake at t+100ms
        60 Abandoned -> 
    "#]],
    );
    assert_eq!(world.cluster.guard(ServiceId(0)).and_then(Guard::admission).map(Admission::waiting), Some(0));
}

#[test]
fn an_open_breaker_answers_at_once_and_gives_the_place_back() {
    let breaker = BreakerPolicy { trip: half_of(2), ..BreakerPolicy::default() };
    let guard = GuardPolicy { breaker: Some(breaker), ..GuardPolicy::default() };
    let mut world = World::with(POST, 2, CALL, guard);
    for _ in 0..2 {
        world.exchange = Exchange::new(CALL, POST);
        world.step(Event::Arrived);
        world.step(failed(0, Failure::Broken));
    }
    world.exchange = Exchange::new(CALL, POST);
    play(
        &mut world,
        &[(1, Event::Arrived)],
        &expect![[r#"
        1 Arrived -> answer 503 BreakerOpen
    "#]],
    );
    world.exchange = Exchange::new(CALL, POST);
    play(
        &mut world,
        &[(5_000, Event::Arrived), (5_001, replied(0)), (5_002, Event::Finished)],
        &expect![[r#"
            5000 Arrived -> send 0 to 1 by t+5.5s, wake at t+7s
            5001 0 replied 200 -> relay 0
            5002 Finished -> 
        "#]],
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
        let facts = Facts { key: 3, session: Session::None, idempotent, repeatable, class: Class::NORMAL, gives_up: Time::NEVER };
        let mut world = World::new(facts, endpoints);
        let mut actions = world.step(Event::Arrived);
        let mut tried = Vec::new();
        let (mut sent, mut was_sent) = (0, false);
        for failure in failures {
            if let Some(&Action::WakeAt(time)) = actions.first() {
                prop_assert!(time > world.now);
                world.now = time;
                actions = world.step(Event::Woke);
            }
            let Some(&Action::Send { attempt, endpoint, fresh, .. }) = actions.first() else { break };
            prop_assert!(!was_sent || (idempotent && repeatable), "sent twice");
            let others = endpoints.saturating_sub(u16::try_from(tried.len()).expect("few"));
            prop_assert!(fresh || others == 0 || !tried.contains(&endpoint), "another one was free");
            if !tried.contains(&endpoint) {
                tried.push(endpoint);
            }
            sent += 1;
            // A connection that was just made cannot be stale.
            let failure = match failure {
                Failure::StaleConnection if fresh => Failure::ConnectRefused,
                Failure::KeptConnectionBroke if fresh => Failure::Broken,
                failure => failure,
            };
            was_sent |= failure.may_have_been_sent();
            actions = world.step(Event::Failed { attempt, failure });
        }
        prop_assert!(sent <= 2 * usize::from(RetryPolicy::MAX + 1));
        if let Some(&Action::WakeAt(time)) = actions.first() {
            world.now = time;
            actions = world.step(Event::Woke);
        }
        if let Some(&Action::Send { attempt, .. }) = actions.first() {
            actions = world.step(Event::Replied { attempt, status: 200 });
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
