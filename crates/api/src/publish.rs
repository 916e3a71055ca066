//! Publishing over HTTP.

use std::collections::BTreeSet;

use base64::DecodeError;
use bytes::Bytes;
use floodway_blocks::invoke::Body;
use floodway_blocks::topics::Outgoing;
use http::header::CONTENT_TYPE;
use http::{Response, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::cloud_event::{self, Draft, Trace};
use crate::components::TopicsComponent;
use crate::error::{ApiError, answer, no_content};
use crate::path::Metadata;
use crate::server::{Api, Call};

#[derive(Debug, Deserialize)]
struct Entry {
    #[serde(rename = "entryId", alias = "entryID", alias = "EntryId", default)]
    id: String,
    #[serde(default)]
    event: Option<Box<RawValue>>,
    #[serde(rename = "contentType", default)]
    content_type: String,
    #[serde(default)]
    metadata: Option<Metadata>,
}

#[derive(Debug, Serialize)]
struct BulkFailure<'a> {
    #[serde(rename = "failedEntries")]
    failed: Vec<FailedEntry<'a>>,
    #[serde(rename = "errorCode")]
    code: &'static str,
}

#[derive(Debug, Serialize)]
struct FailedEntry<'a> {
    #[serde(rename = "entryId")]
    id: &'a str,
    error: &'a str,
}

const PUBLISH_FAILED: &str = "ERR_PUBSUB_PUBLISH_MESSAGE";

/// POST a payload: 204 once it is durable.
pub(crate) async fn publish(
    api: &Api,
    topics: &str,
    topic: &str,
    call: Call,
) -> Result<Response<Body>, ApiError> {
    let component = find(api, topics, topic)?;
    let headers = call.request.headers().clone();
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let payload = api.body(call.request).await?;
    let draft = Draft {
        payload,
        content_type,
        app: &api.caller.app,
        topics,
        topic,
        metadata: &call.metadata,
        trace: Trace::of(&headers),
    };
    let message = cloud_event::message(&draft)?;
    append(component, topics, topic, vec![message]).await?;
    Ok(no_content())
}

/// POST an array of entries: 204 once all are durable. They are one commit: all or none.
pub(crate) async fn bulk(
    api: &Api,
    topics: &str,
    topic: &str,
    call: Call,
) -> Result<Response<Body>, ApiError> {
    let component = find(api, topics, topic)?;
    let headers = call.request.headers().clone();
    let body = api.body(call.request).await?;
    let wrong = |reason, why: String| {
        let message = format!("error in the events for topic {topic} pubsub {topics}: {why}");
        let error = ApiError::new(StatusCode::BAD_REQUEST, "ERR_PUBSUB_EVENTS_SER", message);
        error.rich(reason, &[("appID", &api.caller.app)]).about("pubsub", topics)
    };
    let entries: Result<Vec<Entry>, _> = serde_json::from_slice(&body);
    let entries = entries.map_err(|error| wrong("DAPR_PUBSUB_UNMARSHAL_EVENTS", error.to_string()))?;
    if !has_ids(&entries) {
        let why = "entryId is duplicated or not present for entry".to_owned();
        return Err(wrong("DAPR_PUBSUB_MARSHAL_EVENTS", why));
    }
    let mut messages = Vec::with_capacity(entries.len());
    for entry in &entries {
        let mut metadata = call.metadata.clone();
        metadata.extend(entry.metadata.clone().unwrap_or_default());
        let draft = Draft {
            payload: payload(entry).map_err(|error| {
                wrong("DAPR_PUBSUB_MARSHAL_ENVELOPE", format!("entry {} is no base64: {error}", entry.id))
            })?,
            content_type: &entry.content_type,
            app: &api.caller.app,
            topics,
            topic,
            metadata: &metadata,
            trace: Trace::of(&headers),
        };
        messages.push(cloud_event::message(&draft)?);
    }
    match append(component, topics, topic, messages).await {
        Ok(()) => Ok(no_content()),
        Err(error) => {
            let failed = entries.iter().map(|entry| FailedEntry { id: &entry.id, error: &error.message });
            let failure = BulkFailure { failed: failed.collect(), code: error.code };
            Ok(answer(error.status, &failure))
        }
    }
}

async fn append(
    component: &TopicsComponent,
    topics: &str,
    topic: &str,
    messages: Vec<Outgoing>,
) -> Result<(), ApiError> {
    let what = || format!("error when publishing to topic {topic} in pubsub {topics}");
    let published = component.topics.publish(topic, messages).await;
    published.map_err(|error| {
        let known = [("topic", topic), ("error", &*error.to_string())];
        ApiError::failed(PUBLISH_FAILED, &what(), &error)
            .rich("DAPR_PUBSUB_PUBLISH_MESSAGE", &known)
            .about("pubsub", topics)
    })
}

fn payload(entry: &Entry) -> Result<Bytes, DecodeError> {
    entry
        .event
        .as_deref()
        .map_or(Ok(Bytes::new()), |event| cloud_event::payload_of(event, &entry.content_type))
}

/// Whether each entry has an id of its own.
fn has_ids(entries: &[Entry]) -> bool {
    let mut seen = BTreeSet::new();
    entries.iter().all(|entry| !entry.id.is_empty() && seen.insert(&entry.id))
}

fn find<'a>(api: &'a Api, topics: &str, topic: &str) -> Result<&'a TopicsComponent, ApiError> {
    let known = [("appID", &*api.caller.app)];
    if api.components.topics.is_empty() {
        let message = format!("pubsub {topics} is not configured");
        let error = ApiError::new(StatusCode::BAD_REQUEST, "ERR_PUBSUB_NOT_CONFIGURED", message);
        return Err(error.rich("DAPR_PUBSUB_NOT_CONFIGURED", &known));
    }
    let component = api.components.topics.get(topics).ok_or_else(|| {
        let message = format!("pubsub {topics} is not found");
        ApiError::new(StatusCode::NOT_FOUND, "ERR_PUBSUB_NOT_FOUND", message)
            .rich("DAPR_PUBSUB_NOT_FOUND", &known)
    })?;
    if topic.is_empty() {
        let message = format!("topic is empty in pubsub {topics}");
        let error = ApiError::new(StatusCode::NOT_FOUND, "ERR_TOPIC_NAME_EMPTY", message);
        return Err(error.rich("DAPR_PUBSUB_TOPIC_NAME_EMPTY", &known).about("pubsub", topics));
    }
    Ok(component)
}
