//! Several messages in one request.

use std::collections::{BTreeMap, BTreeSet};

use floodway_kit::{Reply, Seen, Upstream, eventually_blocking};
use serde_json::{Value, json};

use crate::deliveries::{messages, publish};
use crate::support::{PATIENCE, api_for};

/// An app that subscribes to the topic `a` in bulk, and to `dead`, and answers requests by `script`.
fn app(extra: &Value, script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Upstream {
    let mut entry = json!({"pubsubname": "events", "topic": "a", "route": "/a",
        "bulkSubscribe": {"enabled": true, "maxMessagesCount": 5, "maxAwaitDurationMs": 100}});
    for (name, value) in extra.as_object().expect("fields") {
        entry[name] = value.clone();
    }
    let dead = json!({"pubsubname": "events", "topic": "dead", "route": "/dead"});
    let entries = serde_json::to_vec(&json!([entry, dead])).expect("JSON");
    Upstream::start(move |seen| match seen.head.uri.path() {
        "/dapr/subscribe" => Reply::now(200, entries.clone()),
        "/dead" => Reply::now(200, ""),
        _ => script(seen),
    })
}

fn body(seen: &Seen) -> Value {
    serde_json::from_slice(&seen.body).expect("JSON")
}

fn entries(seen: &Seen) -> Vec<Value> {
    body(seen)["entries"].as_array().expect("entries").clone()
}

/// An answer with what `status` says of each entry; nothing of those of which it says nothing.
fn answer(seen: &Seen, status: impl Fn(&Value) -> Option<&'static str>) -> Reply {
    let entries = entries(seen);
    let statuses = entries.iter().filter_map(|entry| {
        let status = status(entry)?;
        Some(json!({"entryId": entry["entryId"], "status": status}))
    });
    let answer = json!({"statuses": statuses.collect::<Vec<_>>()});
    Reply::now(200, serde_json::to_vec(&answer).expect("JSON"))
}

fn attempt(entry: &Value) -> &str {
    entry["metadata"]["dapr-delivery-attempt"].as_str().expect("an attempt")
}

/// How often each number was delivered.
fn deliveries(app: &Upstream) -> BTreeMap<u64, usize> {
    let mut deliveries = BTreeMap::new();
    for entry in messages(app, "/a").iter().flat_map(entries) {
        *deliveries.entry(entry["event"]["data"].as_u64().expect("a number")).or_default() += 1;
    }
    deliveries
}

#[test]
fn messages_come_together_up_to_the_count_that_was_asked_for() {
    let app = app(&json!({}), |seen| answer(seen, |_| Some("SUCCESS")));
    let api = api_for(&[("app", app.address())]);
    for number in 0..20 {
        publish(&api, "a", &number.to_string());
    }
    eventually_blocking(PATIENCE, "all messages", || deliveries(&app).len() == 20);
    let requests = messages(&app, "/a");
    assert!(requests.iter().any(|seen| entries(seen).len() > 1), "none came together");
    assert!(requests.iter().all(|seen| (1..=5).contains(&entries(seen).len())));
    let first = body(&requests[0]);
    assert_eq!(requests[0].header("content-type"), Some("application/json"));
    assert_eq!(first["type"], "com.dapr.event.sent.bulk");
    assert_eq!((&first["topic"], &first["pubsubname"]), (&json!("a"), &json!("events")));
    assert!(first["id"].is_string() && first["metadata"].is_object());
    let entry = &first["entries"][0];
    assert_eq!((&entry["contentType"], attempt(entry)), (&json!("application/cloudevents+json"), "1"));
    assert_eq!((&entry["event"]["source"], &entry["event"]["topic"]), (&json!("me"), &json!("a")));
    let ids: BTreeSet<_> =
        requests.iter().flat_map(entries).map(|entry| entry["entryId"].to_string()).collect();
    assert_eq!(ids.len(), 20, "each entry has an id of its own");
}

#[test]
fn only_entries_that_failed_come_again() {
    // Of the first attempt, what is divisible by 3 is asked for again and what is divisible by 5 is not named.
    let app = app(&json!({}), |seen| {
        answer(seen, |entry| match (entry["event"]["data"].as_u64(), attempt(entry)) {
            (Some(number), "1") if number % 3 == 0 => Some("RETRY"),
            (Some(number), "1") if number % 5 == 0 => None,
            _ => Some("SUCCESS"),
        })
    });
    let api = api_for(&[("app", app.address())]);
    for number in 0..10 {
        publish(&api, "a", &number.to_string());
    }
    let expected: BTreeMap<_, _> =
        (0..10).map(|number| (number, if number % 3 == 0 || number % 5 == 0 { 2 } else { 1 })).collect();
    eventually_blocking(PATIENCE, "all that failed came again", || deliveries(&app) == expected);
    // Another one brings whatever were to come still.
    publish(&api, "a", "10");
    eventually_blocking(PATIENCE, "the last message", || deliveries(&app).contains_key(&10));
    assert_eq!(deliveries(&app).values().sum::<usize>(), 16);
}

#[test]
fn an_answer_without_statuses_brings_all_again_and_then_to_the_dead_letters() {
    let app = app(&json!({}), |_| Reply::now(200, ""));
    let api = api_for(&[("app", app.address())]);
    publish(&api, "a", "1");
    eventually_blocking(PATIENCE, "the dead letter", || messages(&app, "/dead").len() == 1);
    let attempts: Vec<_> =
        messages(&app, "/a").iter().flat_map(entries).map(|entry| attempt(&entry).to_owned()).collect();
    assert_eq!(attempts, ["1", "2", "3"]);
}

#[test]
fn what_has_no_route_goes_to_the_dead_letters() {
    let app = app(
        &json!({"routes": {"rules": [{"match": "event.data == 'gone'", "path": "/gone"}]}, "route": null}),
        |seen| match seen.head.uri.path() {
            "/gone" => Reply::now(404, ""),
            _ => Reply::now(500, ""),
        },
    );
    let api = api_for(&[("app", app.address())]);
    publish(&api, "a", r#""gone""#);
    publish(&api, "a", r#""unmatched""#);
    eventually_blocking(PATIENCE, "the dead letters", || messages(&app, "/dead").len() == 2);
    // While its replicas are new, what is missing may yet come: until the attempts are over.
    assert_eq!(messages(&app, "/gone").len(), 3);
}

#[test]
fn raw_payloads_come_as_base64() {
    let app = app(&json!({"metadata": {"rawPayload": "true"}}), |seen| answer(seen, |_| Some("SUCCESS")));
    let api = api_for(&[("app", app.address())]);
    let path = "/v1.0/publish/events/a?metadata.rawPayload=true";
    assert_eq!(api.send("POST", path, "hello").status, 204);
    eventually_blocking(PATIENCE, "the message", || messages(&app, "/a").len() == 1);
    let entry = &entries(&messages(&app, "/a")[0])[0];
    assert_eq!(
        (&entry["event"], &entry["contentType"]),
        (&json!("aGVsbG8="), &json!("application/octet-stream"))
    );
}
