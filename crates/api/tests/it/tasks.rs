//! Task queues: `emails` of `events` runs one task at a time, each for 400 ms at most, three times at most.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use floodway_kit::{Reply, Seen, Upstream, eventually_blocking};
use serde_json::{Value, json};

use crate::support::{Api, PATIENCE, api, api_for, error_of};

/// A worker of the queue that also takes what is given up.
fn worker(script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Upstream {
    Upstream::start(move |seen| match seen.head.uri.path() {
        "/dapr/subscribe" => Reply::now(
            200,
            r#"[{"pubsubname":"events","topic":"emails","route":"/emails"},
                {"pubsubname":"events","topic":"dead","route":"/dead"}]"#,
        ),
        _ => script(seen),
    })
}

fn enqueue(api: &Api, metadata: &str, data: &Value) {
    let path = format!("/v1.0/publish/events/emails?{metadata}");
    assert_eq!(api.send("POST", &path, &data.to_string()).status, 204);
}

fn data(seen: &Seen) -> Value {
    serde_json::from_slice::<Value>(&seen.body).expect("JSON")["data"].clone()
}

fn came(worker: &Upstream, route: &str) -> Vec<Value> {
    worker.seen().iter().filter(|seen| seen.head.uri.path() == route).map(data).collect()
}

#[test]
fn tasks_of_a_higher_priority_come_first_those_of_one_in_order() {
    static IS_THERE: AtomicBool = AtomicBool::new(false);
    let app = Upstream::start(|seen| match seen.head.uri.path() {
        "/dapr/subscribe" if !IS_THERE.load(Ordering::SeqCst) => Reply::now(500, ""),
        "/dapr/subscribe" => {
            Reply::now(200, r#"[{"pubsubname":"events","topic":"emails","route":"/emails"}]"#)
        }
        _ => Reply::now(200, ""),
    });
    let api = api_for(&[("app", app.address())]);
    enqueue(&api, "", &json!("none 0"));
    for (number, priority) in [0, 9, 5, 9, 0, 5].into_iter().enumerate() {
        enqueue(&api, &format!("metadata.priority={priority}"), &json!(format!("{priority} {number}")));
    }
    let bulk = r#"[{"entryId":"1","event":"1 6","contentType":"text/plain","metadata":{"priority":"1"}},
        {"entryId":"2","event":"9 7","contentType":"text/plain","metadata":{"priority":"9"}}]"#;
    assert_eq!(api.send("POST", "/v1.0/publish/bulk/events/emails", bulk).status, 204);
    IS_THERE.store(true, Ordering::SeqCst);
    eventually_blocking(PATIENCE, "all tasks", || came(&app, "/emails").len() >= 9);
    let expected = ["9 1", "9 3", "9 7", "5 2", "5 5", "1 6", "none 0", "0 0", "0 4"];
    assert_eq!(came(&app, "/emails"), expected.map(Value::from));
}

#[test]
fn a_worker_that_takes_too_long_loses_the_task_and_the_answer_that_counts_is_kept() {
    let app = worker(|seen| match seen.header("dapr-delivery-attempt") {
        Some("1") => {
            Reply::Answer { status: 200, body: r#""too late""#.into(), after: Duration::from_secs(2) }
        }
        Some("2") => Reply::now(500, r#""failed""#),
        _ => Reply::now(200, r#"{"sent":true}"#),
    });
    let api = api_for(&[("app", app.address())]);
    let result = "/v1.0-floodway/tasks/events/emails/mail%2F7";
    assert_eq!(error_of(&api.get(result)), (404, "ERR_TASK_NOT_FOUND".to_owned()));
    enqueue(&api, "metadata.cloudevent.id=mail/7", &json!("a mail"));
    eventually_blocking(PATIENCE, "the result", || api.get(result).status == 200);
    let answer = api.get(result);
    assert_eq!(
        (answer.text(), answer.header("content-type")),
        (r#"{"sent":true}"#.into(), Some("application/json"))
    );
    assert_eq!(came(&app, "/emails").len(), 3);
    assert_eq!(error_of(&api.get("/v1.0-floodway/tasks/events/other/7")).0, 404);
    assert_eq!(error_of(&api.get("/v1.0-floodway/tasks/other/emails/7")).0, 404);
}

#[test]
fn a_task_that_fails_too_often_goes_to_the_dead_letter_topic() {
    let app = worker(|seen| Reply::now(if seen.head.uri.path() == "/emails" { 500 } else { 200 }, ""));
    let api = api_for(&[("app", app.address())]);
    enqueue(&api, "metadata.priority=7", &json!("bad"));
    eventually_blocking(PATIENCE, "the dead letter", || came(&app, "/dead") == [json!("bad")]);
    assert_eq!(came(&app, "/emails").len(), 3);
}

#[test]
fn of_two_apps_one_works_off_a_queue() {
    let (one, two) = (worker(|_| Reply::now(200, "")), worker(|_| Reply::now(200, "")));
    let api = api_for(&[("one", one.address()), ("two", two.address())]);
    for number in 0..20 {
        enqueue(&api, &format!("metadata.priority={}", number % 10), &json!(number));
    }
    let all = || [came(&one, "/emails"), came(&two, "/emails")];
    eventually_blocking(PATIENCE, "all tasks", || all().concat().len() >= 20);
    let [first, second] = all();
    assert!(first.is_empty() || second.is_empty(), "{first:?} and {second:?}");
    let mut numbers: Vec<_> = all().concat().iter().filter_map(Value::as_u64).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..20).collect::<Vec<_>>());
}

#[test]
fn a_priority_is_a_number_from_0_to_9() {
    let api = api();
    for wrong in ["10", "-1", "high", ""] {
        let path = format!("/v1.0/publish/events/emails?metadata.priority={wrong}");
        assert_eq!(api.send("POST", &path, "1").status, 400, "{wrong}");
    }
    // Elsewhere it is nothing that is known.
    assert_eq!(api.send("POST", "/v1.0/publish/events/a?metadata.priority=10", "1").status, 204);
}
