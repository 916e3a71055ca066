//! How long who asks will wait: read from a request's headers, and told to the service as what is left of it.

use std::time::Duration;

use floodway_policy::Time;
use floodway_policy::deadline::{self as policy, GrpcTimeout};
use floodway_policy::snapshot::CallPolicy;
use http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::head::is_grpc;

const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
/// Whole milliseconds.
const EXPECTED: HeaderName = HeaderName::from_static("x-envoy-expected-rq-timeout-ms");

/// When who asks gives up, if it says so in a way that this call listens to.
pub(crate) fn gives_up(headers: &HeaderMap, call: CallPolicy, now: Time) -> Time {
    let expected = headers.get_all(EXPECTED).iter().filter(|_| call.tells_time);
    let expected = expected.filter_map(|value| policy::millis(value.as_bytes()));
    policy::gives_up(expected.chain(of_grpc(headers)), now)
}

/// Tells the service what is left of the time.
pub(crate) fn tell(headers: &mut HeaderMap, tells_time: bool, left: Duration) {
    if tells_time {
        headers.insert(EXPECTED, policy::millis_left(left).into());
    }
    // What a caller inside the node says may be less than there is.
    if let Some(said) = of_grpc(headers) {
        let told = GrpcTimeout(said.min(left)).to_string();
        headers.insert(GRPC_TIMEOUT, HeaderValue::from_maybe_shared(told).expect("digits and a letter"));
    }
}

fn of_grpc(headers: &HeaderMap) -> Option<Duration> {
    let said = headers.get(GRPC_TIMEOUT).filter(|_| is_grpc(headers))?;
    GrpcTimeout::parse(said.as_bytes()).map(|timeout| timeout.0)
}
