//! Whether a response may be stored, and what is kept of it for later decisions (RFC 9111 §3).

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use super::date::Wall;
use super::directives::{RequestDirectives, ResponseDirectives};
use super::freshness::{self, Moments};
use super::vary::Vary;
use super::{CachePolicy, Headers, targeted};
use crate::time::Time;

/// Why a response is not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotStored {
    /// It is the answer to a request that asked for this.
    ByRequest,
    /// It says so itself.
    NoStore,
    /// It is for one user.
    Private,
    /// It sets a cookie.
    SetCookie,
    /// Its request was authorized, and it does not say that others may have it.
    Authorization,
    /// Its request had a cookie, and it does not say itself how long it is fresh.
    Cookie,
    /// It varies on what no request shows, or on too much.
    Vary,
    /// Its status is not known well enough, or it is only a part.
    Status,
    /// It is stale at once and cannot be validated.
    Stale,
}

impl NotStored {
    /// Whether it is because of the response: others that ask the same would be refused it too.
    pub const fn is_of_response(self) -> bool {
        !matches!(self, Self::ByRequest | Self::Authorization | Self::Cookie)
    }
}

/// What is known of a stored response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    pub(super) etag: Option<Box<[u8]>>,
    pub(super) last_modified: Option<Wall>,
    /// The last-modified date as the service wrote it, to validate by.
    pub(super) last_modified_text: Option<Box<[u8]>>,
    pub(super) date: Wall,
    pub(super) lifetime: Duration,
    pub(super) initial_age: Duration,
    pub(super) answered: Time,
    pub(super) no_cache: bool,
    pub(super) must_revalidate: bool,
    pub(super) for_authorized: bool,
    pub(super) stale_while_revalidate: Duration,
    pub(super) stale_if_error: Duration,
    pub(super) vary: Vary,
    excluded: Vec<String>,
}

/// Decides on a response to a GET. `request` is what was sent for it.
pub fn judge(
    request: &impl Headers,
    status: u16,
    response: &impl Headers,
    policy: &CachePolicy,
    moments: Moments,
) -> Result<Stored, NotStored> {
    let targeted = targeted::parse(response);
    let is_targeted = targeted.is_some();
    let directives = targeted.unwrap_or_else(|| ResponseDirectives::parse(response.values("cache-control")));
    refuse(request, status, response, &directives)?;
    let vary = Vary::new(response, request).ok_or(NotStored::Vary)?;
    let now = moments.answered_wall;
    let lifetime = freshness::lifetime(status, response, &directives, is_targeted, policy, now);
    let (stale_while_revalidate, stale_if_error) = stale(&directives, policy);
    let unasked = lifetime.fresh + stale_while_revalidate + stale_if_error;
    let is_always_validated = directives.no_cache || unasked.is_zero();
    if !lifetime.is_explicit && !is_always_validated && request.first("cookie").is_some() {
        return Err(NotStored::Cookie);
    }
    let stored = Stored {
        etag: response.first("etag").map(Into::into),
        last_modified: response.first("last-modified").and_then(|text| Wall::parse(text, now)),
        last_modified_text: response.first("last-modified").map(Into::into),
        date: freshness::date(response, now),
        lifetime: lifetime.fresh,
        initial_age: freshness::initial_age(response, moments),
        answered: moments.answered,
        no_cache: directives.no_cache,
        must_revalidate: directives.must_revalidate || directives.s_maxage.is_some(),
        for_authorized: allows_authorized(&directives),
        stale_while_revalidate,
        stale_if_error,
        vary,
        excluded: directives.excluded,
    };
    if stored.is_useful() { Ok(stored) } else { Err(NotStored::Stale) }
}

