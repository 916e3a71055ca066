//! The envelope of a message: a `CloudEvent` 1.0 in its JSON format, with the fields that Dapr adds.

mod fields;
pub(crate) mod grpc;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64::DecodeError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use floodway_blocks::topics::{KEY_MAX, Outgoing};
use floodway_policy::calendar::Moment;
use floodway_policy::schedule::point;
use http::StatusCode;
use http::header::HeaderMap;
use serde_json::value::RawValue;
use uuid::Uuid;

use self::fields::Fields;
use crate::clock;
use crate::error::ApiError;
use crate::path::{self, Metadata};

/// What an envelope is made of.
#[derive(Debug)]
pub(crate) struct Draft<'a> {
    pub(crate) payload: Bytes,
    pub(crate) content_type: &'a str,
    /// Who publishes.
    pub(crate) app: &'a str,
    pub(crate) topics: &'a str,
    pub(crate) topic: &'a str,
    pub(crate) metadata: &'a Metadata,
    pub(crate) trace: Trace<'a>,
}

/// The trace that a publication belongs to, as its request's headers say (W3C Trace Context).
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Trace<'a> {
    parent: Option<&'a str>,
    state: Option<&'a str>,
}

impl<'a> Trace<'a> {
    pub(crate) fn of(headers: &'a HeaderMap) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        Self { parent: text("traceparent"), state: text("tracestate") }
    }
}

const CLOUD_EVENT: &str = "application/cloudevents+json";
/// A field of the envelope, and the metadata that sets it.
const OVERRIDES: [(&str, &str); 7] = [
    ("id", "cloudevent.id"),
    ("source", "cloudevent.source"),
    ("type", "cloudevent.type"),
    ("subject", "cloudevent.subject"),
    ("traceid", "cloudevent.traceid"),
    ("traceparent", "cloudevent.traceparent"),
    ("tracestate", "cloudevent.tracestate"),
];

/// The message of a draft: its envelope and when it expires. With `rawPayload` the payload stays as it is.
pub(crate) fn message(draft: &Draft<'_>) -> Result<Outgoing, ApiError> {
    let ttl = path::ttl(draft.metadata)?;
    let expires = ttl.map(|ttl| clock::wall() + ttl);
    let (key, due) = (key(draft.metadata)?, due(draft.metadata)?);
    if path::is_on(draft.metadata, "rawPayload") {
        // A copy, as it may be a small part of a large request.
        return Ok(Outgoing { expires, key, due, ..Outgoing::new(Bytes::copy_from_slice(&draft.payload)) });
    }
    let fields = envelope(draft, expires)?;
    let expires = expires.or_else(|| expiration(&fields));
    Ok(Outgoing { expires, key, due, ..Outgoing::new(fields.encode(draft.payload.len())) })
}

/// When a message is published: metadata `delay` (a duration) or `dueTime` (that or a moment, as of a job).
fn due(metadata: &Metadata) -> Result<Option<SystemTime>, ApiError> {
    let Some((name, text)) =
        ["dueTime", "delay"].iter().find_map(|name| Some((name, path::property(metadata, name)?)))
    else {
        return Ok(None);
    };
    let wrong = |error| ApiError::malformed(format!("{name} `{text}` cannot be read: {error}"));
    let Moment(millis) = point(text, clock::moment()).map_err(wrong)?;
    Ok(Some(SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(millis).unwrap_or(0))))
}

/// Whose messages are taken one after another: metadata `partitionKey`, an empty one is none.
fn key(metadata: &Metadata) -> Result<Option<Arc<str>>, ApiError> {
    let key = path::property(metadata, "partitionKey").filter(|key| !key.is_empty());
    if key.is_some_and(|key| key.len() > KEY_MAX) {
        return Err(ApiError::malformed(format!("partitionKey is longer than {KEY_MAX} bytes")));
    }
    Ok(key.map(Arc::from))
}

/// The payload that a JSON value stands for: JSON as it was written where the type is JSON (or none is
/// given and it is no text), else a text without its quotes, or the bytes that it encodes.
pub(crate) fn payload_of<'a>(event: &'a RawValue, content_type: &str) -> Result<Cow<'a, [u8]>, DecodeError> {
    let essence = essence_of(content_type);
    let text = if is_json(essence) { None } else { serde_json::from_str::<String>(event.get()).ok() };
    match text {
        None => Ok(Cow::Borrowed(event.get().as_bytes())),
        Some(text) if is_binary(essence) => STANDARD.decode(text).map(Cow::Owned),
        Some(text) => Ok(Cow::Owned(text.into_bytes())),
    }
}

