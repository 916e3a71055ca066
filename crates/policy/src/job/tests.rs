use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::calendar::Utc;

const CREATED: Moment = Moment(1_700_000_000_000);

fn plan(times: JobTimes<'_>, failure: FailurePolicy) -> JobPlan {
    JobPlan::read(times, failure, CREATED).expect("a plan")
}

/// The moment so many milliseconds after the job was made.
fn at(millis: i64) -> Moment {
    Moment(CREATED.0 + millis)
}

/// Follows a job whose every try takes no time: when it was tried, as milliseconds, at most `most` times.
fn tries(plan: &JobPlan, most: usize, outcome: impl Fn(usize) -> Outcome) -> Vec<i64> {
    let (mut run, mut tries) = (plan.first(&Utc), Vec::new());
    while let Some(now) = run.filter(|_| tries.len() < most) {
        let outcome = outcome(tries.len());
        tries.push(now.at.0 - CREATED.0);
        run = match plan.after(now, outcome, now.at, now.at, &Utc) {
            Next::Again(run) => Some(run),
            Next::Over => None,
        };
    }
    tries
}

#[test]
fn a_job_without_a_schedule_runs_once() {
    let plan = plan(JobTimes { due: Some("2s"), ..JobTimes::default() }, FailurePolicy::Drop);
    assert_eq!(tries(&plan, 9, |_| Outcome::Done), [2000]);
}

#[test]
fn a_time_before_the_schedule_is_the_first_run() {
    let times = JobTimes { schedule: Some("@every 10s"), due: Some("1s"), ..JobTimes::default() };
    assert_eq!(tries(&plan(times, FailurePolicy::Drop), 3, |_| Outcome::Done), [1000, 11_000, 21_000]);
    let times = JobTimes { due: None, ..times };
    assert_eq!(tries(&plan(times, FailurePolicy::Drop), 2, |_| Outcome::Done), [10_000, 20_000]);
}

#[test]
fn ends_after_its_runs_or_its_time() {
    let times = JobTimes { schedule: Some("@every 10s"), repeats: Some(3), ..JobTimes::default() };
    assert_eq!(tries(&plan(times, FailurePolicy::Drop), 9, |_| Outcome::Done), [10_000, 20_000, 30_000]);
    let times = JobTimes { schedule: Some("@every 10s"), ttl: Some("25s"), ..JobTimes::default() };
    assert_eq!(tries(&plan(times, FailurePolicy::Drop), 9, |_| Outcome::Done), [10_000, 20_000]);
    let times = JobTimes { ttl: Some("5s"), ..times };
    assert_eq!(plan(times, FailurePolicy::Drop).first(&Utc), None);
    // Counted from the first run, where that is said.
    let times = JobTimes { due: Some("20s"), ttl: Some("15s"), ..times };
    assert_eq!(tries(&plan(times, FailurePolicy::Drop), 9, |_| Outcome::Done), [20_000, 30_000]);
}

#[test]
fn a_failed_run_is_tried_again_by_its_policy() {
    let times = JobTimes { schedule: Some("@every 1m"), repeats: Some(2), ..JobTimes::default() };
    let by_default = plan(times, FailurePolicy::default());
    let expected = [60_000, 61_000, 62_000, 63_000, 120_000, 121_000, 122_000, 123_000];
    assert_eq!(tries(&by_default, 99, |_| Outcome::Failed), expected);
    assert_eq!(tries(&plan(times, FailurePolicy::Drop), 99, |_| Outcome::Failed), [60_000, 120_000]);
    let endless = FailurePolicy::Constant { interval: Duration::from_secs(5), retries_max: None };
    let expected = [60_000, 65_000, 70_000, 75_000];
    assert_eq!(tries(&plan(times, endless), 4, |_| Outcome::Failed), expected);
    let second_succeeds = |number| if number == 1 { Outcome::Done } else { Outcome::Failed };
    assert_eq!(tries(&by_default, 3, second_succeeds), [60_000, 61_000, 120_000]);
}

#[test]
fn an_app_without_the_job_is_not_asked_again() {
    let times = JobTimes { due: Some("0s"), ..JobTimes::default() };
    assert_eq!(tries(&plan(times, FailurePolicy::default()), 9, |_| Outcome::NotFound), [0]);
}