fn refuse(
    request: &impl Headers,
    status: u16,
    response: &impl Headers,
    directives: &ResponseDirectives,
) -> Result<(), NotStored> {
    // What is understood may be stored in spite of `no-store` (RFC 9111 §5.2.2.3).
    let no_store = directives.no_store && !directives.must_understand;
    let sets_cookie = response.first("set-cookie").is_some()
        && !directives.excluded.iter().any(|name| name == "set-cookie");
    let is_default = freshness::is_heuristically_cacheable(status);
    let is_understood = is_default || matches!(status, 302 | 303 | 307);
    let is_allowed = is_default
        || directives.public
        || directives.max_age.is_some()
        || directives.s_maxage.is_some()
        || response.first("expires").is_some();
    match () {
        () if RequestDirectives::of(request).no_store => Err(NotStored::ByRequest),
        () if no_store => Err(NotStored::NoStore),
        () if directives.private => Err(NotStored::Private),
        () if sets_cookie => Err(NotStored::SetCookie),
        () if request.first("authorization").is_some() && !allows_authorized(directives) => {
            Err(NotStored::Authorization)
        }
        () if !(200..=599).contains(&status) || matches!(status, 206 | 304) => Err(NotStored::Status),
        () if !is_allowed || (directives.must_understand && !is_understood) => Err(NotStored::Status),
        () => Ok(()),
    }
}

/// RFC 9111 §3.5.
const fn allows_authorized(directives: &ResponseDirectives) -> bool {
    directives.public || directives.must_revalidate || directives.s_maxage.is_some()
}

/// How long it may be served stale: while it is revalidated, and if that fails. `s-maxage` forbids it
/// (RFC 9111 §5.2.2.10), but a response that says both means both.
fn stale(directives: &ResponseDirectives, policy: &CachePolicy) -> (Duration, Duration) {
    if directives.must_revalidate || directives.no_cache {
        return (Duration::ZERO, Duration::ZERO);
    }
    let of_route = |time: Duration| if directives.s_maxage.is_some() { Duration::ZERO } else { time };
    (
        directives.stale_while_revalidate.unwrap_or_else(|| of_route(policy.stale_while_revalidate)),
        directives.stale_if_error.unwrap_or_else(|| of_route(policy.stale_if_error)),
    )
}

impl Stored {
    /// Whether it stands for this request.
    pub fn matches(&self, request: &impl Headers) -> bool {
        self.vary.matches(request) && (self.for_authorized || request.first("authorization").is_none())
    }

    /// Whether it takes the place of `other`, as it stands for the same requests.
    pub fn replaces(&self, other: &Self) -> bool {
        self.vary == other.vary
    }

    /// Whether each use must be validated, so that no two requests can share one validation.
    pub fn is_always_validated(&self) -> bool {
        let unasked = self.lifetime + self.stale_while_revalidate;
        self.no_cache || unasked <= self.initial_age
    }

    /// The age of the response (RFC 9111 §4.2.3).
    pub fn age(&self, now: Time) -> Duration {
        self.initial_age.saturating_add(now.since(self.answered))
    }

    /// How long it is fresh yet; negative since it is stale. In seconds, the age floored.
    pub fn ttl(&self, now: Time) -> i64 {
        let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        seconds(self.lifetime) - seconds(self.age(now))
    }

    /// `If-None-Match` and `If-Modified-Since` to validate by.
    pub fn validators(&self) -> (Option<&[u8]>, Option<&[u8]>) {
        (self.etag.as_deref(), self.last_modified_text.as_deref())
    }

    /// Bytes that this takes beside the response itself; about.
    pub fn size(&self) -> usize {
        let text = |text: &Option<Box<[u8]>>| text.as_ref().map_or(0, |text| text.len());
        size_of::<Self>() + text(&self.etag) + text(&self.last_modified_text) + self.vary.size()
    }

    /// The fields that are not stored with it, in lower case.
    pub fn excluded(&self) -> &[String] {
        &self.excluded
    }

    /// Whether there is or may be a use for it: it is fresh, or served stale, or can be validated.
    fn is_useful(&self) -> bool {
        let can_validate = self.etag.is_some() || self.last_modified_text.is_some();
        let longest = self.lifetime + self.stale_while_revalidate.max(self.stale_if_error);
        can_validate || (!self.no_cache && longest > self.initial_age)
    }
}

/// Whether a field of a response is stored (RFC 9111 §3.1): not what is meant for one connection. `name`
/// is in lower case.
pub fn is_kept(name: &str) -> bool {
    !matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-authenticate"
            | "proxy-authentication-info"
            | "proxy-authorization"
            | "proxy-connection"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
            | "age"
            | "cache-status"
    )
}

/// Whether a 304 brings a new value of this field (RFC 9111 §3.2): not of what describes the body, which
/// stays as it is.
pub fn is_updated(name: &str) -> bool {
    is_kept(name) && !matches!(name, "content-length" | "content-encoding" | "content-range")
}
