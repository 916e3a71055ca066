use super::*;
use crate::breaker::{Condition, Trip};
use proptest::collection::vec;
use proptest::{prop_assert, proptest};
use std::vec::Vec;

const BROKEN: Event = Event::Failed(Failed { answer: Answer::None, repeatable: true });
const SECOND: Duration = Duration::from_secs(1);

fn http(status: u16) -> Event {
    Event::Failed(Failed { answer: Answer::Http(status), repeatable: true })
}

fn retry(max: Option<u32>) -> OperationRetry {
    OperationRetry {
        max,
        backoff: Backoff { initial: SECOND, max: SECOND },
        after: Retried::default(),
        budget: BudgetPolicy { percent: 100, per_second: 1_000 },
    }
}

fn breaker(condition: &str) -> BreakerPolicy {
    let condition = Condition::parse(condition).expect("a condition");
    BreakerPolicy { trip: Trip::Counts { condition, every: None }, open: Duration::from_secs(5), tries: 1 }
}

/// A target, and the time that passes as its operations wait.
struct World {
    target: Target,
    rng: Rng,
    now: Time,
}

impl World {
    fn new(policy: OperationPolicy) -> Self {
        Self { target: Target::new(policy, 1), rng: Rng::new(1), now: Time::ZERO }
    }

    /// Lives an operation whose tries come to these; the tries made, and what it ended with.
    fn live(&mut self, ends: impl IntoIterator<Item = Event>) -> (usize, Action) {
        let (mut operation, mut tries) = (Operation::default(), 0);
        let mut ends = ends.into_iter();
        let mut event = Event::Asked;
        loop {
            match operation.step(event, self.now, &mut self.rng, &mut self.target) {
                Action::Try { .. } => {
                    tries += 1;
                    event = ends.next().expect("an end of each try");
                }
                Action::WakeAt(time) => {
                    assert!(time > self.now, "a wait");
                    self.now = time;
                    event = Event::Woke;
                }
                over => return (tries, over),
            }
        }
    }
}

#[test]
fn without_a_policy_there_is_one_try_without_a_bound() {
    let mut world = World::new(OperationPolicy::default());
    let mut operation = Operation::default();
    let action = operation.step(Event::Asked, world.now, &mut world.rng, &mut world.target);
    assert_eq!(action, Action::Try { until: Time::NEVER });
    assert_eq!(world.live([BROKEN]), (1, Action::Done));
}

#[test]
fn each_try_has_the_timeout_and_each_retry_its_wait() {
    let policy = OperationPolicy { timeout: Some(SECOND), retry: Some(retry(Some(2))), breaker: None };
    let mut world = World::new(policy);
    let mut operation = Operation::default();
    let mut step = |event, now: u64| {
        let now = Time::from_nanos(now * 1_000_000_000);
        operation.step(event, now, &mut world.rng, &mut world.target)
    };
    let at = |seconds: u64| Time::from_nanos(seconds * 1_000_000_000);
    assert_eq!(step(Event::Asked, 10), Action::Try { until: at(11) });
    assert_eq!(step(BROKEN, 11), Action::WakeAt(at(12)));
    assert_eq!(step(Event::Woke, 12), Action::Try { until: at(13) });
    assert_eq!(step(BROKEN, 12), Action::WakeAt(at(13)));
    assert_eq!(step(Event::Woke, 13), Action::Try { until: at(14) });
    assert_eq!(step(BROKEN, 14), Action::Done, "two retries, no more");
}

#[test]
fn only_failures_that_match_are_tried_again() {
    let after = Retried { http: Codes::parse("429,500-503", 100, 599).ok(), ..Retried::default() };
    let policy = OperationPolicy {
        retry: Some(OperationRetry { after, ..retry(Some(3)) }),
        ..OperationPolicy::default()
    };
    let mut world = World::new(policy);
    assert_eq!(world.live([http(503), http(429), Event::Succeeded]), (3, Action::Done));
    assert_eq!(world.live([http(404)]), (1, Action::Done));
    assert_eq!(world.live([BROKEN, http(504)]), (2, Action::Done), "no answer is no status");
    let grpc = Event::Failed(Failed { answer: Answer::Grpc(5), repeatable: true });
    assert_eq!(world.live([grpc, Event::Succeeded]), (2, Action::Done), "nothing is said of gRPC");
}

#[test]
fn what_reached_its_target_is_not_tried_again_where_only_the_way_is_mended() {
    let after = Retried { only_unreached: true, ..Retried::default() };
    let policy = OperationPolicy {
        retry: Some(OperationRetry { after, ..retry(Some(3)) }),
        ..OperationPolicy::default()
    };
    let mut world = World::new(policy);
    let unreached = Event::Failed(Failed { answer: Answer::Unreached, repeatable: true });
    assert_eq!(world.live([unreached, unreached, BROKEN]), (3, Action::Done));
    assert_eq!(world.live([http(503)]), (1, Action::Done));
}

