//! Calls that fail, callees that are left alone, and what retries may add.
#![expect(clippy::disallowed_methods, reason = "what takes too long is measured")]

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use floodway_kit::{Reply, Upstream, eventually_blocking};
use floodway_policy::breaker::{BreakerPolicy, Condition, Trip};
use floodway_policy::budget::BudgetPolicy;
use floodway_policy::operation::{Codes, OperationPolicy, OperationRetry, Retried};
use floodway_policy::retry::Backoff;
use floodway_policy::snapshot::{TargetName, TargetPolicy};

use crate::deliveries::{app, publish, wait_for};
use crate::grpc::{call, talk};
use crate::support::{Api, PATIENCE, api_guarded, error_of};

const WAIT: Duration = Duration::from_millis(10);

fn retry(max: u32) -> OperationRetry {
    OperationRetry {
        max: Some(max),
        backoff: Backoff { initial: WAIT, max: WAIT },
        after: Retried::default(),
        budget: BudgetPolicy { percent: 20, per_second: 10 },
    }
}

fn retrying(max: u32) -> OperationPolicy {
    OperationPolicy { retry: Some(retry(max)), ..OperationPolicy::default() }
}

/// An API whose app calls `other` by this policy.
fn api(app: &Upstream, policy: OperationPolicy) -> Api {
    let target = TargetName::Service("other".to_owned());
    api_guarded(&[("other", app.address())], vec![TargetPolicy { target, services: Vec::new(), policy }])
}

/// The bodies of the calls that an app has seen.
fn bodies(app: &Upstream) -> Vec<String> {
    let seen = app.seen().into_iter().filter(|seen| seen.head.uri.path() == "/x");
    seen.map(|seen| String::from_utf8_lossy(&seen.body).into_owned()).collect()
}

/// An app that fails the first calls with this status, and answers the others.
fn failing(times: usize, status: u16) -> Upstream {
    let calls = AtomicUsize::new(0);
    Upstream::start(move |seen| match seen.head.uri.path() {
        "/x" if calls.fetch_add(1, Ordering::Relaxed) < times => Reply::now(status, "no"),
        "/x" => Reply::now(200, "yes"),
        _ => Reply::now(404, ""),
    })
}

#[test]
fn a_callee_that_fails_is_asked_again_with_the_whole_body() {
    let app = failing(2, 503);
    let api = api(&app, retrying(3));
    let answer = api.send("POST", "/v1.0/invoke/other/method/x", "the order");
    assert_eq!((answer.status, answer.text().as_str()), (200, "yes"));
    assert_eq!(bodies(&app), ["the order"; 3]);
}

#[test]
fn a_call_by_grpc_is_asked_again_too() {
    let app = failing(2, 503);
    let api = api(&app, retrying(3));
    talk(&api, |mut client| async move {
        let answer = client.invoke_service(call("other", "x", "the order")).await.expect("an answer");
        assert_eq!(answer.into_inner().data.expect("a body").value, b"yes");
    });
    assert_eq!(bodies(&app), ["the order"; 3]);
}

#[test]
fn after_the_last_try_its_answer_passes() {
    let app = failing(9, 500);
    let api = api(&app, retrying(1));
    let answer = api.get("/v1.0/invoke/other/method/x");
    assert_eq!((answer.status, answer.text().as_str()), (500, "no"));
    assert_eq!(bodies(&app).len(), 2);
}

#[test]
fn a_status_that_does_not_match_is_not_asked_again() {
    let app = failing(9, 404);
    let after = Retried { http: Codes::parse("500-599", 100, 599).ok(), ..Retried::default() };
    let policy =
        OperationPolicy { retry: Some(OperationRetry { after, ..retry(3) }), ..OperationPolicy::default() };
    let api = api(&app, policy);
    assert_eq!(api.get("/v1.0/invoke/other/method/x").status, 404);
    assert_eq!(bodies(&app).len(), 1);
}

