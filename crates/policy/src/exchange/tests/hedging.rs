//! A second try beside one that is late.

use super::*;
use crate::hedge::{HedgePolicy, Late};
use crate::snapshot::HedgeId;

const ALWAYS: HedgePolicy = HedgePolicy { after: Late::After(Duration::from_millis(50)), share: 1_000_000 };

fn hedged(facts: Facts, endpoints: u16, policy: HedgePolicy) -> World {
    hedging(facts, endpoints, policy, CallPolicy { hedge: Some(HedgeId(0)), ..CALL })
}

fn hedging(facts: Facts, endpoints: u16, policy: HedgePolicy, call: CallPolicy) -> World {
    let mut world = World::with(facts, endpoints, call, GuardPolicy::default());
    let mut snapshot = snapshot(Balance::RoundRobin);
    snapshot.hedges = std::vec![policy];
    let members = world.cluster.endpoints(ServiceId(0)).iter().map(|endpoint| endpoint.member.clone());
    let members = Membership { services: std::vec![members.collect()] };
    world.cluster = Cluster::new(&snapshot, 1, &mut Rng::new(5));
    world.cluster.apply(&members, Time::ZERO);
    world
}

#[test]
fn the_first_answer_of_two_wins() {
    let script = [
        (0, Event::Arrived),
        (20, Event::Woke),
        (50, Event::Woke),
        (55, replied(1)),
        (56, replied(0)),
        (57, Event::Finished),
    ];
    play(
        &mut hedged(GET, 3, ALWAYS),
        &script,
        &expect![[r#"
            0 Arrived -> send 0 to 2 by t+500ms, wake at t+50ms
            20 Woke -> wake at t+50ms
            50 Woke -> send 1 to 0 by t+550ms, wake at t+2s
            55 1 replied 200 -> cancel 0, relay 1
            56 0 replied 200 -> 
            57 Finished -> 
        "#]],
    );
}

#[test]
fn a_try_that_fails_leaves_it_to_the_other() {
    let replied = |attempt, status| Event::Replied { attempt: AttemptId(attempt), status };
    let script = [(0, Event::Arrived), (50, Event::Woke), (55, replied(1, 500)), (60, replied(0, 200))];
    play(
        &mut hedged(GET, 3, ALWAYS),
        &script,
        &expect![[r#"
            0 Arrived -> send 0 to 2 by t+500ms, wake at t+50ms
            50 Woke -> send 1 to 0 by t+550ms, wake at t+2s
            55 1 replied 500 -> cancel 1, wake at t+2s
            60 0 replied 200 -> relay 0
        "#]],
    );
    let script = [
        (0, Event::Arrived),
        (50, Event::Woke),
        (55, failed(0, Failure::Broken)),
        (60, failed(1, Failure::Broken)),
    ];
    play(
        &mut hedged(GET, 3, ALWAYS),
        &script,
        &expect![[r#"
            0 Arrived -> send 0 to 2 by t+500ms, wake at t+50ms
            50 Woke -> send 1 to 0 by t+550ms, wake at t+2s
            55 0 failed Broken -> wake at t+2s
            60 1 failed Broken -> send 2 to 1 by t+560ms, wake at t+2s
        "#]],
    );
}

#[test]
fn both_end_with_the_time_and_with_the_client() {
    let script = [(0, Event::Arrived), (50, Event::Woke), (2_000, Event::Woke)];
    let mut world = hedged(GET, 3, ALWAYS);
    play(
        &mut world,
        &script,
        &expect![[r#"
            0 Arrived -> send 0 to 2 by t+500ms, wake at t+50ms
            50 Woke -> send 1 to 0 by t+550ms, wake at t+2s
            2000 Woke -> cancel 1, cancel 0, answer 504 TimedOut
        "#]],
    );
    assert_eq!(world.in_flight(), 0);
    let mut world = hedged(GET, 3, ALWAYS);
    play(
        &mut world,
        &[(0, Event::Arrived), (50, Event::Woke), (60, Event::Abandoned)],
        &expect![[r#"
            0 Arrived -> send 0 to 2 by t+500ms, wake at t+50ms
            50 Woke -> send 1 to 0 by t+550ms, wake at t+2s
            60 Abandoned -> cancel 1, cancel 0
        "#]],
    );
    assert_eq!(world.in_flight(), 0);
}

#[test]
fn what_may_not_happen_twice_has_no_second_try_nor_has_an_only_endpoint() {
    let script = [(0, Event::Arrived), (50, Event::Woke)];
    play(
        &mut hedged(POST, 3, ALWAYS),
        &script,
        &expect![[r#"
            0 Arrived -> send 0 to 2 by t+500ms, wake at t+2s
            50 Woke -> wake at t+2s
        "#]],
    );
    play(
        &mut hedged(GET, 1, ALWAYS),
        &script,
        &expect![[r#"
            0 Arrived -> send 0 to 0 by t+500ms, wake at t+50ms
            50 Woke -> wake at t+2s
        "#]],
    );
}

#[test]
fn learns_when_a_try_is_late() {
    let policy = HedgePolicy { after: Late::P95, share: 1_000_000 };
    let mut world = hedged(GET, 3, policy);
    let call = CallPolicy { hedge: Some(HedgeId(0)), ..CALL };
    for _ in 0..100 {
        world.exchange = Exchange::new(call, GET);
        world.step(Event::Arrived);
        world.now = world.now.after(Duration::from_millis(10));
        world.step(replied(0));
        world.step(Event::Finished);
    }
    world.exchange = Exchange::new(call, GET);
    let Some(&Action::WakeAt(late)) = world.step(Event::Arrived).last() else { panic!("it waits") };
    let late = late.since(world.now);
    assert!(late >= Duration::from_millis(10) && late < Duration::from_micros(11_250), "{late:?}");
}

proptest! {
    /// Whatever comes of tries in whatever order: never more than two at once and never two at one endpoint,
    /// no second try without pay, one outcome, and nothing stays in flight.
    #[test]
    fn every_hedged_life_ends_well(
        events in vec((0_u8..10, 0_usize..2, 0_u64..200), 1..40),
        endpoints in 0_u16..5,
        idempotent: bool,
        share in select(&[0_u32, 1_000_000][..]),
        try_timeout in select(std::vec![None, Some(Duration::from_millis(120))]),
    ) {
        let facts = Facts { key: 3, session: Session::None, idempotent, repeatable: true, class: Class::NORMAL, gives_up: Time::NEVER };
        let retry = RetryPolicy { statuses: Statuses::NONE.with(503).expect("one"), try_timeout, ..CALL.retry };
        let call = CallPolicy { hedge: Some(HedgeId(0)), retry, ..CALL };
        let mut world = hedging(facts, endpoints, HedgePolicy { share, ..ALWAYS }, call);
        let mut running: Vec<(AttemptId, EndpointId)> = Vec::new();
        let (mut outcomes, mut relayed, mut beside) = (0, false, 0);
        let mut event = Event::Arrived;
        let mut next = events.into_iter();
        loop {
            for action in world.step(event) {
                match action {
                    Action::Send { attempt, endpoint, .. } => {
                        prop_assert!(running.iter().all(|(_, at)| *at != endpoint), "twice at one endpoint");
                        beside += usize::from(!running.is_empty());
                        running.push((attempt, endpoint));
                    }
                    Action::Cancel(attempt) => running.retain(|(id, _)| *id != attempt),
                    Action::Relay(attempt) => {
                        prop_assert!(running.len() == 1 && running[0].0 == attempt, "{:?}", running);
                        (outcomes, relayed) = (outcomes + 1, true);
                    }
                    Action::Answer(_) => {
                        prop_assert!(running.is_empty());
                        outcomes += 1;
                    }
                    Action::WakeAt(_) | Action::Queue(_) => {}
                }
            }
            prop_assert!(running.len() <= 2);
            prop_assert_eq!(world.in_flight(), u32::try_from(running.len()).expect("few"));
            prop_assert!(beside == 0 || (idempotent && share > 0));
            if world.exchange.is_over() {
                break;
            }
            let Some((kind, which, pause)) = next.next() else {
                world.step(Event::Abandoned);
                break;
            };
            world.now = world.now.after(Duration::from_millis(pause));
            event = match (kind, running.get(which).copied()) {
                _ if relayed => Event::Finished,
                (0..6, _) | (_, None) => Event::Woke,
                (6..8, Some((attempt, _))) => {
                    running.remove(which);
                    Event::Failed { attempt, failure: FAILURES[usize::try_from(pause).expect("few") % FAILURES.len()] }
                }
                (_, Some((attempt, _))) => {
                    Event::Replied { attempt, status: if kind == 8 { 503 } else { 200 } }
                }
            };
            if event == Event::Finished {
                running.clear();
            }
        }
        prop_assert!(outcomes <= 1);
        prop_assert_eq!(world.in_flight(), 0);
    }
}
