//! Apps that are told by gRPC: Dapr's service `AppCallback`, which the app serves.

use std::cell::RefCell;
use std::fmt;

use bytes::Bytes;
use floodway_blocks::invoke::Body;
use http::uri::PathAndQuery;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Collected, LengthLimitError, Limited};
use prost::Message;
use tonic::metadata::MetadataMap;
use tonic::{Code, Extensions, Status};
use tonic_prost::ProstCodec;

pub(crate) const LIST_TOPICS: &str = "/dapr.proto.runtime.v1.AppCallback/ListTopicSubscriptions";
pub(crate) const ON_TOPIC: &str = "/dapr.proto.runtime.v1.AppCallback/OnTopicEvent";
pub(crate) const ON_JOB: &str = "/dapr.proto.runtime.v1.AppCallback/OnJobEvent";
pub(crate) const ON_JOB_ALPHA: &str = "/dapr.proto.runtime.v1.AppCallbackAlpha/OnJobEventAlpha1";

/// Why an app gave no answer.
#[derive(Debug)]
pub(crate) enum Refusal<E> {
    /// It could not be asked.
    Call(E),
    /// It refused, or its answer cannot be read.
    Status(Status),
}

/// Calls a method of an app by a request that `send` brings to it. Its answer is read up to `answer_max` bytes.
pub(crate) async fn ask<Q, A, E>(
    method: &'static str,
    (headers, message): (HeaderMap, Q),
    answer_max: usize,
    send: impl AsyncFnOnce(Request<Body>) -> Result<Response<Body>, E>,
) -> Result<tonic::Response<A>, Refusal<E>>
where
    Q: Message + 'static,
    A: Message + Default + 'static,
{
    let failed = RefCell::new(None);
    let mut send = Some(send);
    let transport = tower::service_fn(|request: Request<tonic::body::Body>| {
        let (send, failed) = (send.take(), &failed);
        async move {
            let send = send.ok_or_else(|| Status::internal("one request was sent before"))?;
            match send(request.map(Body::new)).await {
                Ok(response) => whole(response, answer_max).await,
                Err(error) => {
                    failed.replace(Some(error));
                    Err(Status::unavailable("it could not be asked"))
                }
            }
        }
    });
    let mut client = tonic::client::Grpc::new(transport).max_decoding_message_size(answer_max);
    let request =
        tonic::Request::from_parts(MetadataMap::from_headers(headers), Extensions::default(), message);
    let answered =
        client.unary(request, PathAndQuery::from_static(method), ProstCodec::<Q, A>::default()).await;
    answered.map_err(|status| failed.take().map_or_else(|| Refusal::Status(status), Refusal::Call))
}

/// All of an answer: what is in it, and its trailers.
async fn whole(response: Response<Body>, answer_max: usize) -> Result<Response<Collected<Bytes>>, Status> {
    let (head, body) = response.into_parts();
    // A message has five bytes before it.
    match Limited::new(body, answer_max.saturating_add(5)).collect().await {
        Ok(body) => Ok(Response::from_parts(head, body)),
        Err(error) if error.is::<LengthLimitError>() => {
            Err(Status::resource_exhausted(format!("the answer is larger than {answer_max} B")))
        }
        Err(error) => Err(Status::unknown(format!("the answer broke off: {error}"))),
    }
}

// === impl Refusal ===

impl<E> Refusal<E> {
    /// Whether the app has no such method.
    pub(crate) fn is_unknown(&self) -> bool {
        matches!(self, Self::Status(status) if status.code() == Code::Unimplemented)
    }
}

impl<E: fmt::Display> fmt::Display for Refusal<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(error) => error.fmt(f),
            Self::Status(status) => write!(f, "it answered {:?}: {}", status.code(), status.message()),
        }
    }
}