#[test]
fn a_callee_without_an_answer_is_given_up_in_time() {
    let app = Upstream::start(|seen| match seen.head.uri.path() {
        "/x" => Reply::Answer { status: 200, body: "late".into(), after: PATIENCE * 6 },
        _ => Reply::now(404, ""),
    });
    let policy = OperationPolicy { timeout: Some(Duration::from_millis(50)), ..retrying(1) };
    let api = api(&app, policy);
    let began = Instant::now();
    let answer = api.send("POST", "/v1.0/invoke/other/method/x", "once more");
    assert_eq!(error_of(&answer), (500, "ERR_DIRECT_INVOKE".to_owned()));
    assert!(answer.text().contains("did not answer within 50ms"), "{}", answer.text());
    assert!(began.elapsed() >= Duration::from_millis(100), "two tries of 50 ms");
    assert!(began.elapsed() < PATIENCE * 6, "nobody waited for the answer");
}

#[test]
fn a_breaker_opens_and_tries_again_after_a_while() {
    let is_well = Arc::new(AtomicBool::new(false));
    let app = Upstream::start({
        let is_well = Arc::clone(&is_well);
        move |seen| match seen.head.uri.path() {
            "/x" if is_well.load(Ordering::Relaxed) => Reply::now(200, "yes"),
            "/x" => Reply::now(500, "no"),
            _ => Reply::now(404, ""),
        }
    });
    let condition = Condition::parse("consecutiveFailures > 2").expect("a condition");
    let open = Duration::from_secs(2);
    let breaker = BreakerPolicy { trip: Trip::Counts { condition, every: None }, open, tries: 1 };
    let policy = OperationPolicy { breaker: Some(breaker), ..OperationPolicy::default() };
    let api = api(&app, policy);
    let ask = || api.get("/v1.0/invoke/other/method/x");
    let statuses: Vec<u16> = (0..3).map(|_| ask().status).collect();
    let opened = Instant::now();
    assert_eq!(statuses, [500; 3]);
    let refused = ask();
    // A machine that stood still for as long as it is open says nothing.
    if opened.elapsed() < open {
        assert_eq!(error_of(&refused), (503, "ERR_DIRECT_INVOKE".to_owned()));
        assert!(refused.header("retry-after").is_some() && refused.text().contains("left alone"));
        assert_eq!(bodies(&app).len(), 3, "nothing was sent");
    }
    is_well.store(true, Ordering::Relaxed);
    eventually_blocking(PATIENCE, "it is asked again", || ask().status == 200);
    assert_eq!(ask().status, 200, "closed");
}

#[test]
fn retries_add_no_more_than_their_budget() {
    let app = failing(usize::MAX, 503);
    let budget = BudgetPolicy { percent: 20, per_second: 0 };
    let policy = OperationPolicy {
        retry: Some(OperationRetry { max: None, budget, ..retry(0) }),
        ..OperationPolicy::default()
    };
    let api = api(&app, policy);
    for _ in 0..50 {
        assert_eq!(api.get("/v1.0/invoke/other/method/x").status, 503);
    }
    let tries = bodies(&app).len();
    assert!((50..=61).contains(&tries), "a fifth more at most, and one that was saved: {tries}");
}

