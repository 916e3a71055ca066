//! What an app subscribes to, as it answers `GET /dapr/subscribe`.

use std::collections::BTreeMap;

use http::uri::PathAndQuery;
use serde::Deserialize;
use serde_json::Value;

use crate::components::DeclaredSubscription;

/// One subscription of an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subscription {
    /// The topics component.
    pub(crate) topics: String,
    /// The topic in it.
    pub(crate) topic: String,
    /// Where the app takes its messages.
    pub(crate) route: String,
    /// Where its messages go that are given up.
    pub(crate) dead_letter: Option<String>,
    /// Messages are not envelopes: they were published by others.
    pub(crate) is_raw: bool,
}

#[derive(Debug, Deserialize)]
struct Entry {
    #[serde(alias = "pubsubName", alias = "PubsubName", alias = "pubSubName")]
    pubsubname: String,
    topic: String,
    #[serde(default)]
    route: Option<String>,
    #[serde(default)]
    routes: Option<Routes>,
    #[serde(default, rename = "deadLetterTopic", alias = "deadlettertopic")]
    dead_letter: Option<String>,
    /// Any values: an app's slip in one of them must not cost it all its subscriptions.
    #[serde(default)]
    metadata: Option<BTreeMap<String, Value>>,
}

#[derive(Debug, Deserialize)]
struct Routes {
    #[serde(default)]
    rules: Option<Vec<Rule>>,
    #[serde(default)]
    default: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Rule {
    #[serde(rename = "match", default)]
    matches: String,
}

/// Reads an app's answer. What cannot be served is left out, with a warning that says why.
pub(crate) fn read(app: &str, body: &[u8]) -> Result<Vec<Subscription>, serde_json::Error> {
    let entries: Option<Vec<Entry>> = serde_json::from_slice(body)?;
    let mut subscriptions: Vec<Subscription> = Vec::new();
    for subscription in entries.unwrap_or_default().into_iter().filter_map(|entry| subscription(app, entry)) {
        let Subscription { topics, topic, route, .. } = &subscription;
        let is_same = |other: &Subscription| other.topics == *topics && other.topic == *topic;
        if subscriptions.iter().any(is_same) {
            tracing::warn!(app, topics, topic, route, "a second subscription to a topic is left out");
            continue;
        }
        subscriptions.push(subscription);
    }
    Ok(subscriptions)
}

/// What an app asked for, and what is declared for it beside that: its own word comes first.
pub(crate) fn with_declared(
    mut subscriptions: Vec<Subscription>,
    declared: &[DeclaredSubscription],
) -> Vec<Subscription> {
    for DeclaredSubscription { topics, topic, route, dead_letter, is_raw, .. } in declared.iter().cloned() {
        if let Err(error) = route.parse::<PathAndQuery>() {
            tracing::error!(%error, topics, topic, route, "a declared subscription whose route is no path is left out");
        } else if !subscriptions.iter().any(|other| other.topics == topics && other.topic == topic) {
            subscriptions.push(Subscription { topics, topic, route, dead_letter, is_raw });
        }
    }
    subscriptions
}

fn subscription(app: &str, entry: Entry) -> Option<Subscription> {
    let Entry { pubsubname: topics, topic, route, routes, dead_letter, metadata } = entry;
    let not_empty = |text: &String| !text.is_empty();
    let (rules, default) = routes.map_or((None, None), |routes| (routes.rules, routes.default));
    for Rule { matches } in rules.iter().flatten() {
        tracing::warn!(
            app,
            topics,
            topic,
            rule = matches,
            "routing rules are not served: the default route takes all"
        );
    }
    let Some(route) = route.filter(not_empty).or_else(|| default.filter(not_empty)) else {
        tracing::warn!(app, topics, topic, "a subscription without a route is left out");
        return None;
    };
    let route = if route.starts_with('/') { route } else { format!("/{route}") };
    if let Err(error) = route.parse::<PathAndQuery>() {
        tracing::error!(%error, app, topics, topic, route, "a subscription whose route is no path is left out");
        return None;
    }
    let raw = metadata.and_then(|mut metadata| metadata.remove("rawPayload"));
    let is_raw = raw.is_some_and(|raw| raw == "true" || raw == true);
    Some(Subscription { topics, topic, route, dead_letter: dead_letter.filter(not_empty), is_raw })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(body: &str) -> Vec<String> {
        let read = read("app", body.as_bytes()).expect("JSON");
        read.into_iter().map(|subscription| subscription.route).collect()
    }

    #[test]
    fn reads_both_forms_of_a_route() {
        let body = r#"[{"pubsubname":"p","topic":"a","route":"/a"},
            {"pubsubname":"p","topic":"b","routes":{"rules":[{"match":"x","path":"/x"}],"default":"b"}},
            {"pubsubname":"p","topic":"c"}]"#;
        assert_eq!(routes(body), ["/a", "/b"]);
    }

    #[test]
    fn leaves_out_what_cannot_be_served() {
        let body = r#"[{"pubsubname":"p","topic":"a","route":"/a b"},
            {"pubsubname":"p","topic":"b","routes":{"rules":[{"match":"x","path":"/x"}]}},
            {"pubsubName":"p","topic":"c","route":"/c","metadata":{"n":1,"rawPayload":true}},
            {"pubsubname":"p","topic":"c","route":"/again"}]"#;
        let read = read("app", body.as_bytes()).expect("JSON");
        assert_eq!(
            read.iter().map(|found| (&*found.route, found.is_raw)).collect::<Vec<_>>(),
            [("/c", true)]
        );
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
