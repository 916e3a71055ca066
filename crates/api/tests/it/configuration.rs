use floodway_kit::{Reply, Seen, Upstream, eventually_blocking};
use serde_json::{Value, json};

use crate::support::{Api, PATIENCE, api, api_for, error_of};

fn json_of(body: &[u8]) -> Value {
    serde_json::from_slice(body).expect("JSON")
}

/// Another file takes the place of the configuration.
fn replace(api: &Api, text: &str) {
    let fresh = api.folder.path().join("fresh");
    std::fs::write(&fresh, text).expect("written");
    std::fs::rename(&fresh, api.folder.path().join("features.json")).expect("replaced");
}

fn events(app: &Upstream, key: &str) -> Vec<Value> {
    let path = format!("/configuration/features/{key}");
    let of_key = |seen: &Seen| seen.head.uri.path() == path;
    app.seen().iter().filter(|seen| of_key(seen)).map(|seen| json_of(&seen.body)).collect()
}

#[test]
fn items_are_read_by_keys_or_all_at_once() {
    let api = api();
    for version in ["v1.0", "v1.0-alpha1"] {
        let all = api.get(&format!("/{version}/configuration/features"));
        assert_eq!(all.status, 200);
        let all = json_of(&all.body);
        assert_eq!((&all["a"]["value"], &all["b"]), (&json!("1"), &json!({"value": "2", "version": "v2"})));
    }
    let two = json_of(&api.get("/v1.0/configuration/features?key=b&key=unknown").body);
    assert_eq!(two, json!({"b": {"value": "2", "version": "v2"}}));
    let none = api.get("/v1.0/configuration/features?key=unknown");
    assert_eq!((none.status, none.text().as_str()), (204, ""));
    let unknown = api.get("/v1.0/configuration/unknown?key=a");
    assert_eq!(error_of(&unknown), (400, "ERR_CONFIGURATION_STORE_NOT_FOUND".to_owned()));
    let unknown = api.get("/v1.0/configuration/unknown/subscribe");
    assert_eq!(error_of(&unknown), (400, "ERR_CONFIGURATION_STORE_NOT_FOUND".to_owned()));
}

#[test]
fn who_subscribes_is_told_of_changes_until_it_ends() {
    let app = Upstream::start(|_| Reply::now(200, ""));
    let api = api_for(&[("me", app.address())]);
    let subscribed = api.get("/v1.0/configuration/features/subscribe?key=a");
    assert_eq!(subscribed.status, 200);
    let id = json_of(&subscribed.body)["id"].as_str().expect("an id").to_owned();
    let all = api.get("/v1.0/configuration/features/subscribe");
    let all = json_of(&all.body)["id"].as_str().expect("an id").to_owned();
    replace(&api, r#"{"a":"5","b":{"value":"2","version":"v2"}}"#);
    eventually_blocking(PATIENCE, "both are told", || events(&app, "a").len() == 2);
    let event = events(&app, "a").into_iter().find(|event| event["id"] == id.as_str()).expect("of this one");
    assert_eq!(event["items"]["a"]["value"], "5");
    let end = format!("/v1.0/configuration/features/{id}/unsubscribe");
    assert_eq!(json_of(&api.get(&end).body), json!({"ok": true}));
    let again = api.get(&end);
    assert_eq!((again.status, &json_of(&again.body)["ok"]), (500, &json!(false)));
    replace(&api, r#"{"b":{"value":"3","version":"v3"}}"#);
    eventually_blocking(PATIENCE, "the other is told", || events(&app, "b").len() == 1);
    let event = &events(&app, "b")[0];
    assert_eq!(event["items"], json!({"a": {}, "b": {"value": "3", "version": "v3"}}), "a is gone");
    eventually_blocking(PATIENCE, "a path for each key", || events(&app, "a").len() == 3);
    assert!(events(&app, "a").last().is_some_and(|event| event["id"] == all.as_str()), "the first has ended");
}
