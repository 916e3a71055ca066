//! What an app subscribes to, as it answers `GET /dapr/subscribe`.

use std::collections::BTreeMap;

use dapr::dapr::proto::runtime::v1::{TopicRoutes, TopicRule, TopicSubscription};
use floodway_blocks::subscription::routes::path;
use floodway_blocks::subscription::{Bulk, Condition, Routes, Subscription};
use serde::Deserialize;
use serde_json::Value;

use crate::components::DeclaredSubscription;

#[derive(Debug, Deserialize)]
struct Entry {
    #[serde(alias = "pubsubName", alias = "PubsubName", alias = "pubSubName")]
    pubsubname: String,
    topic: String,
    #[serde(default)]
    route: Option<String>,
    #[serde(default)]
    routes: Option<Written>,
    #[serde(default, rename = "deadLetterTopic", alias = "deadlettertopic")]
    dead_letter: Option<String>,
    /// Any values: an app's slip in one of them must not cost it all its subscriptions.
    #[serde(default)]
    metadata: Option<BTreeMap<String, Value>>,
    #[serde(default, rename = "bulkSubscribe", alias = "bulksubscribe")]
    bulk: Option<WrittenBulk>,
}

#[derive(Debug, Default, Deserialize)]
struct Written {
    #[serde(default)]
    rules: Option<Vec<WrittenRule>>,
    #[serde(default)]
    default: Option<String>,
}

#[derive(Debug, Deserialize)]
struct WrittenRule {
    #[serde(rename = "match", default)]
    matches: Option<String>,
    #[serde(default)]
    path: String,
}

#[derive(Debug, Deserialize)]
struct WrittenBulk {
    #[serde(default)]
    enabled: bool,
    #[serde(default, rename = "maxMessagesCount")]
    count: Option<u64>,
    #[serde(default, rename = "maxAwaitDurationMs")]
    wait_ms: Option<u64>,
}

/// Reads an app's answer. What cannot be served is left out, with a line in the log that says why.
pub(crate) fn read(app: &str, body: &[u8]) -> Result<Vec<Subscription>, serde_json::Error> {
    let entries: Option<Vec<Entry>> = serde_json::from_slice(body)?;
    let read = entries.unwrap_or_default().into_iter();
    let read = read.map(|entry| ((entry.pubsubname.clone(), entry.topic.clone()), subscription(entry)));
    Ok(servable(app, read))
}

/// The same of an app that answers by gRPC.
pub(crate) fn by_grpc(app: &str, entries: Vec<TopicSubscription>) -> Vec<Subscription> {
    let read = entries.into_iter();
    servable(app, read.map(|entry| ((entry.pubsub_name.clone(), entry.topic.clone()), message(entry))))
}

fn servable(
    app: &str,
    read: impl Iterator<Item = ((String, String), Result<Subscription, String>)>,
) -> Vec<Subscription> {
    let mut subscriptions: Vec<Subscription> = Vec::new();
    for ((topics, topic), read) in read {
        match read {
            Err(why) => tracing::error!(app, topics, topic, why, "a subscription is left out"),
            Ok(_) if is_among(&subscriptions, &topics, &topic) => {
                tracing::warn!(app, topics, topic, "a second subscription to a topic is left out");
            }
            Ok(subscription) => subscriptions.push(subscription),
        }
    }
    subscriptions
}

/// What an app asked for, and what is declared for it beside that: its own word comes first.
pub(crate) fn with_declared(
    mut subscriptions: Vec<Subscription>,
    declared: &[DeclaredSubscription],
) -> Vec<Subscription> {
    for DeclaredSubscription { subscription, .. } in declared {
        if !is_among(&subscriptions, &subscription.topics, &subscription.topic) {
            subscriptions.push(subscription.clone());
        }
    }
    subscriptions
}

fn is_among(subscriptions: &[Subscription], topics: &str, topic: &str) -> bool {
    subscriptions.iter().any(|other| other.topics == topics && other.topic == topic)
}

