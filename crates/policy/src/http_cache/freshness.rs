//! How long a response is fresh and how old it is (RFC 9111 §4.2).

use core::time::Duration;

use super::date::Wall;
use super::directives::ResponseDirectives;
use super::list;
use super::{CachePolicy, Headers};
use crate::time::Time;

/// When a response came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moments {
    /// The request for it was sent.
    pub asked: Time,
    /// Its head was there.
    pub answered: Time,
    /// The same on the wall clock.
    pub answered_wall: Wall,
}

/// How long a response is fresh from when it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lifetime {
    pub(super) fresh: Duration,
    /// The response said so itself.
    pub(super) is_explicit: bool,
}

/// RFC 9111 §4.2.1 and §4.2.2.
pub(super) fn lifetime(
    status: u16,
    headers: &impl Headers,
    directives: &ResponseDirectives,
    is_targeted: bool,
    policy: &CachePolicy,
    now: Wall,
) -> Lifetime {
    let explicit = |fresh| Lifetime { fresh, is_explicit: true };
    if let Some(fresh) = directives.s_maxage.or(directives.max_age) {
        return explicit(fresh);
    }
    if !is_targeted && headers.first("expires").is_some() {
        return explicit(by_expires(headers, now));
    }
    let fresh = if is_targeted || !(is_heuristically_cacheable(status) || directives.public) {
        Duration::ZERO
    } else {
        policy.fresh.unwrap_or_else(|| by_last_modified(headers, policy, now))
    };
    Lifetime { fresh, is_explicit: directives.public }
}

/// Two that differ, or one that is no date, stand for a time in the past (RFC 9111 §5.3).
fn by_expires(headers: &impl Headers, now: Wall) -> Duration {
    let mut values = headers.values("expires");
    let first = values.next();
    if values.any(|value| Some(value) != first) {
        return Duration::ZERO;
    }
    let expires = first.and_then(|text| Wall::parse(text, now));
    expires.map_or(Duration::ZERO, |expires| expires.since(date(headers, now)))
}

/// A tenth of the time since it was last modified.
fn by_last_modified(headers: &impl Headers, policy: &CachePolicy, now: Wall) -> Duration {
    let modified = headers.first("last-modified").and_then(|text| Wall::parse(text, now));
    modified.map_or(Duration::ZERO, |modified| {
        (date(headers, now).since(modified) / 10).min(policy.heuristic_max)
    })
}

/// When the response was made: `Date`, or where there is none, when it came.
pub(super) fn date(headers: &impl Headers, now: Wall) -> Wall {
    headers.first("date").and_then(|text| Wall::parse(text, now)).unwrap_or(now)
}

/// How old a response was when it came (RFC 9111 §4.2.3).
pub(super) fn initial_age(headers: &impl Headers, moments: Moments) -> Duration {
    let now = moments.answered_wall;
    let apparent = now.since(date(headers, now));
    // Of several, the first counts; what is no number does not (RFC 9111 §5.1).
    let given = headers.values("age").flat_map(list::members).next().and_then(list::seconds);
    let given = Duration::from_secs(given.unwrap_or_default().into());
    apparent.max(given + moments.answered.since(moments.asked))
}

/// RFC 9110 §15.1; 206 is left out, as parts are not stored.
pub(super) const fn is_heuristically_cacheable(status: u16) -> bool {
    matches!(status, 200 | 203 | 204 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501)
}
