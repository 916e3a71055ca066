//! The connection to the API, and one request over it.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use http::uri::{Authority, Scheme};
use http::{HeaderName, Method, Request, Response, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::{self, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use crate::{Error, SetupError, State};

/// Time for a whole call where none is set.
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);
/// The largest answer that is taken in, in bytes.
const ANSWER_MAX: usize = 64 << 20;
/// Connections kept open while unused.
const IDLE_MAX: usize = 256;
/// How long an unused connection is kept. Shorter than servers keep theirs, so that a call rarely meets
/// a connection that is being closed.
const IDLE_TIME: Duration = Duration::from_secs(30);
/// What stands unescaped in one segment of a path.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

const API_TOKEN: HeaderName = HeaderName::from_static("dapr-api-token");

/// A client of one API port. Cheap to clone; clones share their connections.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    http: legacy::Client<HttpConnector, Full<Bytes>>,
    address: SocketAddr,
    authority: Authority,
    token: Option<HeaderValue>,
    timeout: Duration,
}

// === impl Client ===

impl Client {
    /// The client of the replica this process is: port from `DAPR_HTTP_PORT`, token from
    /// `DAPR_API_TOKEN` if it is set and not empty.
    pub fn from_env() -> Result<Self, SetupError> {
        let text = std::env::var("DAPR_HTTP_PORT").map_err(SetupError::NoPort)?;
        let port = text.parse().map_err(|source| SetupError::BadPort { text, source })?;
        let client = Self::new(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        match std::env::var("DAPR_API_TOKEN") {
            Ok(token) if !token.is_empty() => client.with_token(&token),
            Ok(_) | Err(_) => Ok(client),
        }
    }

    /// A client of the API at `address`, without a token.
    pub fn new(address: SocketAddr) -> Self {
        Self::build(address, None, TIMEOUT_DEFAULT)
    }

    /// The same client with another time for each whole call, the answer's body included.
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        Self::build(self.shared.address, self.shared.token.clone(), timeout)
    }

    /// The same client with a token in every call.
    pub fn with_token(&self, token: &str) -> Result<Self, SetupError> {
        let token = HeaderValue::from_str(token).map_err(SetupError::BadToken)?;
        Ok(Self::build(self.shared.address, Some(token), self.shared.timeout))
    }

    /// A state store by its name in the system file.
    pub fn state(&self, store: &str) -> State {
        State::new(self.clone(), store)
    }

    fn build(address: SocketAddr, token: Option<HeaderValue>, timeout: Duration) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let http = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIME)
            .pool_max_idle_per_host(IDLE_MAX)
            .build(connector);
        let authority = Authority::try_from(address.to_string()).expect("a socket address is an authority");
        Self { shared: Arc::new(Shared { http, address, authority, token, timeout }) }
    }

    /// Sends JSON and gives back the body of a success.
    pub(crate) async fn post_json(&self, path: String, body: &impl Serialize) -> Result<Bytes, Error> {
        let body = serde_json::to_vec(body).map_err(Error::Unwritable)?;
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let answer = self.send(Method::POST, &path, headers, body.into()).await?;
        succeeded(answer).map(Response::into_body)
    }

    /// One request and its whole answer, whatever its status.
    ///
    /// Cancel safe in that the request is broken off; it may still have its effect.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response<Bytes>, Error> {
        let request = self.request(method, path, headers, body)?;
        let after = self.shared.timeout;
        match tokio::time::timeout(after, self.exchange(request)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(source)) => Err(Error::Broken { path: path.to_owned(), source }),
            Err(_elapsed) => Err(Error::TimedOut { path: path.to_owned(), after }),
        }
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Request<Full<Bytes>>, Error> {
        let invalid = |source| Error::Invalid { path: path.to_owned(), source };
        let authority = self.shared.authority.clone();
        let uri = Uri::builder().scheme(Scheme::HTTP).authority(authority).path_and_query(path).build();
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = uri.map_err(invalid)?;
        *request.headers_mut() = headers;
        if let Some(token) = &self.shared.token {
            request.headers_mut().insert(API_TOKEN, token.clone());
        }
        Ok(request)
    }

    async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Bytes>, Box<dyn std::error::Error + Send + Sync>> {
        let (head, body) = self.shared.http.request(request).await?.into_parts();
        let body = Limited::new(body, ANSWER_MAX).collect().await?.to_bytes();
        Ok(Response::from_parts(head, body))
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shared { http: _, authority: _, address, token, timeout } = &*self.shared;
        f.debug_struct("Client")
            .field("address", address)
            .field("has_token", &token.is_some())
            .field("timeout", timeout)
            .finish_non_exhaustive()
    }
}

/// The answer if its status is a success, else the error it carries.
pub(crate) fn succeeded(answer: Response<Bytes>) -> Result<Response<Bytes>, Error> {
    if answer.status().is_success() {
        return Ok(answer);
    }
    Err(Error::refused(answer.status(), answer.body()))
}

/// `text` as one segment of a path.
pub(crate) fn segment(text: &str) -> impl fmt::Display + '_ {
    utf8_percent_encode(text, SEGMENT)
}
