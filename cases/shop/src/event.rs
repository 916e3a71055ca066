//! Deliveries: what arrives, and how the answer is said.

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A subscription, as `GET /dapr/subscribe` lists it.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Subscription {
    pub(crate) pubsubname: &'static str,
    pub(crate) topic: &'static str,
    pub(crate) route: &'static str,
}

/// What becomes of a delivered message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "status", rename_all = "UPPERCASE")]
pub(crate) enum Receipt {
    /// Its effect is stored.
    Success,
    /// Something it needs is not there now: deliver it again.
    Retry,
}

impl IntoResponse for Receipt {
    fn into_response(self) -> Response {
        Json(self).into_response()
    }
}

/// The data of a `CloudEvent`. Data published without a JSON content type arrives as text that holds
/// the JSON; both are read.
pub(crate) fn data_of<T: DeserializeOwned>(envelope: &[u8]) -> Result<T, serde_json::Error> {
    #[derive(Deserialize)]
    struct Envelope<'a> {
        #[serde(borrow)]
        data: &'a RawValue,
    }
    let Envelope { data } = serde_json::from_slice(envelope)?;
    if data.get().starts_with('"') {
        let text: String = serde_json::from_str(data.get())?;
        return serde_json::from_str(&text);
    }
    serde_json::from_str(data.get())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Data {
        n: Vec<u64>,
    }

    #[test]
    fn reads_data_as_json_and_as_text_that_holds_json() {
        let json = br#"{"id":"1","data":{"n":[1,2]},"type":"com.dapr.event.sent"}"#;
        let text = br#"{"id":"1","datacontenttype":"text/plain","data":"{\"n\":[1,2]}"}"#;
        let data = Data { n: vec![1, 2] };
        assert_eq!(data_of::<Data>(json).unwrap(), data);
        assert_eq!(data_of::<Data>(text).unwrap(), data);
    }

    #[test]
    fn refuses_an_envelope_without_data() {
        assert!(data_of::<u64>(br#"{"id":"1"}"#).is_err());
    }

    #[test]
    fn says_receipts_in_the_words_of_the_api() {
        assert_eq!(serde_json::to_string(&Receipt::Success).unwrap(), r#"{"status":"SUCCESS"}"#);
        assert_eq!(serde_json::to_string(&Receipt::Retry).unwrap(), r#"{"status":"RETRY"}"#);
    }
}