/// An envelope around a payload that was published raw, for its subscriber.
pub(crate) fn wrap_raw(payload: &[u8], topics: &str, topic: &str, source: &str) -> Bytes {
    let mut fields = Fields::default();
    fields.set("data_base64", STANDARD.encode(payload));
    fields.set("datacontenttype", "application/octet-stream");
    fields.set("topic", topic);
    fields.set("pubsubname", topics);
    fill_gaps(&mut fields, source);
    // Three bytes become four characters.
    fields.encode(payload.len() / 3 * 4)
}

fn envelope<'a>(draft: &'a Draft<'_>, expires: Option<SystemTime>) -> Result<Fields<'a>, ApiError> {
    let mut fields = if is_cloud_event(draft.content_type) { given(draft)? } else { made(draft) };
    fields.set("topic", draft.topic);
    fields.set("pubsubname", draft.topics);
    for (name, property) in OVERRIDES {
        if let Some(value) = path::property(draft.metadata, property) {
            fields.set(name, value);
        }
    }
    // A parent that metadata names is the trace; both names of it say the same.
    let named = path::property(draft.metadata, "cloudevent.traceparent");
    if let Some(parent) = named.or(draft.trace.parent) {
        fields.set_missing("traceparent", || parent);
        fields.set_missing("traceid", || parent);
    }
    if let Some(state) = draft.trace.state {
        fields.set_missing("tracestate", || state);
    }
    fill_gaps(&mut fields, draft.app);
    if let Some(expires) = expires.and_then(clock::rfc3339) {
        fields.set("expiration", expires);
    }
    Ok(fields)
}

/// When an envelope says itself that it expires, as one that is passed on may.
fn expiration(fields: &Fields<'_>) -> Option<SystemTime> {
    fields.text("expiration")?.parse::<jiff::Timestamp>().ok().map(SystemTime::from)
}

fn given<'a>(draft: &'a Draft<'_>) -> Result<Fields<'a>, ApiError> {
    Fields::read(&draft.payload).map_err(|error| {
        let message = format!("the payload is no cloud event: {error}");
        ApiError::new(StatusCode::BAD_REQUEST, "ERR_PUBSUB_CLOUD_EVENTS_SER", message)
            .rich("DAPR_PUBSUB_CLOUD_EVENT_CREATION", &[("appID", draft.app)])
            .about("pubsub", draft.topics)
    })
}

fn made<'a>(draft: &'a Draft<'_>) -> Fields<'a> {
    let mut fields = Fields::default();
    let content_type = if draft.content_type.is_empty() { "text/plain" } else { draft.content_type };
    fields.set("datacontenttype", content_type);
    let essence = essence_of(content_type);
    if is_json(essence)
        && let Ok(data) = serde_json::from_slice::<&RawValue>(&draft.payload)
    {
        fields.set_written("data", data);
    } else if is_binary(essence) {
        fields.set("data_base64", STANDARD.encode(&draft.payload));
    } else {
        fields.set("data", String::from_utf8_lossy(&draft.payload));
    }
    fields
}

fn fill_gaps<'a>(fields: &mut Fields<'a>, source: &'a str) {
    fields.set_missing("id", || Uuid::new_v4().to_string());
    fields.set_missing("source", || source);
    fields.set_missing("specversion", || "1.0");
    fields.set_missing("type", || "com.dapr.event.sent");
    fields.set_missing("time", || clock::rfc3339(clock::wall()).unwrap_or_default());
}

/// The type without its parameters.
fn essence_of(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}

fn is_cloud_event(content_type: &str) -> bool {
    essence_of(content_type).eq_ignore_ascii_case(CLOUD_EVENT)
}

fn is_json(essence: &str) -> bool {
    essence.eq_ignore_ascii_case("application/json") || essence.ends_with("+json")
}

