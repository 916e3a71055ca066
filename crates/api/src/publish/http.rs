//! Publishing over HTTP.

use std::borrow::Cow;

use ::http::header::CONTENT_TYPE;
use ::http::{HeaderMap, Response};
use bytes::Bytes;
use floodway_blocks::invoke::Body;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Batch, Entry};
use crate::cloud_event::{self, Draft, Trace};
use crate::error::{ApiError, answer, no_content};
use crate::path::Metadata;
use crate::server::{Api, Call};

#[derive(Debug, Deserialize)]
struct SentEntry<'a> {
    #[serde(rename = "entryId", alias = "entryID", alias = "EntryId", default)]
    id: String,
    #[serde(default, borrow)]
    event: Option<&'a RawValue>,
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

/// POST a payload: 204 once it is durable.
pub(crate) async fn publish(
    api: &Api,
    topics: &str,
    topic: &str,
    call: Call,
) -> Result<Response<Body>, ApiError> {
    super::find(api, topics, topic)?;
    let headers = call.request.headers().clone();
    let payload = api.body(call.request).await?;
    let draft = Draft {
        payload,
        content_type: content_type(&headers),
        app: &api.caller.app,
        topics,
        topic,
        metadata: &call.metadata,
        trace: Trace::of(&headers),
    };
    super::publish(api, &draft).await?;
    Ok(no_content())
}

/// POST an array of entries: 204 once all are durable. They are one commit: all or none.
pub(crate) async fn bulk(
    api: &Api,
    topics: &str,
    topic: &str,
    call: Call,
) -> Result<Response<Body>, ApiError> {
    super::find(api, topics, topic)?;
    let headers = call.request.headers().clone();
    let body = api.body(call.request).await?;
    let batch = Batch { topics, topic, metadata: &call.metadata, trace: Trace::of(&headers) };
    let sent: Vec<SentEntry<'_>> = serde_json::from_slice(&body).map_err(|error| {
        super::wrong_events(api, &batch, "DAPR_PUBSUB_UNMARSHAL_EVENTS", &error.to_string())
    })?;
    let entries: Vec<_> = sent.into_iter().map(|entry| entry.into_entry(&body)).collect();
    match super::publish_all(api, &batch, &entries).await? {
        Ok(()) => Ok(no_content()),
        Err(error) => {
            let failed = entries.iter().map(|entry| FailedEntry { id: &entry.id, error: &error.message });
            let failure = BulkFailure { failed: failed.collect(), code: error.code };
            Ok(answer(error.status, &failure))
        }
    }
}

fn content_type(headers: &HeaderMap) -> &str {
    headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

impl SentEntry<'_> {
    /// Its payload is a part of the body where it stands there as it is.
    fn into_entry(self, body: &Bytes) -> Entry {
        let Self { id, event, content_type, metadata } = self;
        let payload =
            event.map_or_else(|| Ok(Cow::default()), |event| cloud_event::payload_of(event, &content_type));
        let payload = payload.map(|payload| match payload {
            Cow::Borrowed(part) => body.slice_ref(part),
            Cow::Owned(bytes) => bytes.into(),
        });
        Entry { id, payload, content_type, metadata: metadata.unwrap_or_default() }
    }
}