#[test]
fn a_component_is_asked_by_its_policy() {
    let app = Upstream::always(503, "down");
    let policy = OperationPolicy {
        retry: Some(OperationRetry { budget: BudgetPolicy::default(), ..retry(2) }),
        ..OperationPolicy::default()
    };
    let target = TargetName::Outbound("bindings", "mail".to_owned());
    let others = vec!["another".to_owned()];
    let none = TargetPolicy { target: target.clone(), services: others, policy: retrying(9) };
    let own = TargetPolicy { target, services: vec!["me".to_owned()], policy };
    let api = crate::support::api_bound_by(&format!("http://{}", app.address()), vec![none, own]);
    let answer = api.send("POST", "/v1.0/bindings/mail", r#"{"operation":"create","data":"x"}"#);
    assert_eq!(error_of(&answer), (500, "ERR_INVOKE_OUTPUT_BINDING".to_owned()));
    assert_eq!(app.seen().len(), 3);
}

/// An API that delivers `events` to `other` by this policy.
fn inbound(app: &Upstream, policy: OperationPolicy) -> Api {
    let target = TargetName::Inbound("topics", "events".to_owned());
    api_guarded(&[("other", app.address())], vec![TargetPolicy { target, services: Vec::new(), policy }])
}

#[test]
fn an_app_that_fails_is_left_alone_with_messages() {
    let calls = AtomicUsize::new(0);
    let times = Arc::new(Mutex::new(Vec::new()));
    let subscriber = app(&["a"], {
        let times = Arc::clone(&times);
        move |seen| {
            if seen.head.uri.path() == "/a" {
                times.lock().unwrap().push(Instant::now());
            }
            Reply::now(if calls.fetch_add(1, Ordering::Relaxed) == 0 { 500 } else { 200 }, "")
        }
    });
    let condition = Condition::parse("totalFailures > 0").expect("a condition");
    let open = Duration::from_millis(400);
    let breaker = BreakerPolicy { trip: Trip::Counts { condition, every: None }, open, tries: 1 };
    let api = inbound(&subscriber, OperationPolicy { breaker: Some(breaker), ..retrying(5) });
    publish(&api, "a", "1");
    let seen = wait_for(&subscriber, "/a", 2);
    assert_eq!(seen[1].header("dapr-delivery-attempt"), Some("2"), "only what was sent counts");
    let times = times.lock().unwrap();
    // The breaker opens once the answer is there, which is after the request was.
    assert!(times[1].duration_since(times[0]) >= open, "nothing came while it was left alone");
}

#[test]
fn a_message_is_tried_as_often_as_the_policy_says_and_where_it_matches() {
    let subscriber = app(&["a", "dead"], |seen| match seen.head.uri.path() {
        "/a" if seen.body.windows(5).any(|window| window == b"never") => Reply::now(422, ""),
        "/a" => Reply::now(503, ""),
        _ => Reply::now(200, ""),
    });
    let after = Retried { http: Codes::parse("500-599", 100, 599).ok(), ..Retried::default() };
    let retry = OperationRetry { after, ..retry(1) };
    let api = inbound(&subscriber, OperationPolicy { retry: Some(retry), ..OperationPolicy::default() });
    publish(&api, "a", r#""never""#);
    wait_for(&subscriber, "/dead", 1);
    assert_eq!(wait_for(&subscriber, "/a", 1).len(), 1, "no try helps");
    publish(&api, "a", r#""twice""#);
    wait_for(&subscriber, "/dead", 2);
    assert_eq!(wait_for(&subscriber, "/a", 3).len(), 3, "one try and one more");
}

#[test]
fn an_app_that_fails_is_left_alone_with_runs_of_jobs() {
    let calls = AtomicUsize::new(0);
    let times = Arc::new(Mutex::new(Vec::new()));
    let subscriber = app(&[], {
        let times = Arc::clone(&times);
        move |seen| {
            if seen.head.uri.path() == "/job/fail" {
                times.lock().unwrap().push(Instant::now());
            }
            Reply::now(if calls.fetch_add(1, Ordering::Relaxed) == 0 { 500 } else { 200 }, "")
        }
    });
    let condition = Condition::parse("totalFailures > 0").expect("a condition");
    let open = Duration::from_millis(400);
    let breaker = BreakerPolicy { trip: Trip::Counts { condition, every: None }, open, tries: 1 };
    let policy = OperationPolicy { breaker: Some(breaker), ..OperationPolicy::default() };
    let target = TargetName::Inbound("jobs", "jobs".to_owned());
    // Jobs are run by the app that made them, which is the caller.
    let api = api_guarded(
        &[("me", subscriber.address())],
        vec![TargetPolicy { target, services: Vec::new(), policy }],
    );
    let job = r#"{"dueTime":"0s","failurePolicy":{"constant":{"interval":"1ms","maxRetries":3}}}"#;
    let made = api.send("POST", "/v1.0/jobs/fail", job);
    assert_eq!(made.status, 204, "{}", made.text());
    eventually_blocking(PATIENCE, "it runs again", || times.lock().unwrap().len() >= 2);
    let times = times.lock().unwrap();
    assert!(times[1].duration_since(times[0]) >= open, "nothing came while it was left alone");
}
