//! What can go wrong, by what the caller can do about it.

use std::num::ParseIntError;
use std::time::Duration;

use http::StatusCode;
use serde::Deserialize;

/// Why a call brought no result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API answered and refused, or its engine failed.
    #[error("{status} {code}: {message}")]
    Refused {
        /// The HTTP status.
        status: StatusCode,
        /// Dapr's name of the error, such as `ERR_STATE_SAVE`; empty where the answer had none.
        code: String,
        /// The reason, for people.
        message: String,
    },
    /// The API's port could not be reached, or the connection broke before the whole answer was there.
    /// The call may have had its effect.
    #[error("the block API did not answer {path}")]
    Broken {
        /// What was called.
        path: String,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No whole answer in time. The call may have had its effect.
    #[error("the block API did not answer {path} within {after:?}")]
    TimedOut {
        /// What was called.
        path: String,
        /// The client's timeout.
        after: Duration,
    },
    /// The answer came but does not have the form asked for.
    #[error("the answer to {path} could not be read")]
    Unreadable {
        /// What was called.
        path: String,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
    /// The value given cannot be written as JSON.
    #[error("a value could not be written as JSON")]
    Unwritable(#[source] serde_json::Error),
    /// A name, header or path given cannot stand in an HTTP request.
    #[error("{path} cannot be asked for")]
    Invalid {
        /// What was to be called.
        path: String,
        /// The cause.
        #[source]
        source: http::Error,
    },
}

/// Why a client could not be made from the environment.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The port is not given.
    #[error("the environment has no DAPR_HTTP_PORT; Floodway sets it for every replica it starts")]
    NoPort(#[source] std::env::VarError),
    /// The port is no port number.
    #[error("DAPR_HTTP_PORT is {text:?}, which is no port number")]
    BadPort {
        /// What was given.
        text: String,
        /// The cause.
        #[source]
        source: ParseIntError,
    },
    /// The token cannot stand in a header.
    #[error("DAPR_API_TOKEN cannot stand in an HTTP header")]
    BadToken(#[source] http::header::InvalidHeaderValue),
}

// === impl Error ===

impl Error {
    /// Whether a write failed because its precondition did not hold: read again and decide anew.
    ///
    /// A save answers 409. A transaction answers 500 on Dapr, which does not tell a lost race from other
    /// failures by its status; there the message decides.
    pub fn is_mismatch(&self) -> bool {
        match self {
            Self::Refused { status, .. } if *status == StatusCode::CONFLICT => true,
            Self::Refused { code, message, .. } => {
                code == "ERR_STATE_TRANSACTION" && message.to_ascii_lowercase().contains("etag mismatch")
            }
            Self::Broken { .. }
            | Self::TimedOut { .. }
            | Self::Unreadable { .. }
            | Self::Unwritable(_)
            | Self::Invalid { .. } => false,
        }
    }

    /// From an answer whose status is no success. Both of Dapr's error shapes begin the same.
    pub(crate) fn refused(status: StatusCode, body: &[u8]) -> Self {
        #[derive(Deserialize)]
        struct Shape {
            #[serde(rename = "errorCode", default)]
            code: String,
            #[serde(default)]
            message: String,
        }
        match serde_json::from_slice::<Shape>(body) {
            Ok(Shape { code, message }) => Self::Refused { status, code, message },
            Err(_) => Self::Refused {
                status,
                code: String::new(),
                message: String::from_utf8_lossy(body).trim().to_owned(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, body: &str) -> Error {
        Error::refused(StatusCode::from_u16(status).unwrap(), body.as_bytes())
    }

    #[test]
    fn reads_both_error_shapes_and_plain_text() {
        let simple = refused(409, r#"{"errorCode":"ERR_STATE_SAVE","message":"possible etag mismatch"}"#);
        let rich = refused(400, r#"{"errorCode":"ERR_X","message":"no","details":[{"reason":"DAPR_X"}]}"#);
        let plain = refused(401, "invalid api token\n");
        assert_eq!(simple.to_string(), "409 Conflict ERR_STATE_SAVE: possible etag mismatch");
        assert_eq!(rich.to_string(), "400 Bad Request ERR_X: no");
        assert_eq!(plain.to_string(), "401 Unauthorized : invalid api token");
    }

    #[test]
    fn knows_a_lost_race_by_either_status() {
        let by_status = refused(409, r#"{"errorCode":"ERR_STATE_SAVE","message":"x"}"#);
        let by_message = refused(
            500,
            r#"{"errorCode":"ERR_STATE_TRANSACTION","message":"error: possible etag mismatch. error from state store"}"#,
        );
        assert!(by_status.is_mismatch());
        assert!(by_message.is_mismatch());
    }

    #[test]
    fn does_not_take_a_failing_engine_for_a_lost_race() {
        let disk = refused(500, r#"{"errorCode":"ERR_STATE_TRANSACTION","message":"no space left"}"#);
        assert!(!disk.is_mismatch());
    }
}
