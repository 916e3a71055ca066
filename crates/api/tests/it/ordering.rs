//! Messages of one key are for one after another, whatever becomes of those before them.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use floodway_api::ServerOptions;
use floodway_kit::{Reply, Seen, Upstream, eventually_blocking};
use serde_json::{Value, json};

use crate::support::{Api, PATIENCE, api_for, api_with};

fn app(script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Upstream {
    Upstream::start(move |seen| match seen.head.uri.path() {
        "/dapr/subscribe" => Reply::now(200, r#"[{"pubsubname":"events","topic":"a","route":"/a"}]"#),
        _ => script(seen),
    })
}

fn publish(api: &Api, key: &str, data: &Value) {
    let path = format!("/v1.0/publish/events/a?metadata.partitionKey={key}");
    assert_eq!(api.send("POST", &path, &data.to_string()).status, 204);
}

/// What reached the app, in order of arrival.
fn arrived(app: &Upstream) -> Vec<Value> {
    let messages = app.seen().into_iter().filter(|seen| seen.head.uri.path() == "/a");
    messages.map(|seen| serde_json::from_slice::<Value>(&seen.body).expect("JSON")["data"].clone()).collect()
}

#[test]
fn a_message_that_comes_again_holds_up_its_key_and_no_other() {
    static IS_STUCK: AtomicBool = AtomicBool::new(true);
    let app = app(|seen| {
        let is_stuck = IS_STUCK.load(Ordering::SeqCst) && seen.body.windows(7).any(|part| part == b"stuck 0");
        Reply::now(if is_stuck { 500 } else { 200 }, "")
    });
    // Without a dead-letter topic it comes again for ever.
    let api = api_with(&[("app", app.address())], ServerOptions::default(), None);
    // More than are under way at once.
    for number in 0..20 {
        publish(&api, "stuck", &json!(format!("stuck {number}")));
    }
    for number in 0..5 {
        publish(&api, "free", &json!(format!("free {number}")));
    }
    eventually_blocking(PATIENCE, "what has another key", || arrived(&app).contains(&json!("free 4")));
    IS_STUCK.store(false, Ordering::SeqCst);
    eventually_blocking(PATIENCE, "the key that was held up", || arrived(&app).contains(&json!("stuck 19")));
    let of = |name: &str| {
        let mut found = arrived(&app);
        found.retain(|data| data.as_str().is_some_and(|data| data.starts_with(name)));
        found.dedup();
        found
    };
    assert_eq!(of("stuck"), (0..20).map(|number| json!(format!("stuck {number}"))).collect::<Vec<_>>());
    assert_eq!(of("free"), (0..5).map(|number| json!(format!("free {number}"))).collect::<Vec<_>>());
}

#[test]
fn many_keys_go_side_by_side_each_in_order() {
    static FAILED: Mutex<BTreeMap<String, u32>> = Mutex::new(BTreeMap::new());
    // Every third message fails at first.
    let app = app(|seen| {
        let data = serde_json::from_slice::<Value>(&seen.body).expect("JSON")["data"].clone();
        let is_bad = data["n"].as_u64().is_some_and(|number| number % 3 == 1);
        let mut failed = FAILED.lock().expect("no panic");
        let times = failed.entry(data.to_string()).or_default();
        *times += 1;
        Reply::now(if is_bad && *times < 3 { 500 } else { 200 }, "")
    });
    let api = api_for(&[("app", app.address())]);
    for number in 0..12 {
        for key in ["x", "y", "z"] {
            publish(&api, key, &json!({ "key": key, "n": number }));
        }
    }
    let of = |key: &str| {
        let mut found = arrived(&app);
        found.retain(|data| data["key"] == key);
        found.dedup();
        found.iter().filter_map(|data| data["n"].as_u64()).collect::<Vec<_>>()
    };
    eventually_blocking(PATIENCE, "all messages", || ["x", "y", "z"].iter().all(|key| of(key).len() == 12));
    for key in ["x", "y", "z"] {
        assert_eq!(of(key), (0..12).collect::<Vec<_>>(), "of key {key}");
    }
}

#[test]
fn a_key_that_is_too_long_is_refused() {
    let app = app(|_| Reply::now(200, ""));
    let api = api_for(&[("app", app.address())]);
    let path = format!("/v1.0/publish/events/a?metadata.partitionKey={}", "k".repeat(1025));
    assert_eq!(api.send("POST", &path, "1").status, 400);
}