#[test]
fn what_cannot_be_asked_again_is_not() {
    let mut world = World::new(OperationPolicy { retry: Some(retry(None)), ..OperationPolicy::default() });
    let spent = Event::Failed(Failed { answer: Answer::None, repeatable: false });
    assert_eq!(world.live([spent]), (1, Action::Done));
}

#[test]
fn tries_as_often_as_it_takes() {
    let mut world = World::new(OperationPolicy { retry: Some(retry(None)), ..OperationPolicy::default() });
    let ends = std::iter::repeat_n(BROKEN, 500).chain([Event::Succeeded]);
    assert_eq!(world.live(ends), (501, Action::Done));
}

#[test]
fn an_open_breaker_refuses_and_ends_retries() {
    let policy = OperationPolicy {
        retry: Some(retry(Some(10))),
        breaker: Some(breaker("consecutiveFailures >= 3")),
        timeout: None,
    };
    let mut world = World::new(policy);
    let (tries, ended) = world.live([BROKEN; 3]);
    assert_eq!((tries, ended), (3, Action::Done), "the third opens it: what failed is the answer");
    let opened = world.now;
    assert_eq!(world.live([]), (0, Action::Refuse { until: opened.after(Duration::from_secs(5)) }));
    world.now = opened.after(Duration::from_secs(5));
    assert_eq!(world.live([BROKEN]), (1, Action::Done), "half open, a failure opens it again");
    assert!(world.target.is_open(world.now));
    world.now = world.now.after(Duration::from_secs(5));
    assert_eq!(world.live([Event::Succeeded]), (1, Action::Done));
    assert_eq!(world.live([BROKEN, Event::Succeeded]), (2, Action::Done), "closed again");
}

#[test]
fn a_half_open_breaker_lets_others_in_when_a_try_is_given_up() {
    let mut world = World::new(OperationPolicy {
        breaker: Some(breaker("totalFailures > 0")),
        ..OperationPolicy::default()
    });
    world.live([BROKEN]);
    world.now = world.now.after(Duration::from_secs(5));
    let mut first = Operation::default();
    let action = first.step(Event::Asked, world.now, &mut world.rng, &mut world.target);
    assert!(matches!(action, Action::Try { .. }));
    assert!(matches!(world.live([]), (0, Action::Refuse { .. })), "one at a time");
    world.target.abandon();
    assert_eq!(world.live([Event::Succeeded]), (1, Action::Done));
}

proptest! {
    /// However much fails, tries are at most the requests, what the budget adds to them, and what it had saved.
    #[test]
    fn the_budget_bounds_what_retries_add(
        percent in 0_u8..=100,
        per_second in 0_u32..20,
        arrivals in vec(0_u64..50, 1..400),
    ) {
        let budget = BudgetPolicy { percent, per_second };
        let backoff = Backoff { initial: Duration::from_millis(1), max: Duration::from_millis(1) };
        let retry = OperationRetry { backoff, budget, ..retry(Some(5)) };
        let mut world = World::new(OperationPolicy { retry: Some(retry), ..OperationPolicy::default() });
        let (mut tries, asked) = (0, arrivals.len());
        for pause in arrivals {
            world.now = world.now.after(Duration::from_millis(pause));
            tries += world.live([BROKEN; 6]).0;
        }
        let quiet = f64::from(per_second) * (10.0 + world.now.since(Time::ZERO).as_secs_f64());
        let most = asked as f64 * (1.0 + f64::from(percent) / 100.0) + quiet + 1.0;
        prop_assert!(tries as f64 <= most, "{tries} tries of {asked}, at most {most}");
    }

    /// Whatever its tries come to, an operation ends, and no more is tried than it says.
    #[test]
    fn every_operation_ends(max in 0_u32..5, ends in vec(0_u8..4, 6)) {
        let mut world = World::new(OperationPolicy {
            timeout: Some(SECOND),
            retry: Some(retry(Some(max))),
            breaker: Some(breaker("consecutiveFailures > 2")),
        });
        let end = |end: &u8| match end {
            0 => Event::Succeeded,
            1 => BROKEN,
            2 => http(500),
            _ => Event::Failed(Failed { answer: Answer::Unreached, repeatable: false }),
        };
        let ends: Vec<Event> = ends.iter().map(end).collect();
        prop_assert!(world.live(ends).0 <= usize::try_from(max).unwrap() + 1);
    }
}
