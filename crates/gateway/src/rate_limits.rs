//! The rate limits of the routes, and what is told of them (IETF draft-ietf-httpapi-ratelimit-headers-10).

use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::time::Duration;

use bytes::BytesMut;
use floodway_policy::rate_limit::{RateKey, RateLimit, RateLimitPolicy, Verdict, network};
use floodway_policy::routing::RouteId;
use floodway_policy::{Snapshot, Time};
use http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::respond::Problem;

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const STATE: HeaderName = HeaderName::from_static("ratelimit");

/// Shared by the workers of the node, as a client may meet any of them.
#[derive(Debug)]
pub(crate) struct RateLimits {
    routes: Box<[Option<RateLimit>]>,
    /// So that nobody can choose a name that is counted as another's.
    names: RandomState,
}

/// What a client may do from now on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Allowance {
    quota: u32,
    window: Duration,
    verdict: Verdict,
}

impl RateLimits {
    pub(crate) fn new(snapshot: &Snapshot) -> Self {
        let limit = |policy: &Option<RateLimitPolicy>| policy.as_ref().map(RateLimit::new);
        let routes = snapshot.routes.iter().map(|route| limit(&route.rate_limit));
        Self { routes: routes.collect(), names: RandomState::new() }
    }

    /// Counts a request; nothing where its route has no limit.
    pub(crate) fn take<'a>(
        &self,
        route: RouteId,
        policy: &RateLimitPolicy,
        address: impl FnOnce() -> IpAddr,
        header: impl FnOnce(&str) -> Option<&'a [u8]>,
        now: Time,
    ) -> Option<Allowance> {
        let limit = self.routes.get(usize::from(route.0))?.as_ref()?;
        let key = match &policy.key {
            RateKey::Route => 0,
            RateKey::ClientIp => self.names.hash_one(network(address())),
            RateKey::Header(name) => self.names.hash_one(header(name)),
        };
        let verdict = limit.take(key, now);
        Some(Allowance { quota: policy.burst, window: policy.window(), verdict })
    }
}

impl Allowance {
    /// Whether the request may go on.
    pub(crate) fn check(&self) -> Result<(), Problem> {
        self.verdict.wait.map_or(Ok(()), |wait| Err(Problem::RateLimited { seconds: seconds(wait) }))
    }

    pub(crate) fn write(&self, out: &mut BytesMut) {
        for (name, value) in self.headers() {
            out.extend_from_slice(name.as_str().as_bytes());
            out.extend_from_slice(b": ");
            out.extend_from_slice(value.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
    }

    pub(crate) fn tell(&self, headers: &mut HeaderMap) {
        for (name, value) in self.headers() {
            headers.insert(name, HeaderValue::from_str(&value).expect("digits and plain signs"));
        }
    }

    fn headers(&self) -> [(HeaderName, String); 2] {
        let Self { quota, window, verdict } = self;
        [
            (POLICY, format!("\"default\";q={quota};w={}", seconds(*window))),
            (STATE, format!("\"default\";r={};t={}", verdict.left, seconds(verdict.reset))),
        ]
    }
}

/// Whole seconds, at least one: whoever waits that long has waited long enough.
fn seconds(duration: Duration) -> u64 {
    (duration.as_secs() + u64::from(duration.subsec_nanos() > 0)).max(1)
}
