//! Which path of an app gets a message.

use floodway_api::ServerOptions;
use floodway_kit::{Reply, Upstream};
use serde_json::{Value, json};

use crate::deliveries::{data, flush, messages, publish, wait_for};
use crate::support::{Api, api_for, api_with};

/// An app that takes all, with these routes for the topic `a`, and a route for `dead`.
fn app(routes: &Value) -> Upstream {
    let entries = json!([
        {"pubsubname": "events", "topic": "a", "routes": routes},
        {"pubsubname": "events", "topic": "dead", "route": "/dead"},
    ]);
    let entries = serde_json::to_vec(&entries).expect("JSON");
    Upstream::start(move |seen| match seen.head.uri.path() {
        "/dapr/subscribe" => Reply::now(200, entries.clone()),
        _ => Reply::now(200, ""),
    })
}

fn rules() -> Value {
    json!([
        {"match": "event.type == 'order.placed' && event.data.n >= 10", "path": "/large"},
        {"match": "event.type.startsWith(\"order.\")", "path": "/order"},
    ])
}

/// Publishes numbers as events of a type.
fn publish_as(api: &Api, kind: &str, number: u32) {
    let path = format!("/v1.0/publish/events/a?metadata.cloudevent.type={kind}");
    assert_eq!(api.send("POST", &path, &format!(r#"{{"n":{number}}}"#)).status, 204);
}

fn numbers(app: &Upstream, route: &str, count: usize) -> Vec<Value> {
    let mut numbers: Vec<_> =
        wait_for(app, route, count).iter().map(|seen| data(seen)["n"].clone()).collect();
    numbers.sort_by_key(Value::as_u64);
    numbers
}

#[test]
fn the_first_rule_that_takes_a_message_says_where_it_goes() {
    let app = app(&json!({"rules": rules(), "default": "/rest"}));
    let api = api_for(&[("app", app.address())]);
    for (kind, number) in [("order.placed", 10), ("order.placed", 9), ("order.paid", 99), ("other", 100)] {
        publish_as(&api, kind, number);
    }
    assert_eq!(numbers(&app, "/large", 1), [10]);
    assert_eq!(numbers(&app, "/order", 2), [9, 99]);
    assert_eq!(numbers(&app, "/rest", 1), [100]);
}

#[test]
fn what_no_rule_takes_goes_to_the_dead_letters() {
    let app = app(&json!({"rules": rules()}));
    let api = api_for(&[("app", app.address())]);
    publish_as(&api, "other", 1);
    publish_as(&api, "order.paid", 2);
    assert_eq!(numbers(&app, "/dead", 1), [1]);
    assert_eq!(numbers(&app, "/order", 1), [2]);
}

#[test]
fn without_a_dead_letter_topic_what_no_rule_takes_is_done() {
    let app = app(&json!({"rules": rules()}));
    let api = api_with(&[("app", app.address())], ServerOptions::default(), None);
    publish_as(&api, "other", 1);
    publish_as(&api, "order.paid", 2);
    assert_eq!(numbers(&app, "/order", 1), [2]);
    assert!(app.seen().iter().all(|seen| data_or_null(seen) != json!({"n": 1})));
}

fn data_or_null(seen: &floodway_kit::Seen) -> Value {
    serde_json::from_slice::<Value>(&seen.body).unwrap_or_default()["data"].clone()
}

#[test]
fn a_subscription_with_a_rule_that_cannot_be_read_is_left_out_alone() {
    let app = app(&json!({"rules": [{"match": "event.type =! 'a'", "path": "/a"}], "default": "/rest"}));
    let api = api_for(&[("app", app.address())]);
    publish(&api, "a", "1");
    flush(&api, &app, "dead");
    assert!(messages(&app, "/rest").is_empty() && messages(&app, "/a").is_empty());
}

#[test]
fn metadata_tells_the_rules() {
    let app = app(&json!({"rules": rules(), "default": "/rest"}));
    let api = api_for(&[("me", app.address())]);
    flush(&api, &app, "dead");
    let metadata: Value = serde_json::from_slice(&api.get("/v1.0/metadata").body).expect("JSON");
    let rules = &metadata["subscriptions"][0]["rules"];
    assert_eq!(rules[1], json!({"match": "event.type.startsWith(\"order.\")", "path": "/order"}));
    assert_eq!(rules[2], json!({"path": "/rest"}));
}
