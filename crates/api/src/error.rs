//! Errors in Dapr's two shapes: simple (code and message) and rich (with details).

use std::time::Duration;

use bytes::Bytes;
use floodway_blocks::Failure;
use floodway_blocks::invoke::Body;
use floodway_blocks::state::WriteError;
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};

/// An answer that is an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) message: String,
    /// What the rich shape adds; empty for the simple one.
    pub(crate) details: Vec<Detail>,
    pub(crate) retry_after: Option<Duration>,
}

/// One thing more that is known of an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Detail {
    /// Why, and what else is known.
    Info { reason: &'static str, known: Vec<(String, String)> },
    /// The component that it is about, by its kind and name.
    Resource { kind: String, name: String },
    /// The field of the request that is wrong.
    Field(String),
}

#[derive(Serialize)]
struct Shape<'a> {
    #[serde(rename = "errorCode")]
    code: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    details: Vec<Value>,
}

/// Whose errors these are, in the words of [`Detail::Info`].
pub(crate) const DOMAIN: &str = "dapr.io";

const MALFORMED: &str = "ERR_MALFORMED_REQUEST";
const ERROR_INFO: &str = "type.googleapis.com/google.rpc.ErrorInfo";
const RESOURCE_INFO: &str = "type.googleapis.com/google.rpc.ResourceInfo";
const BAD_REQUEST: &str = "type.googleapis.com/google.rpc.BadRequest";

// === impl ApiError ===

impl ApiError {
    /// In the simple shape.
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), details: Vec::new(), retry_after: None }
    }

    /// The same with another status.
    pub(crate) fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// The same in the rich shape: why, and what else is known.
    pub(crate) fn rich(mut self, reason: &'static str, known: &[(&str, &str)]) -> Self {
        let known = known.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        self.details.push(Detail::Info { reason, known });
        self
    }

    /// The same in the rich shape, and what it is about: a component, by its kind and name.
    pub(crate) fn about(mut self, kind: &str, name: &str) -> Self {
        self.details.push(Detail::Resource { kind: kind.to_owned(), name: name.to_owned() });
        self
    }

    /// The same in the rich shape, and which field of the request is wrong.
    pub(crate) fn in_field(mut self, field: &str) -> Self {
        self.details.push(Detail::Field(field.to_owned()));
        self
    }

    pub(crate) fn malformed(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, MALFORMED, message)
    }

    /// The engine could not do it. Where it is only busy, the caller is told when to come back.
    pub(crate) fn failed(code: &'static str, what: &str, failure: &Failure) -> Self {
        let detail = with_causes(failure);
        let mut error = Self::new(StatusCode::INTERNAL_SERVER_ERROR, code, format!("{what}: {detail}"));
        match failure {
            Failure::Overloaded { retry_after, .. } | Failure::LeftAlone { retry_after, .. } => {
                error.status = StatusCode::SERVICE_UNAVAILABLE;
                error.retry_after = Some(*retry_after);
            }
            Failure::Stopping { .. } => error.status = StatusCode::SERVICE_UNAVAILABLE,
            Failure::TimedOut { .. } => tracing::warn!(error = detail, "a component did not answer in time"),
            Failure::Io { .. } | Failure::Damaged { .. } => {
                tracing::error!(error = detail, "an engine failed");
            }
        }
        error
    }

    /// A write that did not happen; `mismatch` is the status of a lost race.
    pub(crate) fn write(code: &'static str, what: &str, error: &WriteError, mismatch: StatusCode) -> Self {
        let status = match error {
            WriteError::Mismatch { .. } => mismatch,
            WriteError::InvalidEtag { .. } => StatusCode::BAD_REQUEST,
            WriteError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            WriteError::Failed(failure) => return Self::failed(code, what, failure),
        };
        Self::new(status, code, format!("{what}: {error}"))
    }

    fn shape(&self) -> Shape<'_> {
        let details = self.details.iter().map(|detail| detail.to_json(&self.message)).collect();
        Shape { code: self.code, message: &self.message, details }
    }

    pub(crate) fn into_response(self) -> Response<Body> {
        let mut response = answer(self.status, &self.shape());
        if let Some(after) = self.retry_after {
            // Whole seconds, rounded up: none at all would be no pause.
            let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        response
    }
}

// === impl Detail ===

impl Detail {
    /// In the form of the JSON of its protobuf type.
    fn to_json(&self, message: &str) -> Value {
        match self {
            Self::Info { reason, known } => {
                let mut info = json!({ "@type": ERROR_INFO, "domain": DOMAIN, "reason": reason });
                if !known.is_empty() {
                    info["metadata"] = known.iter().map(|(name, text)| (name.clone(), json!(text))).collect();
                }
                info
            }
            Self::Resource { kind, name } => json!({
                "@type": RESOURCE_INFO, "resource_type": kind, "resource_name": name, "owner": "",
                "description": message,
            }),
            Self::Field(field) => {
                let violation = json!({ "field": field, "description": message });
                json!({ "@type": BAD_REQUEST, "field_violations": [violation] })
            }
        }
    }
}

/// An error with all that lies beneath it.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// An answer of JSON.
pub(crate) fn answer(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    let body = serde_json::to_vec(value).expect("our own answers are JSON");
    respond(status, "application/json", body.into())
}

/// An answer with a body.
pub(crate) fn respond(status: StatusCode, content_type: &'static str, body: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::full(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// 204.
pub(crate) fn no_content() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn of(error: &ApiError) -> Value {
        serde_json::to_value(error.shape()).unwrap()
    }

    #[test]
    fn has_two_shapes() {
        let error = ApiError::malformed("no");
        assert_eq!(of(&error), json!({ "errorCode": "ERR_MALFORMED_REQUEST", "message": "no" }));
        let rich = error.rich("DAPR_X", &[("appID", "a")]).about("state", "s").in_field("k");
        let details = json!([
            { "@type": ERROR_INFO, "domain": "dapr.io", "reason": "DAPR_X", "metadata": { "appID": "a" } },
            { "@type": RESOURCE_INFO, "resource_type": "state", "resource_name": "s", "owner": "",
              "description": "no" },
            { "@type": BAD_REQUEST, "field_violations": [{ "field": "k", "description": "no" }] },
        ]);
        assert_eq!(of(&rich)["details"], details);
    }

    #[test]
    fn a_busy_engine_says_when_to_come_back() {
        let retry_after = Duration::from_millis(1_200);
        let busy = ApiError::failed("ERR_X", "x", &Failure::Overloaded { engine: "e", retry_after });
        let response = busy.into_response();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[RETRY_AFTER], "2");
    }

    #[test]
    fn a_failed_engine_says_what_lies_beneath() {
        let source = Arc::new(std::io::Error::other("disk full"));
        let failure = Failure::Io { engine: "e", attempt: "append".to_owned(), source };
        let error = ApiError::failed("ERR_X", "x", &failure);
        assert_eq!((error.status.as_u16(), error.retry_after), (500, None));
        assert_eq!(error.message, "x: e could not append: disk full");
    }
}
