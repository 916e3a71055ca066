//! Answers of the gateway itself, as problem details (RFC 9457).

use std::fmt::Write as _;

use bytes::Bytes;
use floodway_policy::exchange::Refusal;
use floodway_policy::fallback::FixedAnswer;
use floodway_policy::routing::Methods;
use http::header::{ALLOW, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};

use crate::body::ResponseBody;
use crate::head::REQUEST_ID;
use crate::http1::{Broken, Malformed};
use crate::perform::Refused;

/// Why the gateway answers itself. Each has a page in `docs/errors`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Problem {
    NoRoute,
    MethodNotAllowed(Methods),
    BodyTooLarge,
    TargetTooLong,
    HeadTooLarge,
    ExpectationFailed,
    VersionNotSupported,
    BadBody,
    BodyStalled,
    BadRequest(&'static str),
    ConnectRefused,
    NoEndpoint,
    Overloaded,
    BreakerOpen,
    Unreachable,
    BadGateway,
    TimedOut,
    TooLate,
    NotCached,
    /// The client may ask again after so many seconds.
    RateLimited {
        seconds: u64,
    },
    BadKey(&'static str),
    InProgress,
    NotKept,
    KeyMismatch,
    StoreFails,
}

const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");
/// Seconds after which a service may be there again.
const SOON: HeaderValue = HeaderValue::from_static("1");

impl Problem {
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::BadRequest(_) => "FW-3400",
            Self::BadBody => "FW-3401",
            Self::BodyStalled => "FW-3408",
            Self::NoRoute => "FW-3404",
            Self::MethodNotAllowed(_) => "FW-3405",
            Self::BodyTooLarge => "FW-3413",
            Self::TargetTooLong => "FW-3414",
            Self::HeadTooLarge => "FW-3431",
            Self::ExpectationFailed => "FW-3417",
            Self::VersionNotSupported => "FW-3505",
            Self::ConnectRefused => "FW-3501",
            Self::Unreachable => "FW-3502",
            Self::BadGateway => "FW-3512",
            Self::NoEndpoint => "FW-3503",
            Self::Overloaded => "FW-3513",
            Self::BreakerOpen => "FW-3523",
            Self::TimedOut => "FW-3504",
            Self::TooLate => "FW-3514",
            Self::NotCached => "FW-3506",
            Self::RateLimited { .. } => "FW-3429",
            Self::BadKey(_) => "FW-3402",
            Self::InProgress => "FW-3409",
            Self::NotKept => "FW-3410",
            Self::KeyMismatch => "FW-3422",
            Self::StoreFails => "FW-3507",
        }
    }

    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::BadRequest(_) | Self::BadBody | Self::BadKey(_) => StatusCode::BAD_REQUEST,
            Self::InProgress | Self::NotKept => StatusCode::CONFLICT,
            Self::KeyMismatch => StatusCode::UNPROCESSABLE_ENTITY,
            Self::BodyStalled => StatusCode::REQUEST_TIMEOUT,
            Self::NoRoute => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TargetTooLong => StatusCode::URI_TOO_LONG,
            Self::ExpectationFailed => StatusCode::EXPECTATION_FAILED,
            Self::VersionNotSupported => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::ConnectRefused => StatusCode::NOT_IMPLEMENTED,
            Self::Unreachable | Self::BadGateway => StatusCode::BAD_GATEWAY,
            Self::NoEndpoint | Self::Overloaded | Self::BreakerOpen | Self::StoreFails => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::TimedOut | Self::TooLate | Self::NotCached => StatusCode::GATEWAY_TIMEOUT,
            Self::RateLimited { .. } => StatusCode::TOO_MANY_REQUESTS,
        }
    }

    fn detail(self) -> &'static str {
        match self {
            Self::BadRequest(why) | Self::BadKey(why) => why,
            Self::BadBody => "the request body broke off",
            Self::BodyStalled => "the request body came too slowly",
            Self::NoRoute => "no route matches this host and path",
            Self::MethodNotAllowed(_) => "the route does not take this method",
            Self::BodyTooLarge => "the request body is larger than the route allows",
            Self::TargetTooLong => "the path and query are longer than allowed",
            Self::ExpectationFailed => "the only expectation that can be met is 100-continue",
            Self::VersionNotSupported => "this is neither HTTP/1.0 nor HTTP/1.1 nor HTTP/2",
            Self::HeadTooLarge => "the request has more headers, or larger ones, than allowed",
            Self::ConnectRefused => "this is no forward proxy",
            Self::Unreachable => "no replica of the service could be reached; the request was not sent",
            Self::BadGateway => "the service broke off before it answered",
            Self::NoEndpoint => "no replica of the service is ready",
            Self::Overloaded => "the service has more to do than it can",
            Self::BreakerOpen => "the service fails, and is left alone for a while",
            Self::TooLate => "the time that the client gave was over before anything was tried",
            Self::TimedOut => "the service did not answer in time",
            Self::NotCached => "the request takes only what is cached, and nothing is",
            Self::RateLimited { .. } => "there were more requests than the route allows",
            Self::InProgress => "a request with this idempotency key has not been answered yet",
            Self::NotKept => "the request was carried out before; its answer was not kept",
            Self::KeyMismatch => "the idempotency key came before with another request",
            Self::StoreFails => "the store of idempotency keys does not answer; nothing was carried out",
        }
    }

    /// Whether the rest of the request may still be on its way, so that the connection cannot be used
    /// again.
    pub(crate) const fn ends_connection(self) -> bool {
        matches!(
            self,
            Self::BodyTooLarge
                | Self::TargetTooLong
                | Self::HeadTooLarge
                | Self::ExpectationFailed
                | Self::VersionNotSupported
                | Self::BadBody
                | Self::BodyStalled
                | Self::BadRequest(_)
                | Self::ConnectRefused
        )
    }

    /// The answer.
    /// The same for a client that asked by gRPC: it reads a status of its own kind from the headers of an
    /// answer without a body ("Trailers-Only" in gRPC over HTTP/2).
    pub(crate) fn grpc_response(self, id: &HeaderValue) -> Response<ResponseBody> {
        let mut response = Response::new(ResponseBody::Own(None));
        let message = format!("{}: {}", self.code(), self.detail());
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, GRPC);
        headers.insert(GRPC_STATUS, self.grpc_status().into());
        headers.insert(GRPC_MESSAGE, HeaderValue::from_str(&message).expect("plain words without `%`"));
        headers.insert(REQUEST_ID, id.clone());
        response
    }

    /// The status in gRPC's words. UNAVAILABLE invites to ask again, so it is said only where nothing was
    /// sent to a service.
    const fn grpc_status(self) -> u16 {
        match self {
            Self::NoEndpoint | Self::Unreachable => 14, // UNAVAILABLE
            Self::TimedOut | Self::TooLate | Self::NotCached => 4, // DEADLINE_EXCEEDED
            Self::NoRoute | Self::MethodNotAllowed(_) => 12, // UNIMPLEMENTED
            Self::BodyTooLarge | Self::TargetTooLong | Self::HeadTooLarge | Self::RateLimited { .. } => 8, // RESOURCE_EXHAUSTED
            _ => 13, // INTERNAL
        }
    }

    pub(crate) fn response(self, id: &HeaderValue) -> Response<ResponseBody> {
        let status = self.status();
        let mut response = Response::new(ResponseBody::Own(Some(self.body(id))));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, PROBLEM_JSON);
        headers.insert(REQUEST_ID, id.clone());
        if status == StatusCode::SERVICE_UNAVAILABLE || matches!(self, Self::InProgress) {
            headers.insert(RETRY_AFTER, SOON);
        }
        if let Self::RateLimited { seconds } = self {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        if let Self::MethodNotAllowed(methods) = self {
            let names: Vec<_> = methods.names().collect();
            let names = HeaderValue::from_str(&names.join(", ")).expect("method names are plain");
            headers.insert(ALLOW, names);
        }
        response
    }

    /// What the answer says.
    pub(crate) fn body(self, id: &HeaderValue) -> Bytes {
        let status = self.status();
        let mut body = String::with_capacity(192);
        write!(
            body,
            r#"{{"type":"{}","title":"{}","status":{},"detail":"{}","instance":"{}"}}"#,
            self.code(),
            status.canonical_reason().unwrap_or_default(),
            status.as_u16(),
            self.detail(),
            plain(id),
        )
        .expect("a string takes all text");
        body.into()
    }
}

