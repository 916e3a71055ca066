//! Calls to other services.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::client::segment;
use crate::{Client, Error};

/// What the called service answered, whatever its status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Its status.
    pub status: StatusCode,
    /// Its body.
    pub body: Bytes,
    path: String,
}

impl Client {
    /// Calls `path` (with its query, without a leading slash) of a replica of `app`, with `body` as JSON
    /// or with none. The callee's own errors come as a [`Reply`]; an [`Error`] says that no callee answered.
    pub async fn invoke(
        &self,
        app: &str,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<Reply, Error> {
        let path = format!("/v1.0/invoke/{}/method/{path}", segment(app));
        let mut headers = HeaderMap::new();
        let mut bytes = Bytes::new();
        if let Some(body) = body {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            bytes = serde_json::to_vec(body).map_err(Error::Unwritable)?.into();
        }
        let answer = self.send(method, &path, headers, bytes).await?;
        let (status, body) = (answer.status(), answer.into_body());
        match no_callee(status, &body) {
            Some(error) => Err(error),
            None => Ok(Reply { status, body, path }),
        }
    }
}

// === impl Reply ===

impl Reply {
    /// The body read as JSON.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body)
            .map_err(|source| Error::Unreadable { path: self.path.clone(), source })
    }
}

/// The API's own failure to reach the callee. Its error shape tells it from the callee's answers.
fn no_callee(status: StatusCode, body: &[u8]) -> Option<Error> {
    if status.is_success() {
        return None;
    }
    let error = Error::refused(status, body);
    matches!(&error, Error::Refused { code, .. } if code == "ERR_DIRECT_INVOKE").then_some(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_a_missing_callee_from_a_callee_in_trouble() {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        let ours = br#"{"errorCode":"ERR_DIRECT_INVOKE","message":"no replica of inventory is ready"}"#;
        assert!(no_callee(status, ours).is_some());
        assert!(no_callee(status, br#"{"title":"out of paper"}"#).is_none());
        assert!(no_callee(StatusCode::OK, ours).is_none());
    }
}
