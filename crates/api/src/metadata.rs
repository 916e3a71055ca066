//! Health and metadata: what SDKs ask when they start.

use floodway_blocks::invoke::Body;
use http::{Response, StatusCode};
use serde::Serialize;

use crate::error::{ApiError, json, no_content};
use crate::server::{Api, Call};
use crate::subscription::Subscription;

/// The API version that is followed, as SDKs read it.
const RUNTIME_VERSION: &str = "1.18.3";

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Metadata<'a> {
    id: &'a str,
    runtime_version: &'static str,
    enabled_features: [&'static str; 0],
    components: Vec<Component<'a>>,
    extended: Extended,
    subscriptions: Vec<SubscriptionView<'a>>,
}

#[derive(Debug, Serialize)]
struct Component<'a> {
    name: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    version: &'static str,
    capabilities: &'static [&'static str],
}

#[derive(Debug, Serialize)]
struct Extended {
    #[serde(rename = "daprRuntimeVersion")]
    version: &'static str,
}

#[derive(Debug, Serialize)]
struct SubscriptionView<'a> {
    pubsubname: &'a str,
    topic: &'a str,
    rules: [Rule<'a>; 1],
    #[serde(rename = "deadLetterTopic")]
    dead_letter: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
}

#[derive(Debug, Serialize)]
struct Rule<'a> {
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
        components: components(api),
        extended: Extended { version: RUNTIME_VERSION },
        subscriptions: subscriptions.iter().map(view).collect(),
    };
    json(StatusCode::OK, &metadata)
}

fn components(api: &Api) -> Vec<Component<'_>> {
    let component = |kind, capabilities| move |name| Component { name, kind, version: "v1", capabilities };
    let stores = api.components.stores.keys().map(String::as_str);
    let topics = api.components.topics.keys().map(String::as_str);
    let locks = api.components.locks.keys().map(String::as_str);
    stores
        .map(component("state.floodway", &["ETAG", "TRANSACTIONAL", "TTL"]))
        .chain(topics.map(component("pubsub.floodway", &[])))
        .chain(locks.map(component("lock.floodway", &[])))
        .collect()
}

fn view(subscription: &Subscription) -> SubscriptionView<'_> {
    SubscriptionView {
        pubsubname: &subscription.topics,
        topic: &subscription.topic,
        rules: [Rule { path: &subscription.route }],
        dead_letter: subscription.dead_letter.as_deref().unwrap_or_default(),
        kind: "PROGRAMMATIC",
    }
}