fn is_binary(essence: &str) -> bool {
    essence.eq_ignore_ascii_case("application/octet-stream")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn made_of(payload: &'static str, content_type: &str, metadata: &[(&str, &str)]) -> Value {
        let metadata =
            metadata.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let draft = Draft {
            payload: payload.into(),
            content_type,
            app: "order",
            topics: "events",
            topic: "orders",
            metadata: &metadata,
            trace: Trace::default(),
        };
        let message = message(&draft).expect("a message");
        serde_json::from_slice(&message.payload)
            .unwrap_or_else(|_| json!(String::from_utf8_lossy(&message.payload)))
    }

    #[test]
    fn wraps_json_as_it_was_written() {
        let payload = r#"{"n":12345678901234567890123.50}"#;
        let event = made_of(payload, "application/json; charset=utf-8", &[]);
        assert_eq!(event["data"].to_string(), payload);
        assert_eq!(event["source"], "order");
        assert_eq!(event["type"], "com.dapr.event.sent");
        assert_eq!(event["specversion"], "1.0");
        assert_eq!((&event["topic"], &event["pubsubname"]), (&json!("orders"), &json!("events")));
        assert_eq!(event["id"].as_str().map(str::len), Some(36));
        assert!(event["time"].as_str().is_some_and(|time| time.ends_with('Z')));
    }

    #[test]
    fn keeps_text_and_encodes_bytes() {
        assert_eq!(made_of("hello", "", &[])["data"], "hello");
        assert_eq!(made_of("hello", "", &[])["datacontenttype"], "text/plain");
        assert_eq!(made_of("no json", "application/json", &[])["data"], "no json");
        assert_eq!(made_of("hello", "application/octet-stream", &[])["data_base64"], "aGVsbG8=");
    }

    #[test]
    fn keeps_an_envelope_and_fills_its_gaps() {
        let event = made_of(r#"{"id":"7","topic":"other","data":1.50}"#, CLOUD_EVENT, &[]);
        assert_eq!((&event["id"], &event["topic"]), (&json!("7"), &json!("orders")));
        assert_eq!(event["data"].to_string(), "1.50");
        assert_eq!(event["source"], "order");
    }

    #[test]
    fn metadata_sets_fields() {
        let event =
            made_of("x", "", &[("cloudevent.id", "mine"), ("cloudevent.type", "t"), ("ttlInSeconds", "9")]);
        assert_eq!((&event["id"], &event["type"]), (&json!("mine"), &json!("t")));
        assert!(event["expiration"].is_string());
    }

    #[test]
    fn an_envelope_that_says_when_it_expires_does() {
        let of = |payload: &'static str, metadata: &[(&str, &str)]| {
            let metadata =
                metadata.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            let (payload, content_type, trace) = (payload.into(), CLOUD_EVENT, Trace::default());
            let (app, topics, topic) = ("order", "events", "orders");
            message(&Draft { payload, content_type, app, topics, topic, metadata: &metadata, trace })
                .expect("a message")
                .expires
        };
        let moment: jiff::Timestamp = "2027-01-02T03:04:05Z".parse().expect("a time");
        let given = r#"{"id":"1","expiration":"2027-01-02T04:04:05+01:00"}"#;
        assert_eq!(of(given, &[]), Some(SystemTime::from(moment)));
        assert!(
            of(given, &[("ttlInSeconds", "9")]).is_some_and(|expires| expires < SystemTime::from(moment))
        );
        assert_eq!(of(r#"{"id":"1","expiration":"soon"}"#, &[]), None);
        assert_eq!(of(r#"{"id":"1"}"#, &[]), None);
    }

    #[test]
    fn the_trace_of_the_request_is_passed_on() {
        let headers = HeaderMap::from_iter([
            ("traceparent".parse().unwrap(), http::HeaderValue::from_static("00-1-2-01")),
            ("tracestate".parse().unwrap(), http::HeaderValue::from_static("a=b")),
        ]);
        let of = |metadata: &Metadata| {
            let (payload, content_type) = ("x".into(), "");
            let (app, topics, topic, trace) = ("order", "events", "orders", Trace::of(&headers));
            let draft = Draft { payload, content_type, app, topics, topic, metadata, trace };
            let message = message(&draft).expect("a message");
            serde_json::from_slice::<Value>(&message.payload).expect("an envelope")
        };
        let event = of(&Metadata::new());
        assert_eq!((&event["traceparent"], &event["traceid"]), (&json!("00-1-2-01"), &json!("00-1-2-01")));
        assert_eq!(event["tracestate"], "a=b");
        let event = of(&Metadata::from([("cloudevent.traceparent".to_owned(), "mine".to_owned())]));
        assert_eq!((&event["traceparent"], &event["traceid"]), (&json!("mine"), &json!("mine")));
    }

    #[test]
    fn a_value_stands_for_a_payload_by_its_type() {
        let of = |value: &str, content_type: &str| {
            let value = RawValue::from_string(value.to_owned()).expect("JSON");
            payload_of(&value, content_type).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        };
        assert_eq!(of(r#""a""#, "application/json").unwrap(), r#""a""#);
        assert_eq!(of(r#""a""#, "text/plain").unwrap(), "a");
        assert_eq!(of(r#"{"n":1.50}"#, "").unwrap(), r#"{"n":1.50}"#);
        assert_eq!(of(r#""aGVsbG8=""#, "application/octet-stream").unwrap(), "hello");
        assert!(of(r#""?""#, "application/octet-stream").is_err());
    }

    #[test]
    fn a_raw_payload_stays_as_it_is() {
        assert_eq!(made_of("x", "", &[("rawPayload", "true")]), json!("x"));
    }

    #[test]
    fn refuses_an_envelope_that_is_no_json() {
        let metadata = Metadata::new();
        let draft = Draft {
            payload: "x".into(),
            content_type: CLOUD_EVENT,
            app: "a",
            topics: "t",
            topic: "t",
            metadata: &metadata,
            trace: Trace::default(),
        };
        assert_eq!(message(&draft).expect_err("no envelope").status, StatusCode::BAD_REQUEST);
    }
}