/// The answer that a route has instead of a problem.
pub(crate) fn fallback(policy: &FixedAnswer, id: &HeaderValue) -> Response<Bytes> {
    let mut response = Response::new(Bytes::copy_from_slice(policy.body.as_bytes()));
    *response.status_mut() = StatusCode::from_u16(policy.status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    let headers = response.headers_mut();
    for (name, value) in &policy.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.append(name, value);
        }
    }
    headers.insert(REQUEST_ID, id.clone());
    response
}

/// A request id as it may stand in JSON: what would need an escape is left out.
fn plain(id: &HeaderValue) -> String {
    let text = id.to_str().unwrap_or_default();
    text.chars().filter(|c| !matches!(c, '"' | '\\')).collect()
}

impl Problem {
    /// What the exchange with a service came to, where it is that.
    pub(crate) const fn refusal(self) -> Option<Refusal> {
        match self {
            Self::NoEndpoint => Some(Refusal::NoEndpoint),
            Self::Overloaded => Some(Refusal::Overloaded),
            Self::BreakerOpen => Some(Refusal::BreakerOpen),
            Self::Unreachable => Some(Refusal::Unreachable),
            Self::BadGateway => Some(Refusal::BadGateway),
            Self::TimedOut => Some(Refusal::TimedOut),
            Self::TooLate => Some(Refusal::TooLate),
            _ => None,
        }
    }
}

impl From<Refusal> for Problem {
    fn from(why: Refusal) -> Self {
        match why {
            Refusal::NoEndpoint => Self::NoEndpoint,
            Refusal::Overloaded => Self::Overloaded,
            Refusal::BreakerOpen => Self::BreakerOpen,
            Refusal::Unreachable => Self::Unreachable,
            Refusal::BadGateway => Self::BadGateway,
            Refusal::TimedOut => Self::TimedOut,
            Refusal::TooLate => Self::TooLate,
            Refusal::RequestBody => Self::BadBody,
        }
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        if refused.is_too_large { Self::BodyTooLarge } else { refused.why.into() }
    }
}

impl From<Malformed> for Problem {
    fn from(malformed: Malformed) -> Self {
        match malformed {
            Malformed::Bad(why) => Self::BadRequest(why),
            Malformed::TooManyFields => Self::HeadTooLarge,
            Malformed::Expectation => Self::ExpectationFailed,
            Malformed::Version => Self::VersionNotSupported,
        }
    }
}

impl From<Broken> for Problem {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::TooLarge => Self::BodyTooLarge,
            Broken::Malformed(malformed) => malformed.into(),
            Broken::Source(_) | Broken::Target(_) => Self::BadBody,
        }
    }
}
