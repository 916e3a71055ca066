//! Replicas that are others than before.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use floodway_api::ServerOptions;
use floodway_kit::{Reply, Upstream, eventually_blocking};
use serde_json::{Value, json};

use crate::deliveries::{data, messages, publish, wait_for};
use crate::support::{Api, PATIENCE, api_for, api_with};

/// An app whose subscriptions can be changed: pairs of topic and route.
fn app(subscriptions: &Arc<Mutex<Vec<(&'static str, &'static str)>>>) -> Upstream {
    let subscriptions = Arc::clone(subscriptions);
    Upstream::start(move |seen| {
        if seen.head.uri.path() != "/dapr/subscribe" {
            return Reply::now(200, "");
        }
        let entry =
            |(topic, route): &(&str, &str)| json!({"pubsubname": "events", "topic": topic, "route": route});
        let entries: Vec<_> = subscriptions.lock().expect("no panic").iter().map(entry).collect();
        Reply::now(200, serde_json::to_vec(&entries).expect("JSON"))
    })
}

/// The topics that the API says the app gets.
fn topics(api: &Api) -> Vec<Value> {
    let metadata: Value = serde_json::from_slice(&api.get("/v1.0/metadata").body).expect("JSON");
    let subscriptions = metadata["subscriptions"].as_array().expect("subscriptions");
    subscriptions.iter().map(|subscription| subscription["topic"].clone()).collect()
}

#[test]
fn a_new_version_gets_what_it_subscribes_to() {
    let subscriptions = Arc::new(Mutex::new(vec![("a", "/a"), ("b", "/b"), ("same", "/same")]));
    let app = app(&subscriptions);
    let api = api_for(&[("me", app.address())]);
    for topic in ["a", "b", "same"] {
        publish(&api, topic, "1");
        wait_for(&app, &format!("/{topic}"), 1);
    }
    *subscriptions.lock().expect("no panic") = vec![("same", "/same"), ("b", "/new"), ("c", "/c")];
    api.roster.store(2, Ordering::Relaxed);
    eventually_blocking(PATIENCE, "the app is asked again", || topics(&api) == ["same", "b", "c"]);
    for topic in ["a", "b", "c", "same"] {
        publish(&api, topic, "2");
    }
    assert_eq!(data(&wait_for(&app, "/new", 1)[0]), 2);
    assert_eq!(data(&wait_for(&app, "/c", 1)[0]), 2);
    wait_for(&app, "/same", 2);
    assert_eq!((messages(&app, "/a").len(), messages(&app, "/b").len()), (1, 1));
    // What came meanwhile was kept for it.
    subscriptions.lock().expect("no panic").push(("a", "/again"));
    api.roster.store(3, Ordering::Relaxed);
    assert_eq!(data(&wait_for(&app, "/again", 1)[0]), 2);
}

#[test]
fn a_route_that_a_replica_does_not_have_yet_is_asked_for_again() {
    let asked = Arc::new(AtomicUsize::new(0));
    let app = Upstream::start({
        let asked = Arc::clone(&asked);
        move |seen| match seen.head.uri.path() {
            "/dapr/subscribe" => Reply::now(200, r#"[{"pubsubname":"events","topic":"a","route":"/a"}]"#),
            _ if asked.fetch_add(1, Ordering::Relaxed) < 2 => Reply::now(404, ""),
            _ => Reply::now(200, ""),
        }
    });
    let api = api_with(&[("app", app.address())], ServerOptions::default(), None);
    publish(&api, "a", "1");
    wait_for(&app, "/a", 3);
}

#[test]
fn an_app_that_was_asked_too_early_is_asked_once_more() {
    let asked = Arc::new(AtomicUsize::new(0));
    let app = Upstream::start({
        let asked = Arc::clone(&asked);
        move |seen| match seen.head.uri.path() {
            "/dapr/subscribe" if asked.fetch_add(1, Ordering::Relaxed) == 0 => Reply::now(404, ""),
            "/dapr/subscribe" => Reply::now(200, r#"[{"pubsubname":"events","topic":"a","route":"/a"}]"#),
            _ => Reply::now(200, ""),
        }
    });
    let api = api_for(&[("app", app.address())]);
    publish(&api, "a", "1");
    wait_for(&app, "/a", 1);
}