fn subscription(entry: Entry) -> Result<Subscription, String> {
    let Entry { pubsubname: topics, topic, route, routes: written, dead_letter, metadata, bulk } = entry;
    let not_empty = |text: &String| !text.is_empty();
    let routes = match route.filter(not_empty) {
        Some(route) => Routes::to(path(&route).map_err(|error| error.to_string())?),
        None => routes(written.unwrap_or_default())?,
    };
    let raw = metadata.and_then(|mut metadata| metadata.remove("rawPayload"));
    let is_raw = raw.is_some_and(|raw| raw == "true" || raw == true);
    let bulk = bulk.filter(|bulk| bulk.enabled).map(|bulk| Bulk::new(bulk.count, bulk.wait_ms));
    Ok(Subscription { topics, topic, routes, dead_letter: dead_letter.filter(not_empty), is_raw, bulk })
}

/// Paths are words that the app is told, so any will do; without one, the app is told none.
fn message(entry: TopicSubscription) -> Result<Subscription, String> {
    let TopicSubscription { pubsub_name, topic, metadata, routes, dead_letter_topic, bulk_subscribe } = entry;
    let TopicRoutes { rules, default } = routes.unwrap_or_default();
    let rule = |TopicRule { r#match, path }| Ok((condition(Some(r#match))?, path));
    let rules = rules.into_iter().map(rule).collect::<Result<Vec<_>, String>>()?;
    let default = (!default.is_empty() || rules.is_empty()).then_some(default);
    let given = |number: i32| u64::try_from(number).ok().filter(|number| *number > 0);
    let bulk = bulk_subscribe.filter(|bulk| bulk.enabled);
    Ok(Subscription {
        topics: pubsub_name,
        topic,
        routes: Routes::new(rules, default),
        dead_letter: Some(dead_letter_topic).filter(|topic| !topic.is_empty()),
        is_raw: metadata.get("rawPayload").is_some_and(|raw| raw.eq_ignore_ascii_case("true")),
        bulk: bulk.map(|bulk| Bulk::new(given(bulk.max_messages_count), given(bulk.max_await_duration_ms))),
    })
}

/// A rule without a condition takes all.
fn condition(text: Option<String>) -> Result<Option<Condition>, String> {
    let text = text.filter(|text| !text.trim().is_empty());
    let condition = text.map(|text| {
        Condition::compile(&text).map_err(|error| format!("the rule `{text}` cannot be told: {error}"))
    });
    condition.transpose()
}

/// Rules and the default; one of them must be there.
fn routes(written: Written) -> Result<Routes, String> {
    let mut rules = Vec::new();
    for WrittenRule { matches, path: to } in written.rules.unwrap_or_default() {
        rules.push((condition(matches)?, path(&to).map_err(|error| error.to_string())?));
    }
    let default = written.default.filter(|text| !text.is_empty());
    let default = default.map(|text| path(&text).map_err(|error| error.to_string())).transpose()?;
    if rules.is_empty() && default.is_none() {
        return Err("it has no route".to_owned());
    }
    Ok(Routes::new(rules, default))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(body: &str) -> Vec<Vec<String>> {
        let read = read("app", body.as_bytes()).expect("JSON");
        let paths = |it: &Subscription| it.routes.paths().map(str::to_owned).collect();
        read.iter().map(paths).collect()
    }

    #[test]
    fn reads_both_forms_of_a_route() {
        let body = r#"[{"pubsubname":"p","topic":"a","route":"/a"},
            {"pubsubname":"p","topic":"b","routes":{"rules":[
                {"match":"event.type == \"x\"","path":"/x"},{"match":"event.type == 'y'","path":"y"}],"default":"b"}},
            {"pubsubname":"p","topic":"c","routes":{"rules":[{"match":"event.type == 'x'","path":"/x"}]}},
            {"pubsubname":"p","topic":"d","routes":{"rules":[{"path":"/all"}],"default":"/d"}},
            {"pubsubname":"p","topic":"e"}]"#;
        assert_eq!(routes(body), [vec!["/a"], vec!["/x", "/y", "/b"], vec!["/x"], vec!["/all"]]);
    }

    #[test]
    fn leaves_out_what_cannot_be_served() {
        let body = r#"[{"pubsubname":"p","topic":"a","route":"/a b"},
            {"pubsubname":"p","topic":"b","routes":{"rules":[{"match":"event.","path":"/x"}],"default":"/b"}},
            {"pubsubname":"p","topic":"d","routes":{"rules":[{"match":"event.type == a","path":"/x"}]}},
            {"pubsubName":"p","topic":"c","route":"/c","metadata":{"n":1,"rawPayload":true}},
            {"pubsubname":"p","topic":"c","route":"/again"}]"#;
        let read = read("app", body.as_bytes()).expect("JSON");
        let found: Vec<_> = read.iter().map(|it| (it.routes.default_path(), it.is_raw)).collect();
        assert_eq!(found, [(Some("/c"), true)]);
    }

    #[test]
    fn reads_how_many_messages_go_at_once() {
        let bulk = |text: &str| {
            let body = format!(r#"[{{"pubsubname":"p","topic":"a","route":"/a","bulkSubscribe":{text}}}]"#);
            read("app", body.as_bytes()).expect("JSON")[0].bulk
        };
        assert_eq!(bulk("null"), None);
        assert_eq!(bulk(r#"{"enabled":false,"maxMessagesCount":5}"#), None);
        assert_eq!(bulk(r#"{"enabled":true}"#), Some(Bulk::new(None, None)));
        let wait_max = std::time::Duration::from_millis(40);
        let asked = bulk(r#"{"enabled":true,"maxMessagesCount":5,"maxAwaitDurationMs":40}"#);
        assert_eq!(asked, Some(Bulk { count_max: 5, wait_max }));
        let most = bulk(r#"{"enabled":true,"maxMessagesCount":9999999,"maxAwaitDurationMs":9999999}"#);
        assert_eq!(most, Some(Bulk { count_max: 10_000, wait_max: Bulk::WAIT_MAX }));
    }

    #[test]
    fn an_app_that_answers_by_grpc_need_not_name_a_path() {
        let entry = |topic: &str, routes| TopicSubscription {
            pubsub_name: "p".to_owned(),
            topic: topic.to_owned(),
            routes,
            ..TopicSubscription::default()
        };
        let rule = |condition: &str| TopicRule { r#match: condition.to_owned(), path: "x".to_owned() };
        let routes = |rules| Some(TopicRoutes { rules, default: String::new() });
        let read = by_grpc(
            "app",
            vec![
                entry("a", None),
                entry("b", routes(Vec::new())),
                entry("b", None),
                entry("c", routes(vec![rule("event.type == 'x'")])),
                entry("d", routes(vec![rule("event.")])),
            ],
        );
        let found: Vec<_> =
            read.iter().map(|it| (&*it.topic, it.routes.paths().collect::<Vec<_>>())).collect();
        assert_eq!(found, [("a", vec![""]), ("b", vec![""]), ("c", vec!["x"])]);
        assert_eq!(read[2].routes.path_of(b"{}"), None);
    }

    #[test]
    fn nothing_is_no_subscription() {
        assert!(routes("null").is_empty());
        assert!(routes("[]").is_empty());
        assert!(read("app", b"{").is_err());
    }

    #[test]
    fn reads_the_dead_letter_topic_and_raw_payloads() {
        let body = r#"[{"pubsubname":"p","topic":"a","route":"/a","deadLetterTopic":"d","metadata":{"rawPayload":"true"}}]"#;
        let read = read("app", body.as_bytes()).expect("JSON");
        assert_eq!(read[0].dead_letter.as_deref(), Some("d"));
        assert!(read[0].is_raw);
    }
}
