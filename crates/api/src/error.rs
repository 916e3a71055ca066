//! Errors in Dapr's two shapes: simple (code and message) and rich (with details).

use std::time::Duration;

use bytes::Bytes;
use floodway_blocks::Failure;
use floodway_blocks::invoke::Body;
use floodway_blocks::state::WriteError;
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use serde::Serialize;

/// An answer that is an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) message: String,
    /// The reason of the rich shape.
    pub(crate) reason: Option<&'static str>,
    pub(crate) retry_after: Option<Duration>,
}

#[derive(Serialize)]
struct Shape<'a> {
    #[serde(rename = "errorCode")]
    code: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    details: Vec<Detail<'a>>,
}

#[derive(Serialize)]
struct Detail<'a> {
    #[serde(rename = "@type")]
    kind: &'static str,
    domain: &'static str,
    reason: &'a str,
}

const MALFORMED: &str = "ERR_MALFORMED_REQUEST";

// === impl ApiError ===

impl ApiError {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), reason: None, retry_after: None }
    }

    /// The same in the rich shape.
    pub(crate) fn rich(mut self, reason: &'static str) -> Self {
        self.reason = Some(reason);
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
            Failure::Overloaded { retry_after, .. } => {
                error.status = StatusCode::SERVICE_UNAVAILABLE;
                error.retry_after = Some(*retry_after);
            }
            Failure::Stopping { .. } => error.status = StatusCode::SERVICE_UNAVAILABLE,
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

    pub(crate) fn into_response(self) -> Response<Body> {
        let detail =
            |reason| Detail { kind: "type.googleapis.com/google.rpc.ErrorInfo", domain: "dapr.io", reason };
        let details = self.reason.map(detail).into_iter().collect();
        let shape = Shape { code: self.code, message: &self.message, details };
        let mut response = json(self.status, &shape);
        if let Some(after) = self.retry_after {
            // Whole seconds, rounded up: none at all would be no pause.
            let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        response
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
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Response<Body> {
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
