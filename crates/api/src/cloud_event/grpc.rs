//! An envelope as a message of gRPC.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dapr::dapr::proto::runtime::v1::topic_event_response::TopicEventResponseStatus;
use dapr::dapr::proto::runtime::v1::{TopicEventRequest, TopicEventResponse};
use floodway_policy::delivery::Outcome;
use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value};

use super::fields::{Field, Fields};
use super::{essence_of, is_json};

/// Tells the app how often a message was tried, this time included.
const ATTEMPT: &str = "deliveryattempt";

/// The envelope's fields and the attempt; `None` where it is no JSON object. Data is bytes as they were published: JSON as it was
/// written, a text without its quotes, or what base64 stood for.
pub(crate) fn to_grpc(envelope: &[u8], attempt: u32) -> Option<TopicEventRequest> {
    let mut fields = Fields::read(envelope).ok()?;
    let mut text = |name: &str| fields.take(name).and_then(Field::into_text).map(Cow::into_owned);
    let mut event = TopicEventRequest {
        id: text("id").unwrap_or_default(),
        source: text("source").unwrap_or_default(),
        r#type: text("type").unwrap_or_default(),
        spec_version: text("specversion").unwrap_or_default(),
        data_content_type: text("datacontenttype").unwrap_or_default(),
        topic: text("topic").unwrap_or_default(),
        pubsub_name: text("pubsubname").unwrap_or_default(),
        ..TopicEventRequest::default()
    };
    let encoded = text("data_base64").and_then(|encoded| STANDARD.decode(encoded).ok());
    let written = fields.take("data").map(|data| data_of(data, &event.data_content_type));
    event.data = encoded.or(written).unwrap_or_default();
    let rest = fields.into_rest().map(|(name, value)| (name.into_owned(), extension(value)));
    let mut extensions: BTreeMap<_, _> = rest.collect();
    let attempt = Value { kind: Some(Kind::NumberValue(attempt.into())) };
    extensions.insert(ATTEMPT.to_owned(), attempt);
    event.extensions = Some(Struct { fields: extensions });
    Some(event)
}

/// What an app's answer to a message means. A status that is not known wants the message again.
pub(crate) fn outcome_of(answer: TopicEventResponse) -> Outcome {
    match TopicEventResponseStatus::try_from(answer.status) {
        Ok(TopicEventResponseStatus::Success) => Outcome::Success,
        Ok(TopicEventResponseStatus::Drop) => Outcome::Drop,
        Ok(TopicEventResponseStatus::Retry) | Err(_) => Outcome::Retry,
    }
}

fn data_of(data: Field<'_>, content_type: &str) -> Vec<u8> {
    let is_plain = !is_json(essence_of(content_type));
    match data {
        Field::Written(json) => {
            let text = is_plain.then(|| serde_json::from_str::<String>(json.get()).ok()).flatten();
            text.unwrap_or_else(|| json.get().to_owned()).into_bytes()
        }
        Field::Text(text) => text.into_owned().into_bytes(),
    }
}

fn extension(field: Field<'_>) -> Value {
    match field {
        Field::Written(json) => to_value(serde_json::from_str(json.get()).unwrap_or_default()),
        Field::Text(text) => Value { kind: Some(Kind::StringValue(text.into_owned())) },
    }
}

/// JSON as protobuf's type for it has it: a number that is more than a double can hold comes as a text.
fn to_value(json: serde_json::Value) -> Value {
    let kind = match json {
        serde_json::Value::Null => Kind::NullValue(0),
        serde_json::Value::Bool(flag) => Kind::BoolValue(flag),
        serde_json::Value::Number(number) => match number.as_f64() {
            Some(double) => Kind::NumberValue(double),
            None => Kind::StringValue(number.to_string()),
        },
        serde_json::Value::String(text) => Kind::StringValue(text),
        serde_json::Value::Array(values) => {
            Kind::ListValue(ListValue { values: values.into_iter().map(to_value).collect() })
        }
        serde_json::Value::Object(fields) => {
            let fields = fields.into_iter().map(|(name, value)| (name, to_value(value)));
            Kind::StructValue(Struct { fields: fields.collect() })
        }
    };
    Value { kind: Some(kind) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(envelope: &str) -> Vec<u8> {
        to_grpc(envelope.as_bytes(), 2).expect("an envelope").data
    }

    #[test]
    fn data_is_what_was_published() {
        assert_eq!(data(r#"{"datacontenttype":"application/json","data":{"n":1.10}}"#), br#"{"n":1.10}"#);
        assert_eq!(data(r#"{"datacontenttype":"application/json","data":"a"}"#), br#""a""#);
        assert_eq!(data(r#"{"datacontenttype":"text/plain","data":"a"}"#), b"a");
        assert_eq!(data(r#"{"datacontenttype":"application/octet-stream","data_base64":"AP8="}"#), [0, 255]);
        assert_eq!(data("{}"), b"");
    }

    #[test]
    fn other_fields_are_extensions() {
        let envelope = r#"{"id":"1","source":"s","type":"t","specversion":"1.0","topic":"a","pubsubname":"p",
            "traceid":"x","n":2,"list":[true,null]}"#;
        let event = to_grpc(envelope.as_bytes(), 2).expect("an envelope");
        assert_eq!((&*event.id, &*event.source, &*event.r#type), ("1", "s", "t"));
        assert_eq!((&*event.topic, &*event.pubsub_name, &*event.spec_version), ("a", "p", "1.0"));
        let extensions = event.extensions.expect("some").fields;
        assert_eq!(extensions.keys().collect::<Vec<_>>(), ["deliveryattempt", "list", "n", "traceid"]);
        assert_eq!(extensions[ATTEMPT].kind, Some(Kind::NumberValue(2.0)));
        assert_eq!(extensions["n"].kind, Some(Kind::NumberValue(2.0)));
        assert!(to_grpc(b"no envelope", 1).is_none());
    }
}
