//! Publishing over HTTP.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use floodway_blocks::invoke::Body;
use floodway_blocks::topics::Outgoing;
use http::header::{CONTENT_TYPE, HeaderMap};
use http::{Response, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::cloud_event::{self, Draft};
use crate::components::TopicsComponent;
use crate::error::{ApiError, json, no_content};
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
    let content_type = text(call.request.headers(), CONTENT_TYPE.as_str()).unwrap_or_default().to_owned();
    let traceparent = text(call.request.headers(), "traceparent").map(str::to_owned);
    let payload = api.body(call.request).await?;
    let draft = Draft {
        payload,
        content_type: &content_type,
        app: &api.caller.app,
        topics,
        topic,
        metadata: &call.metadata,
        traceparent: traceparent.as_deref(),
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
    let body = api.body(call.request).await?;
    let unreadable = |error| malformed(format!("failed to read the entries: {error}"));
    let entries: Vec<Entry> = serde_json::from_slice(&body).map_err(unreadable)?;
    check_ids(&entries)?;
    let mut messages = Vec::with_capacity(entries.len());
    for entry in &entries {
        let mut metadata = call.metadata.clone();
        metadata.extend(entry.metadata.clone().unwrap_or_default());
        let draft = Draft {
            payload: payload(entry)?,
            content_type: &entry.content_type,
            app: &api.caller.app,
            topics,
            topic,
            metadata: &metadata,
            traceparent: None,
        };
        messages.push(cloud_event::message(&draft)?);
    }
    match append(component, topics, topic, messages).await {
        Ok(()) => Ok(no_content()),
        Err(error) => {
            let failed = entries.iter().map(|entry| FailedEntry { id: &entry.id, error: &error.message });
            let failure = BulkFailure { failed: failed.collect(), code: error.code };
            Ok(json(error.status, &failure))
        }
    }
}

async fn append(
    component: &TopicsComponent,
    topics: &str,
    topic: &str,
    messages: Vec<Outgoing>,
) -> Result<(), ApiError> {
    let what = || format!("error when publish to topic {topic} in pubsub {topics}");
    let published = component.topics.publish(topic, messages).await;
    published.map_err(|error| {
        ApiError::failed(PUBLISH_FAILED, &what(), &error).rich("DAPR_PUBSUB_PUBLISH_MESSAGE")
    })
}

/// An entry's event: text without its quotes, bytes from base64 where the type says so, JSON as written.
fn payload(entry: &Entry) -> Result<Bytes, ApiError> {
    let Some(event) = &entry.event else { return Ok(Bytes::new()) };
    let is_json = entry.content_type.contains("json");
    let Some(text) = (!is_json).then(|| serde_json::from_str::<String>(event.get()).ok()).flatten() else {
        return Ok(Bytes::copy_from_slice(event.get().as_bytes()));
    };
    if entry.content_type.starts_with("application/octet-stream") {
        let wrong = |error| malformed(format!("entry {} is no base64: {error}", entry.id));
        return STANDARD.decode(text).map(Bytes::from).map_err(wrong);
    }
    Ok(text.into())
}

fn check_ids(entries: &[Entry]) -> Result<(), ApiError> {
    let mut seen = BTreeSet::new();
    for entry in entries {
        if entry.id.is_empty() || !seen.insert(&entry.id) {
            return Err(malformed("entryId is duplicated or not present for an entry".to_owned()));
        }
    }
    Ok(())
}

fn malformed(message: String) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "ERR_PUBSUB_EVENTS_SER", message).rich("DAPR_PUBSUB_EVENTS_SER")
}

fn find<'a>(api: &'a Api, topics: &str, topic: &str) -> Result<&'a TopicsComponent, ApiError> {
    if api.components.topics.is_empty() {
        let message = "no pubsub is configured";
        let error = ApiError::new(StatusCode::BAD_REQUEST, "ERR_PUBSUB_NOT_CONFIGURED", message);
        return Err(error.rich("DAPR_PUBSUB_NOT_CONFIGURED"));
    }
    if topic.is_empty() {
        let message = format!("topic is empty in pubsub {topics}");
        let error = ApiError::new(StatusCode::NOT_FOUND, "ERR_TOPIC_EMPTY", message);
        return Err(error.rich("DAPR_PUBSUB_TOPIC_EMPTY"));
    }
    api.components.topics.get(topics).ok_or_else(|| {
        let message = format!("pubsub {topics} is not found");
        ApiError::new(StatusCode::NOT_FOUND, "ERR_PUBSUB_NOT_FOUND", message).rich("DAPR_PUBSUB_NOT_FOUND")
    })
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
