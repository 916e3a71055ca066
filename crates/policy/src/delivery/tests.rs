use std::string::String;

use core::fmt::Write as _;
use core::time::Duration;
use expect_test::{Expect, expect};
use proptest::collection::vec;
use proptest::sample::select;
use proptest::{prop_assert, proptest};

use super::{Action, Delivery, DeliveryPolicy, Event, Outcome, Reason};
use crate::budget::BudgetPolicy;
use crate::operation::{OperationPolicy, OperationRetry, Retried};
use crate::retry::Backoff;
use crate::rng::Rng;
use crate::time::Time;
use Outcome::{Drop, Failed, Final, LeftAlone, NotFound, Retry, Success, Unmatched, Unreachable};

/// Plays a script of answers on a virtual clock: every wait is slept through.
fn play(mut delivery: Delivery, answers: &[Outcome]) -> String {
    let (mut now, mut rng) = (Time::ZERO, Rng::new(1));
    let mut answers = answers.iter();
    let mut story = String::new();
    let mut event = Event::Offered;
    loop {
        let action = delivery.step(event, now, &mut rng);
        match action {
            Action::WakeAt(until) => writeln!(story, "wait {} ms", until.since(now).as_millis()),
            other => writeln!(story, "{other:?}"),
        }
        .expect("a string takes all text");
        event = match action {
            Action::Deliver { .. } => match answers.next() {
                Some(&outcome) => Event::Answered(outcome),
                None => return story,
            },
            Action::WakeAt(until) => {
                now = until;
                Event::Woke
            }
            Action::Done(_) | Action::DeadLetter(_) => return story,
        };
    }
}

fn check(has_dead_letter: bool, answers: &[Outcome], expected: &Expect) {
    let policy = DeliveryPolicy { attempts: 3, ..DeliveryPolicy::default() };
    expected.assert_eq(&play(Delivery::new(policy, has_dead_letter, Time::NEVER), answers));
}

