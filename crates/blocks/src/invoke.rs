//! Invocation: a call to a replica of another service.
//!
//! The gateway implements it per worker; the API uses it for calls, deliveries and discovery of
//! subscriptions. Its futures stay on the worker's thread, as the worker's pools and policy state do.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Frame, SizeHint};
use http_body_util::{BodyExt, Full};

/// A body that streams through, on its worker's thread.
pub struct Body(Pin<Box<dyn http_body::Body<Data = Bytes, Error = BodyError>>>);
/// What can go wrong while a body streams.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;
/// A future that stays on its worker.
pub type LocalFuture<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// Why a call brought no response.
#[derive(Debug, thiserror::Error)]
pub enum InvokeError {
    /// The system file names no such service.
    #[error("no service is named {service}")]
    UnknownService {
        /// The name that was asked for.
        service: String,
    },
    /// The service is known but no replica is healthy.
    #[error("no replica of {service} is ready")]
    NoEndpoint {
        /// The service.
        service: String,
    },
    /// No replica could be reached; nothing was sent.
    #[error("no replica of {service} could be reached: {detail}")]
    Unreachable {
        /// The service.
        service: String,
        /// What the last try met.
        detail: String,
    },
    /// The replica took the request and failed before it answered. It may have acted on it.
    #[error("a replica of {service} broke off before it answered: {detail}")]
    Broken {
        /// The service.
        service: String,
        /// What was met.
        detail: String,
    },
    /// No answer in time. The replica may have acted on the request.
    #[error("{service} did not answer within {after:?}")]
    TimedOut {
        /// The service.
        service: String,
        /// The time it was given.
        after: Duration,
    },
}

/// Calls services of this system. One per worker.
pub trait Invoke: fmt::Debug {
    /// Whether the system file names this service.
    fn knows(&self, service: &str) -> bool;

    /// Whether a replica of the service takes requests now.
    fn is_ready(&self, service: &str) -> bool;

    /// A number that differs when other replicas of the service take requests: what one of them said then
    /// may not hold for those that are there now. Meaningless where none does.
    fn roster(&self, service: &str) -> u64;

    /// Sends `request` to a replica of `service` and answers with its response head as soon as it is
    /// there; the body streams. The request's URI is path and query. Only a request that reached no
    /// replica is tried on another one.
    fn invoke<'a>(
        &'a self,
        service: &'a str,
        request: Request<Body>,
    ) -> LocalFuture<'a, Result<Response<Body>, InvokeError>>;
}

// === impl Body ===

impl Body {
    /// Wraps any body.
    pub fn new<B>(body: B) -> Self
    where
        B: http_body::Body<Data = Bytes> + 'static,
        B::Error: Into<BodyError>,
    {
        Self(Box::pin(body.map_err(Into::into)))
    }

    /// No body.
    pub fn empty() -> Self {
        Self::full(Bytes::new())
    }

    /// A body that is there whole.
    pub fn full(bytes: Bytes) -> Self {
        Self::new(Full::new(bytes))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.0.as_mut().poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").field("size", &self.0.size_hint()).finish()
    }
}
