//! What holds of an envelope around any payload: the entry point of a fuzz target in `fuzz`, and of the property
//! test beside this. It panics where it does not hold.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::value::RawValue;

use crate::cloud_event::grpc::to_grpc;
use crate::cloud_event::{Draft, Trace, message};
use crate::path::Metadata;

const TYPES: [&str; 4] =
    ["application/json", "text/plain", "application/octet-stream", "application/cloudevents+json"];

/// Publishes a payload as the type that the first byte names. It is refused, or its envelope is whole, and says to
/// a client of gRPC what was published.
pub fn cloud_event(bytes: &[u8]) {
    let Some((kind, payload)) = bytes.split_first() else { return };
    let content_type = TYPES[usize::from(*kind) % TYPES.len()];
    let draft = Draft {
        payload: Bytes::copy_from_slice(payload),
        content_type,
        app: "app",
        topics: "topics",
        topic: "topic",
        metadata: &Metadata::new(),
        trace: Trace::default(),
    };
    let message = match message(&draft) {
        Ok(message) => message,
        Err(error) => {
            return assert!(content_type == TYPES[3] && error.status.is_client_error(), "{error:?}");
        }
    };
    // Values as they were written: one may hold half of a surrogate pair, which JSON allows and no text can be.
    let envelope: BTreeMap<String, &RawValue> =
        serde_json::from_slice(&message.payload).expect("an envelope is JSON");
    for name in ["id", "source", "specversion", "type", "time"] {
        assert!(envelope.contains_key(name), "{name} is missing: {envelope:?}");
    }
    assert_eq!((envelope["topic"].get(), envelope["pubsubname"].get()), (r#""topic""#, r#""topics""#));
    let event = to_grpc(&message.payload, 1).expect("an envelope is an event");
    if content_type != TYPES[3] {
        assert_eq!(event.data, published(payload, content_type), "{envelope:?}");
    }
}

/// What a client should be told: JSON without the space around it, a text as far as it is one, bytes as they are.
fn published(payload: &[u8], content_type: &str) -> Vec<u8> {
    let text = || String::from_utf8_lossy(payload).into_owned();
    match serde_json::from_slice::<&RawValue>(payload) {
        Ok(json) if content_type == TYPES[0] => json.get().as_bytes().to_vec(),
        // What says that it is JSON and is none becomes a JSON text.
        Err(_) if content_type == TYPES[0] => serde_json::to_vec(&text()).expect("a text is JSON"),
        _ if content_type == TYPES[2] => {
            STANDARD.decode(STANDARD.encode(payload)).expect("it was just encoded")
        }
        _ => text().into_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use super::cloud_event;

    const PARTS: [&[u8]; 20] = [
        b"{",
        b"}",
        b"[",
        b"]",
        b":",
        b",",
        b"\"id\"",
        b"\"data\"",
        b"\"a\"",
        b"\"\\u0041\"",
        b"\"\\ud800\"",
        b"1e999",
        b"12345678901234567890.10",
        b"null",
        b"true",
        b" \n",
        b"\xff\xfe",
        b"\\",
        b"text",
        b"\0",
    ];

    /// xorshift64 (Marsaglia 2003).
    fn next(random: &mut u64) -> usize {
        *random ^= *random << 13;
        *random ^= *random >> 7;
        *random ^= *random << 17;
        usize::try_from(*random >> 33).unwrap()
    }

    #[test]
    fn any_payload_is_refused_or_comes_as_it_was_published() {
        for seed in 1..20_000u64 {
            let mut random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
            let mut bytes = vec![u8::try_from(seed % 4).unwrap()];
            for _ in 0..next(&mut random) % 8 {
                bytes.extend(PARTS[next(&mut random) % PARTS.len()]);
            }
            cloud_event(&bytes);
        }
    }

    #[test]
    fn envelopes_of_strangers_are_taken_whole() {
        let names = ["id", "data", "topic", "\\u0069d", "datacontenttype", "data_base64"];
        let values = ["1", "\"x\"", "null", "{\"a\":[1.50]}", "\"\\ud800\"", "\"====\""];
        for name in names {
            for value in values {
                let envelope = format!("\x03{{\"{name}\":{value},\"{name}\":{value}}}");
                cloud_event(envelope.as_bytes());
            }
        }
    }
}