#[test]
fn is_done_when_taken() {
    check(
        true,
        &[Success],
        &expect![[r"
        Deliver { attempt: 1 }
        Done(Consumed)
    "]],
    );
}

#[test]
fn tries_again_with_growing_waits_then_gives_up() {
    check(
        true,
        &[Failed, Retry, Failed],
        &expect![[r#"
            Deliver { attempt: 1 }
            wait 437 ms
            Deliver { attempt: 2 }
            wait 686 ms
            Deliver { attempt: 3 }
            DeadLetter(Exhausted)
        "#]],
    );
}

#[test]
fn an_answer_that_no_try_helps_ends_it_where_it_can_be_kept() {
    check(
        true,
        &[Final],
        &expect![[r#"
        Deliver { attempt: 1 }
        DeadLetter(Exhausted)
    "#]],
    );
    check(
        false,
        &[Final, Success],
        &expect![[r#"
        Deliver { attempt: 1 }
        wait 437 ms
        Deliver { attempt: 2 }
        Done(Consumed)
    "#]],
    );
}

#[test]
fn while_the_subscriber_is_left_alone_nothing_counts() {
    let pause = Duration::from_secs(5);
    check(
        true,
        &[Failed, LeftAlone(pause), LeftAlone(Duration::ZERO), Failed, Success],
        &expect![[r#"
        Deliver { attempt: 1 }
        wait 437 ms
        Deliver { attempt: 2 }
        wait 5000 ms
        Deliver { attempt: 2 }
        wait 50 ms
        Deliver { attempt: 2 }
        wait 686 ms
        Deliver { attempt: 3 }
        Done(Consumed)
    "#]],
    );
}

#[test]
fn a_policy_for_what_comes_in_is_the_deliverys() {
    let second = Duration::from_secs(1);
    let backoff = Backoff { initial: second, max: second };
    let after = Retried::default();
    let retry = OperationRetry { max: Some(2), backoff, after, budget: BudgetPolicy::default() };
    let own = DeliveryPolicy::default();
    let inbound = OperationPolicy { timeout: None, retry: Some(retry), breaker: None };
    assert_eq!(own.under(&inbound), DeliveryPolicy { attempts: 3, backoff, ..own });
    let inbound = OperationPolicy { timeout: Some(second), ..OperationPolicy::default() };
    assert_eq!(own.under(&inbound), DeliveryPolicy { timeout: second, ..own });
}

#[test]
fn without_a_dead_letter_topic_it_never_gives_up() {
    let story = play(Delivery::new(DeliveryPolicy::default(), false, Time::NEVER), &[Failed; 1_000]);
    assert_eq!(story.matches("Deliver").count(), 1_001);
}

#[test]
fn a_drop_and_a_missing_route_go_to_the_dead_letter_topic_if_there_is_one() {
    check(
        true,
        &[Drop],
        &expect![[r"
        Deliver { attempt: 1 }
        DeadLetter(Dropped)
    "]],
    );
    check(
        false,
        &[NotFound],
        &expect![[r"
        Deliver { attempt: 1 }
        Done(NotFound)
    "]],
    );
}

#[test]
fn a_try_that_reached_nobody_is_no_attempt() {
    let policy = DeliveryPolicy { attempts: 1, ..DeliveryPolicy::default() };
    let story =
        play(Delivery::new(policy, true, Time::NEVER), &[Unreachable, Unreachable, Unreachable, Success]);
    assert_eq!(story.matches("Deliver { attempt: 1 }").count(), 4);
    assert!(story.ends_with("Done(Consumed)\n"), "{story}");
}

#[test]
fn expires_while_it_waits() {
    let expires = Time::ZERO.after(Duration::from_secs(1));
    let story = play(Delivery::new(DeliveryPolicy::default(), true, expires), &[Failed; 10]);
    assert!(story.ends_with("DeadLetter(Expired)\n"), "{story}");
}

#[test]
fn a_route_that_is_missing_while_replicas_change_is_asked_for_again() {
    let changed = Time::ZERO.after(Duration::from_mins(1));
    let of = |after| Outcome::of_missing_route(changed, changed.after(after));
    assert_eq!(of(Duration::ZERO), Retry);
    assert_eq!(of(super::SETTLING.checked_sub(Duration::from_nanos(1)).unwrap()), Retry);
    assert_eq!(of(super::SETTLING), NotFound);
}

proptest! {
    #[test]
    fn ends_only_for_a_good_reason(
        answers in vec(select(&[Success, Retry, Drop, NotFound, Unmatched, Failed, Unreachable][..]), 0..30),
        has_dead_letter: bool,
    ) {
        let policy = DeliveryPolicy { attempts: 3, ..DeliveryPolicy::default() };
        let mut delivery = Delivery::new(policy, has_dead_letter, Time::NEVER);
        let mut rng = Rng::new(9);
        let mut failures = 0;
        let mut action = delivery.step(Event::Offered, Time::ZERO, &mut rng);
        for answer in answers {
            if let Action::WakeAt(_) = action {
                action = delivery.step(Event::Woke, Time::ZERO, &mut rng);
            }
            prop_assert!(matches!(action, Action::Deliver { .. }), "{:?}", action);
            failures += u32::from(matches!(answer, Retry | Failed));
            action = delivery.step(Event::Answered(answer), Time::ZERO, &mut rng);
            let reason = match action {
                Action::Done(reason) => reason,
                Action::DeadLetter(reason) => {
                    prop_assert!(has_dead_letter);
                    reason
                }
                Action::Deliver { .. } | Action::WakeAt(_) => continue,
            };
            let is_right = match reason {
                Reason::Consumed => answer == Success,
                Reason::Dropped => answer == Drop,
                Reason::NotFound => answer == NotFound,
                Reason::Unmatched => answer == Unmatched,
                Reason::Exhausted => has_dead_letter && failures == 3,
                Reason::Expired => false,
            };
            prop_assert!(is_right, "{:?} after {:?}", reason, answer);
            return Ok(());
        }
    }
}
