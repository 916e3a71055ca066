//! Health and metadata: what SDKs ask when they start.

pub(crate) mod grpc;

use std::collections::BTreeMap;

use floodway_blocks::invoke::Body;
use floodway_blocks::subscription::Subscription;
use http::{Response, StatusCode};
use serde::Serialize;

use crate::components::EXTENSIONS_MAX;
use crate::error::{ApiError, answer, no_content};
use crate::server::{Api, Blocks, Call};

/// The API version that is followed, as SDKs read it.
const RUNTIME_VERSION: &str = "1.18.3";
/// The most bytes of a key that an app adds to its metadata, with its value.
const EXTENSION_BYTES_MAX: usize = 4 << 10;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Metadata<'a> {
    id: &'a str,
    runtime_version: &'static str,
    enabled_features: [&'static str; 0],
    actors: [&'static str; 0],
    components: Vec<Component<'a>>,
    extended: BTreeMap<String, String>,
    subscriptions: Vec<SubscriptionView<'a>>,
}

#[derive(Debug, Clone, Copy, Serialize)]
struct Component<'a> {
    name: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    version: &'static str,
    capabilities: &'static [&'static str],
}

#[derive(Debug, Serialize)]
struct SubscriptionView<'a> {
    pubsubname: &'a str,
    topic: &'a str,
    rules: Vec<Rule<'a>>,
    #[serde(rename = "deadLetterTopic")]
    dead_letter: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
}

#[derive(Debug, Serialize)]
struct Rule<'a> {
    #[serde(rename = "match", skip_serializing_if = "str::is_empty")]
    matches: &'a str,
    path: &'a str,
}

/// GET: 204 once the app's replicas can be reached.
pub(crate) fn health(api: &Api, call: &Call) -> Result<Response<Body>, ApiError> {
    let app = &api.caller.app;
    if let Some(asked) = call.query.get("appid")
        && asked != app
    {
        let message = "dapr app-id does not match";
        return Err(ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "ERR_HEALTH_APPID_NOT_MATCH", message));
    }
    if api.invoke.knows(app) && !api.invoke.is_ready(app) {
        let message = "dapr is not ready: no replica of the app is healthy";
        return Err(ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "ERR_HEALTH_NOT_READY", message));
    }
    Ok(no_content())
}

/// GET: 200 with a body, without which some SDKs do not start.
pub(crate) fn metadata(api: &Api) -> Response<Body> {
    let subscriptions = api.components.subscriptions_of(&api.caller.app);
    let metadata = Metadata {
        id: &api.caller.app,
        runtime_version: RUNTIME_VERSION,
        enabled_features: [],
        actors: [],
        components: components(api),
        extended: extended(api),
        subscriptions: subscriptions.iter().map(view).collect(),
    };
    answer(StatusCode::OK, &metadata)
}

/// PUT a text under a key of the app's metadata: 204.
pub(crate) async fn extend(api: &Api, key: &str, call: Call) -> Result<Response<Body>, ApiError> {
    let body = api.body(call.request).await?;
    let text = std::str::from_utf8(&body)
        .map_err(|error| ApiError::malformed(format!("the value is no UTF-8: {error}")))?;
    set(api, key, text)?;
    Ok(no_content())
}

/// Sets a key of the app's metadata.
fn set(blocks: &Blocks, key: &str, text: &str) -> Result<(), ApiError> {
    if key.len() + text.len() > EXTENSION_BYTES_MAX {
        let message = format!("a key and its value have more than {EXTENSION_BYTES_MAX} B");
        return Err(ApiError::malformed(message));
    }
    if blocks.components.extend(&blocks.caller.app, key, text) {
        return Ok(());
    }
    Err(ApiError::malformed(format!("the metadata has {EXTENSIONS_MAX} keys already")))
}

/// What the app has added to its metadata, and we.
fn extended(blocks: &Blocks) -> BTreeMap<String, String> {
    let mut extended = blocks.components.extended_of(&blocks.caller.app);
    extended.insert("daprRuntimeVersion".to_owned(), RUNTIME_VERSION.to_owned());
    extended
}

fn components(api: &Blocks) -> Vec<Component<'_>> {
    let component = |kind, capabilities| move |name| Component { name, kind, version: "v1", capabilities };
    let stores = api.components.stores.keys().map(String::as_str);
    let topics = api.components.topics.keys().map(String::as_str);
    let locks = api.components.locks.keys().map(String::as_str);
    let secrets = api.components.secrets.keys().map(String::as_str);
    let configuration = api.components.configuration.keys().map(String::as_str);
    let bindings = api.components.bindings.keys().map(String::as_str);
    let cron = api.components.cron.iter().map(|binding| binding.name.as_str());
    stores
        .map(component("state.floodway", &["ETAG", "TRANSACTIONAL", "TTL"]))
        .chain(topics.map(component("pubsub.floodway", &[])))
        .chain(locks.map(component("lock.floodway", &[])))
        .chain(secrets.map(component("secretstores.floodway", &[])))
        .chain(configuration.map(component("configuration.floodway", &[])))
        .chain(bindings.map(component("bindings.http", &[])))
        .chain(cron.map(component("bindings.cron", &[])))
        .collect()
}

fn view(subscription: &Subscription) -> SubscriptionView<'_> {
    SubscriptionView {
        pubsubname: &subscription.topics,
        topic: &subscription.topic,
        rules: rules(subscription).map(|(matches, path)| Rule { matches, path }).collect(),
        dead_letter: subscription.dead_letter.as_deref().unwrap_or_default(),
        kind: "PROGRAMMATIC",
    }
}

/// The conditions and paths of a subscription; the default has no condition.
fn rules(subscription: &Subscription) -> impl Iterator<Item = (&str, &str)> {
    let routes = &subscription.routes;
    let rules = routes.rules().iter().map(|rule| (rule.condition.text(), rule.path.as_str()));
    rules.chain(routes.default_path().map(|path| ("", path)))
}
