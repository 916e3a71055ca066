//! Publishing: what it means, whatever protocol asks for it.

pub(crate) mod grpc;
pub(crate) mod http;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ::http::StatusCode;
use base64::DecodeError;
use bytes::Bytes;
use floodway_blocks::topics::{KEY_MAX, Once, Outgoing};

use crate::cloud_event::{self, Draft, Trace};
use crate::components::TopicsComponent;
use crate::error::ApiError;
use crate::path::{self, Metadata};
use crate::server::Blocks;
use crate::tasks;

/// One of many messages that are published together.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Names it in the answer.
    pub(crate) id: String,
    pub(crate) payload: Result<Bytes, DecodeError>,
    pub(crate) content_type: String,
    pub(crate) metadata: Metadata,
}

/// What entries have in common.
#[derive(Debug)]
pub(crate) struct Batch<'a> {
    pub(crate) topics: &'a str,
    pub(crate) topic: &'a str,
    /// Each entry's own comes before it.
    pub(crate) metadata: &'a Metadata,
    pub(crate) trace: Trace<'a>,
}

const PUBLISH_FAILED: &str = "ERR_PUBSUB_PUBLISH_MESSAGE";

/// Publishes one message; it is durable then.
pub(crate) async fn publish(blocks: &Blocks, draft: &Draft<'_>) -> Result<(), ApiError> {
    let component = find(blocks, draft.topics, draft.topic)?;
    let message =
        Outgoing { once: once(draft.metadata, component.policy.dedup)?, ..cloud_event::message(draft)? };
    let lane = tasks::lane_for(component, draft.topic, draft.metadata)?;
    append(component, draft.topics, &lane, vec![message]).await
}

/// Publishes messages in one commit: all or none of them; tasks of different priorities in one commit each. `Ok` of an
/// error where the engine took none, or not all.
pub(crate) async fn publish_all(
    blocks: &Blocks,
    batch: &Batch<'_>,
    entries: &[Entry],
) -> Result<Result<(), ApiError>, ApiError> {
    let Batch { topics, topic, metadata: common, trace } = *batch;
    let component = find(blocks, topics, topic)?;
    if !has_ids(entries) {
        let why = "entryId is duplicated or not present for entry";
        return Err(wrong_events(blocks, batch, "DAPR_PUBSUB_MARSHAL_EVENTS", why));
    }
    let mut lanes: BTreeMap<Cow<'_, str>, Vec<Outgoing>> = BTreeMap::new();
    for entry in entries {
        let mut merged = Cow::Borrowed(common);
        if !entry.metadata.is_empty() {
            merged.to_mut().extend(entry.metadata.clone());
        }
        let payload = entry.payload.clone().map_err(|error| {
            let why = format!("entry {} is no base64: {error}", entry.id);
            wrong_events(blocks, batch, "DAPR_PUBSUB_MARSHAL_ENVELOPE", &why)
        })?;
        let (app, content_type, metadata) = (&*blocks.caller.app, &*entry.content_type, &*merged);
        let draft = Draft { payload, content_type, app, topics, topic, metadata, trace };
        let once = once(metadata, component.policy.dedup)?;
        let message = Outgoing { once, ..cloud_event::message(&draft)? };
        lanes.entry(tasks::lane_for(component, topic, metadata)?).or_default().push(message);
    }
    for (lane, messages) in lanes {
        if let Err(error) = append(component, topics, &lane, messages).await {
            return Ok(Err(error));
        }
    }
    Ok(Ok(()))
}

/// By which name a message is published once: metadata `deduplicationId`, an empty one is none.
fn once(metadata: &Metadata, keep: Duration) -> Result<Option<Once>, ApiError> {
    let id = path::property(metadata, "deduplicationId").filter(|id| !id.is_empty());
    if id.is_some_and(|id| id.len() > KEY_MAX) {
        return Err(ApiError::malformed(format!("deduplicationId is longer than {KEY_MAX} bytes")));
    }
    Ok(id.map(|id| Once { id: id.into(), keep }))
}

/// Entries that cannot be published.
fn wrong_events(blocks: &Blocks, batch: &Batch<'_>, reason: &'static str, why: &str) -> ApiError {
    let Batch { topics, topic, .. } = batch;
    let message = format!("error in the events for topic {topic} pubsub {topics}: {why}");
    let error = ApiError::new(StatusCode::BAD_REQUEST, "ERR_PUBSUB_EVENTS_SER", message);
    error.rich(reason, &[("appID", &blocks.caller.app)]).about("pubsub", topics)
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

/// Whether each entry has an id of its own.
fn has_ids(entries: &[Entry]) -> bool {
    let mut seen = BTreeSet::new();
    entries.iter().all(|entry| !entry.id.is_empty() && seen.insert(&entry.id))
}

pub(crate) fn find<'a>(
    blocks: &'a Blocks,
    topics: &str,
    topic: &str,
) -> Result<&'a TopicsComponent, ApiError> {
    let known = [("appID", &*blocks.caller.app)];
    if blocks.components.topics.is_empty() {
        let message = format!("pubsub {topics} is not configured");
        let error = ApiError::new(StatusCode::BAD_REQUEST, "ERR_PUBSUB_NOT_CONFIGURED", message);
        return Err(error.rich("DAPR_PUBSUB_NOT_CONFIGURED", &known));
    }
    let component = blocks.components.topics.get(topics).ok_or_else(|| {
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
