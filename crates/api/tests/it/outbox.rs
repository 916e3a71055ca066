use floodway_kit::{Reply, Upstream, eventually_blocking};
use serde_json::{Value, json};

use crate::support::{Api, PATIENCE, api_for};

/// An app that takes what the outbox publishes.
fn taker() -> Upstream {
    Upstream::start(|seen| match seen.head.uri.path() {
        "/dapr/subscribe" => Reply::now(200, r#"[{"pubsubname":"events","topic":"outbox","route":"/take"}]"#),
        _ => Reply::now(200, ""),
    })
}

/// Makes transactions and gives back the events they published, by their order.
fn events(app: &Upstream, api: &Api, count: usize) -> Vec<Value> {
    let taken = || app.seen().into_iter().filter(|seen| seen.head.uri.path() == "/take").collect::<Vec<_>>();
    eventually_blocking(PATIENCE, &format!("{count} events"), || taken().len() >= count);
    assert_eq!(api.get("/v1.0/healthz/outbound").status, 204);
    taken().iter().map(|seen| serde_json::from_slice(&seen.body).expect("an envelope")).collect()
}

fn transact(api: &Api, store: &str, requests: &[(&str, Value)]) {
    let operations: Vec<_> = requests
        .iter()
        .map(|(operation, request)| json!({"operation": operation, "request": request}))
        .collect();
    let path = format!("/v1.0/state/{store}/transaction");
    let headers = [("content-type", "application/json"), ("traceparent", "00-1-2-01"), ("tracestate", "a=b")];
    let body = json!({ "operations": operations }).to_string();
    let answer = api.send_with("POST", &path, &headers, &body);
    assert_eq!(answer.status, 204, "{}", answer.text());
}

#[test]
fn the_event_outlives_a_value_that_expires() {
    let app = taker();
    let api = api_for(&[("app", app.address())]);
    let metadata = json!({"ttlInSeconds": "1", "rawPayload": "true", "cloudevent.type": "order.placed"});
    transact(&api, "out", &[("upsert", json!({"key": "a", "value": {"n": 1}, "metadata": metadata}))]);
    let event = &events(&app, &api, 1)[0];
    assert_eq!(event["expiration"], Value::Null, "{event}");
    assert_eq!((&event["data"], &event["type"]), (&json!({"n": 1}), &json!("order.placed")));
    assert_eq!((&event["traceparent"], &event["tracestate"]), (&json!("00-1-2-01"), &json!("a=b")));
    assert_eq!((&event["source"], &event["topic"]), (&json!("me"), &json!("outbox")));
}

#[test]
fn a_projection_stands_in_for_the_value_of_its_key_only() {
    let app = taker();
    let api = api_for(&[("app", app.address())]);
    let projection = |key: &str, value: &str| {
        ("upsert", json!({"key": key, "value": value, "metadata": {"outbox.projection": "true"}}))
    };
    // In any order; one without a value of its key says nothing.
    let stored = ("upsert", json!({"key": "a", "value": "stored"}));
    transact(&api, "out", &[projection("a", "told"), stored, projection("b", "to nobody")]);
    transact(&api, "out", &[projection("c", "to nobody")]);
    transact(&api, "out", &[("upsert", json!({"key": "d", "value": "last"}))]);
    let told: Vec<_> = events(&app, &api, 2).iter().map(|event| event["data"].clone()).collect();
    assert_eq!(told, ["told", "last"]);
    assert_eq!(api.get("/v1.0/state/out/a").text(), r#""stored""#);
    assert_eq!(api.get("/v1.0/state/out/b").status, 204);
}

#[test]
fn a_mark_means_nothing_where_it_cannot_be_meant() {
    let api = api_for(&[]);
    let marked = |key: &str| json!({"key": key, "value": 1, "metadata": {"outbox.projection": "true"}});
    transact(&api, "plain", &[("upsert", marked("a"))]);
    assert_eq!(api.get("/v1.0/state/plain/a").text(), "1", "a store without an outbox keeps it");
    transact(&api, "out", &[("upsert", json!({"key": "a", "value": 1}))]);
    transact(&api, "out", &[("delete", marked("a"))]);
    assert_eq!(api.get("/v1.0/state/out/a").status, 204, "a removal is made");
}

#[test]
fn a_value_says_what_it_is() {
    let app = taker();
    let api = api_for(&[("app", app.address())]);
    let text = json!({"key": "a", "value": "hello", "contentType": "text/plain"});
    let bytes = json!({"key": "b", "value": "aGk=", "metadata": {"contentType": "application/octet-stream"}});
    transact(&api, "out", &[("upsert", text), ("upsert", bytes)]);
    let events = events(&app, &api, 2);
    let find = |kind: &str| events.iter().find(|event| event["datacontenttype"] == kind).expect(kind);
    assert_eq!(find("text/plain")["data"], "hello");
    assert_eq!(find("application/octet-stream")["data_base64"], "aGk=");
}
