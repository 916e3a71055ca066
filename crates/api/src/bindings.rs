//! Output bindings: what an invocation means, and its HTTP face. [`cron`] tells services of the time.

pub(crate) mod cron;
pub(crate) mod grpc;

use std::collections::BTreeMap;

use bytes::Bytes;
use floodway_blocks::bindings::{BindingError, Invocation, Reply};
use floodway_blocks::invoke::Body;
use http::header::{HeaderName, HeaderValue};
use http::{Response, StatusCode};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::components::Components;
use crate::error::{ApiError, respond};
use crate::server::{Api, Call};

/// Why an invocation brought nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InvokeBindingError {
    #[error("couldn't find output binding {0}")]
    Unknown(String),
    #[error(transparent)]
    Binding(#[from] BindingError),
}

#[derive(Debug, Deserialize)]
struct Request {
    #[serde(default)]
    operation: String,
    #[serde(default)]
    data: Option<Box<RawValue>>,
    #[serde(default)]
    metadata: Option<BTreeMap<String, String>>,
}

/// Asks an output binding, once.
pub(crate) async fn invoke(
    components: &Components,
    name: &str,
    invocation: Invocation,
) -> Result<Reply, InvokeBindingError> {
    let binding = components.bindings.get(name);
    let binding = binding.ok_or_else(|| InvokeBindingError::Unknown(name.to_owned()))?;
    Ok(binding.invoke(invocation).await?)
}

/// POST: 200 with what came back; its metadata are headers, on errors too.
pub(crate) async fn http_invoke(api: &Api, name: &str, call: Call) -> Result<Response<Body>, ApiError> {
    let traces = ["traceparent", "tracestate", "baggage"].map(|header| {
        let value = call.request.headers().get(header).and_then(|value| value.to_str().ok());
        value.map(|value| (header.to_owned(), value.to_owned()))
    });
    let body = api.body(call.request).await?;
    let unreadable = |error| ApiError::malformed(format!("failed to read the body: {error}"));
    let request: Request = serde_json::from_slice(&body).map_err(unreadable)?;
    let mut metadata = request.metadata.unwrap_or_default();
    metadata.extend(traces.into_iter().flatten());
    // Without data it is JSON still.
    let data = request.data.as_deref().map_or("null", RawValue::get);
    let data = Bytes::copy_from_slice(data.as_bytes());
    let invocation = Invocation { operation: request.operation, data, metadata };
    Ok(match invoke(&api.components, name, invocation).await {
        Ok(Reply { data, metadata }) => {
            let mut response = respond(StatusCode::OK, "application/json", data);
            tell(&metadata, &mut response);
            response
        }
        Err(error) => {
            let mut response = error_of(name, &error).into_response();
            if let InvokeBindingError::Binding(BindingError::Refused { reply, .. }) = &error {
                tell(&reply.metadata, &mut response);
            }
            response
        }
    })
}

fn error_of(name: &str, error: &InvokeBindingError) -> ApiError {
    let code = "ERR_INVOKE_OUTPUT_BINDING";
    let what = format!("error invoking output binding {name}");
    match error {
        InvokeBindingError::Binding(BindingError::Failed(failure)) => ApiError::failed(code, &what, failure),
        error => ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, code, format!("{what}: {error}")),
    }
}

/// Metadata as headers; what cannot be one is left out.
fn tell(metadata: &BTreeMap<String, String>, response: &mut Response<Body>) {
    for (name, value) in metadata {
        let name = HeaderName::try_from(format!("metadata.{name}"));
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value)) {
            response.headers_mut().append(name, value);
        }
    }
}