#[test]
fn what_was_missed_is_caught_up_once() {
    let plan = plan(JobTimes { schedule: Some("@every 10s"), ..JobTimes::default() }, FailurePolicy::Drop);
    let first = plan.first(&Utc).expect("a run");
    // The node was down for an hour.
    let began = at(3_605_000);
    let Next::Again(run) = plan.after(first, Outcome::Done, began, began, &Utc) else { panic!("it goes on") };
    assert_eq!((run.at, run.runs), (at(3_610_000), 1));
    // What comes due while a run is under way is another one, at once.
    let Next::Again(next) = plan.after(run, Outcome::Done, run.at, at(3_640_000), &Utc) else {
        panic!("it goes on")
    };
    assert_eq!(next.at, at(3_620_000));
}

#[test]
fn refuses_what_makes_no_sense() {
    let read = |times| JobPlan::read(times, FailurePolicy::Drop, CREATED).map(drop);
    let none = JobTimes::default();
    assert_eq!(read(none), Err(PlanError::NoTime));
    assert_eq!(read(JobTimes { due: Some("1s"), repeats: Some(2), ..none }), Err(PlanError::RepeatsOnce));
    assert_eq!(read(JobTimes { due: Some("1s"), ttl: Some("2s"), ..none }), Err(PlanError::TtlOfOne));
    let daily = JobTimes { schedule: Some("@daily"), ..none };
    assert_eq!(read(JobTimes { repeats: Some(0), ..daily }), Err(PlanError::NoRepeats));
    assert_eq!(read(JobTimes { due: Some("1s"), ttl: Some("-1s"), ..daily }), Err(PlanError::EndsBefore));
    assert_eq!(read(JobTimes { due: Some("x"), ..daily }), Err(PlanError::Due(PointError)));
    assert_eq!(read(JobTimes { ttl: Some("x"), ..daily }), Err(PlanError::Ttl(PointError)));
    assert!(matches!(read(JobTimes { schedule: Some("x"), ..none }), Err(PlanError::Schedule(_))));
    assert_eq!(read(JobTimes { due: Some("1s"), repeats: Some(1), ..none }), Ok(()));
}

proptest! {
    #[test]
    fn keeps_its_promises_on_a_virtual_clock(
        every in 1_u64..50_000,
        repeats in prop::option::of(1_u32..8),
        ttl in prop::option::of(1_u64..300_000),
        interval in 0_u64..5000,
        retries_max in 0_u32..4,
        steps in prop::collection::vec((0_i64..200_000, 0_i64..3000, 0..3_u8), 1..40),
    ) {
        let (schedule, ttl_text) = (std::format!("@every {every}ms"), ttl.map(|ttl| std::format!("{ttl}ms")));
        let times = JobTimes { schedule: Some(&schedule), repeats, ttl: ttl_text.as_deref(), due: None };
        let failure = FailurePolicy::Constant {
            interval: Duration::from_millis(interval),
            retries_max: Some(retries_max),
        };
        let plan = plan(times, failure);
        let Some(mut run) = plan.first(&Utc) else {
            prop_assert!(ttl.is_some_and(|ttl| ttl < every));
            return Ok(());
        };
        let (mut now, mut over, mut dues) = (CREATED, 0, vec![run.due]);
        for (late, took, outcome) in steps {
            // The node sees to it late, by as much as it was down.
            let began = now.max(run.at).after(Duration::from_millis(late.unsigned_abs()));
            now = began.after(Duration::from_millis(took.unsigned_abs()));
            let outcome = [Outcome::Done, Outcome::NotFound, Outcome::Failed][usize::from(outcome)];
            let next = plan.after(run, outcome, began, now, &Utc);
            let Next::Again(next) = next else {
                let ends = ttl.is_some_and(|ttl| now.since(CREATED) + Duration::from_millis(every)
                    > Duration::from_millis(ttl));
                prop_assert!(ends || repeats == Some(over + 1));
                return Ok(());
            };
            prop_assert!(next.at >= next.due);
            prop_assert!(next.failures <= retries_max);
            if next.failures == 0 {
                over += 1;
                prop_assert!(next.due > run.due && next.due > began, "one run for all that was missed");
                prop_assert!(next.due <= began.after(Duration::from_millis(every)), "none is left out");
                prop_assert_eq!((next.due.0 - CREATED.0) % i64::try_from(every).unwrap(), 0, "on its beat");
                dues.push(next.due);
            } else {
                prop_assert_eq!((next.due, next.runs), (run.due, run.runs));
                prop_assert_eq!(outcome, Outcome::Failed);
            }
            prop_assert_eq!(next.runs, over);
            prop_assert!(repeats.is_none_or(|most| next.runs < most));
            prop_assert!(ttl.is_none_or(|ttl| next.due.since(CREATED) <= Duration::from_millis(ttl)));
            run = next;
        }
    }
}
