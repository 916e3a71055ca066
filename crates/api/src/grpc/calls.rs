//! `InvokeService`: calls of other apps by a message. They are made by a task beside the handlers, as a call must
//! stay on its thread.

use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;

use bytes::Bytes;
use dapr::dapr::proto::common::v1::http_extension::Verb;
use dapr::dapr::proto::common::v1::{InvokeRequest, InvokeResponse};
use dapr::dapr::proto::runtime::v1::InvokeServiceRequest;
use floodway_blocks::invoke::Body;
use http::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderValue, USER_AGENT};
use http::{Method, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use prost_types::Any;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tonic::{Request, Status};

use super::{From, Service, status};
use crate::error::ApiError;
use crate::invoke::{call, callee_uri};
use crate::listen::log_panic;
use crate::server::Api;

/// Calls that wait to be made.
const WAITING_MAX: usize = 1_024;

/// Where calls are asked for.
#[derive(Debug, Clone)]
pub(crate) struct Calls(mpsc::Sender<Asked>);

/// A call that is to be made.
#[derive(Debug)]
pub(crate) struct Asked {
    app: String,
    request: http::Request<Bytes>,
    from: IpAddr,
    answer: oneshot::Sender<Result<http::Response<Bytes>, ApiError>>,
}

impl Calls {
    pub(super) fn new() -> (Self, mpsc::Receiver<Asked>) {
        let (calls, called) = mpsc::channel(WAITING_MAX);
        (Self(calls), called)
    }
}

/// Makes calls until nobody can ask for one.
pub(super) async fn perform(api: Rc<Api>, mut called: mpsc::Receiver<Asked>) {
    let mut calls = JoinSet::new();
    loop {
        tokio::select! {
            asked = called.recv() => match asked {
                Some(asked) => drop(calls.spawn_local(perform_one(Rc::clone(&api), asked))),
                None => return,
            },
            Some(ended) = calls.join_next() => log_panic(ended),
        }
    }
}

async fn perform_one(api: Rc<Api>, asked: Asked) {
    let Asked { app, request, from, mut answer } = asked;
    let answered = tokio::select! {
        answered = whole(&api, &app, request, from) => answered,
        () = answer.closed() => return,
    };
    if answer.send(answered).is_err() {
        tracing::debug!(app, "whoever called has left");
    }
}

/// Calls, and reads the answer to its end.
async fn whole(
    api: &Api,
    app: &str,
    request: http::Request<Bytes>,
    from: IpAddr,
) -> Result<http::Response<Bytes>, ApiError> {
    let response = call(api, app, request.map(Body::full), from).await?;
    let (head, body) = response.into_parts();
    let limit = api.options.body_max;
    let broken = |status, why: String| {
        ApiError::new(status, "ERR_DIRECT_INVOKE", format!("failed to invoke, id: {app}, err: {why}"))
    };
    match Limited::new(body, limit).collect().await {
        Ok(body) => Ok(http::Response::from_parts(head, body.to_bytes())),
        Err(error) if error.is::<LengthLimitError>() => {
            let why = format!("the answer is larger than {limit} B");
            Err(broken(StatusCode::PAYLOAD_TOO_LARGE, why))
        }
        Err(error) => {
            Err(broken(StatusCode::INTERNAL_SERVER_ERROR, format!("the answer broke off: {error}")))
        }
    }
}

/// Calls a method of an app by HTTP. An answer that is no success is an error with the code for its status.
pub(super) async fn invoke_service(
    service: &Service,
    request: Request<InvokeServiceRequest>,
) -> Result<InvokeResponse, Status> {
    let from = request.extensions().get::<From>().map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |from| from.0);
    let (metadata, _, InvokeServiceRequest { id, message }) = request.into_parts();
    let message = message.ok_or_else(|| Status::invalid_argument("the request has no message"))?;
    let (answer, answered) = oneshot::channel();
    let request = to_http(message, metadata.into_headers())?;
    let asked = Asked { app: id, request, from, answer };
    let is_over = |_| Status::unavailable("the API is shutting down");
    service.calls.0.send(asked).await.map_err(|error| is_over(error.to_string()))?;
    let response = answered.await.map_err(|error| is_over(error.to_string()))??;
    from_http(response)
}

/// A message without a verb is a POST.
fn to_http(message: InvokeRequest, mut headers: HeaderMap) -> Result<http::Request<Bytes>, Status> {
    let InvokeRequest { method, data, content_type, http_extension } = message;
    let extension = http_extension.unwrap_or_default();
    let query = Some(&*extension.querystring).filter(|query| !query.is_empty());
    // SDKs name the whole of a path with its query.
    let (path, named) = method.split_once('?').map_or((&*method, None), |(path, query)| (path, Some(query)));
    for name in ["te", "grpc-encoding", "grpc-accept-encoding", "grpc-timeout", "content-length"] {
        headers.remove(name);
    }
    headers.remove(USER_AGENT);
    headers.remove(HOST);
    headers.remove(CONTENT_TYPE);
    if !content_type.is_empty() {
        let wrong = |_| Status::invalid_argument("the content type is no text of a header");
        headers.insert(CONTENT_TYPE, HeaderValue::try_from(content_type).map_err(wrong)?);
    }
    let mut request = http::Request::new(Bytes::from(data.unwrap_or_default().value));
    *request.method_mut() = verb(extension.verb)?;
    *request.uri_mut() = callee_uri(path, query.or(named))?;
    *request.headers_mut() = headers;
    Ok(request)
}

fn verb(verb: i32) -> Result<Method, Status> {
    match Verb::try_from(verb) {
        Ok(Verb::None | Verb::Post) => Ok(Method::POST),
        Ok(Verb::Get) => Ok(Method::GET),
        Ok(Verb::Head) => Ok(Method::HEAD),
        Ok(Verb::Put) => Ok(Method::PUT),
        Ok(Verb::Delete) => Ok(Method::DELETE),
        Ok(Verb::Options) => Ok(Method::OPTIONS),
        Ok(Verb::Trace) => Ok(Method::TRACE),
        Ok(Verb::Patch) => Ok(Method::PATCH),
        Ok(Verb::Connect) | Err(_) => Err(Status::invalid_argument("the verb is none that can be called")),
    }
}

fn from_http(response: http::Response<Bytes>) -> Result<InvokeResponse, Status> {
    let (head, body) = response.into_parts();
    if !head.status.is_success() {
        let code = status::from_http(head.status);
        let text = String::from_utf8_lossy(&body);
        let text = if text.is_empty() { head.status.to_string() } else { text.into_owned() };
        return Err(Status::new(code, text));
    }
    let content_type = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let data = Some(Any { type_url: String::new(), value: body.into() });
    Ok(InvokeResponse { data, content_type: content_type.unwrap_or_default().to_owned() })
}
