//! Requests of the node's own to an app: a job that is due, a change of configuration, a binding's event.

pub(crate) mod callback;

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use floodway_blocks::invoke::{Body, Invoke, InvokeError};
use http::header::{CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use prost::Message;

use crate::deliver::{ANSWER_MAX, read, secret};
use crate::server::API_TOKEN;
use callback::Refusal;

/// An app that is told something.
#[derive(Debug, Clone)]
pub(crate) struct ToApp {
    pub(crate) name: Rc<str>,
    pub(crate) invoke: Rc<dyn Invoke>,
    pub(crate) token: Option<HeaderValue>,
}

/// What an app is told.
#[derive(Debug, Clone)]
pub(crate) struct Tell {
    pub(crate) method: Method,
    /// Encoded as a path must be.
    pub(crate) path: String,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// JSON, or nothing.
    pub(crate) body: Bytes,
}

/// Why an app gave no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TellError {
    /// No replica took it: nothing was sent.
    #[error("no replica of {0} can be reached")]
    Unreachable(Rc<str>),
    /// It may have been taken.
    #[error("{0}")]
    Failed(String),
}

impl ToApp {
    pub(crate) fn new(app: &str, invoke: Rc<dyn Invoke>, token: Option<&str>) -> Self {
        Self { name: app.into(), invoke, token: token.and_then(|token| secret(app, token)) }
    }

    /// Tells it one of its replicas and answers with the status; what else the answer says is read, so that
    /// the connection can serve again, and dropped.
    pub(crate) async fn tell(&self, tell: Tell, within: Duration) -> Result<StatusCode, TellError> {
        let whole = async {
            let response = self.invoke.invoke(&self.name, self.request(tell)).await?;
            let status = response.status();
            if let Err(error) = read(response).await {
                tracing::debug!(%error, app = &*self.name, "the body of an answer was left unread");
            }
            Ok(status)
        };
        match tokio::time::timeout(within, whole).await {
            Ok(Ok(status)) => Ok(status),
            Ok(Err(InvokeError::NoEndpoint { .. } | InvokeError::Unreachable { .. })) => {
                Err(TellError::Unreachable(Rc::clone(&self.name)))
            }
            Ok(Err(error)) => Err(TellError::Failed(error.to_string())),
            Err(_elapsed) => Err(TellError::Failed(format!("it did not answer within {within:?}"))),
        }
    }

    /// Calls a method of one of its replicas by gRPC.
    pub(crate) async fn call<Q, A>(&self, method: &'static str, message: Q) -> Result<A, Refusal<InvokeError>>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        let send = async |request| self.send(request).await;
        // Boxed, as it is large beside what tells an app by HTTP.
        let answered = Box::pin(callback::ask(method, (HeaderMap::new(), message), ANSWER_MAX, send)).await;
        answered.map(tonic::Response::into_inner)
    }

    /// The same by the method's older name where the app does not know it.
    pub(crate) async fn call_by_either<Q, A>(
        &self,
        [method, older]: [&'static str; 2],
        message: Q,
    ) -> Result<A, Refusal<InvokeError>>
    where
        Q: Message + Clone + 'static,
        A: Message + Default + 'static,
    {
        match self.call(method, message.clone()).await {
            Err(refusal) if refusal.is_unknown() => self.call(older, message).await,
            answered => answered,
        }
    }

    async fn send(&self, mut request: Request<Body>) -> Result<Response<Body>, InvokeError> {
        let headers = request.headers_mut();
        headers.insert(HOST, self.host());
        if let Some(token) = &self.token {
            headers.insert(API_TOKEN, token.clone());
        }
        self.invoke.invoke(&self.name, request).await
    }

    fn host(&self) -> HeaderValue {
        HeaderValue::from_str(&self.name).expect("service names are plain")
    }

    fn request(&self, Tell { method, path, headers, body }: Tell) -> Request<Body> {
        let mut request = Request::new(Body::full(body));
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().expect("paths are encoded where they are made");
        let all = request.headers_mut();
        all.extend(headers);
        all.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        all.insert(HOST, self.host());
        if let Some(token) = &self.token {
            all.insert(API_TOKEN, token.clone());
        }
        request
    }
}

impl Tell {
    /// A POST with a body of JSON.
    pub(crate) fn post(path: String, body: Bytes) -> Self {
        Self { method: Method::POST, path, headers: Vec::new(), body }
    }
}
