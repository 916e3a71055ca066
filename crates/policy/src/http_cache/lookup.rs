//! What to do with a request for which there may be a stored response (RFC 9111 §4).

use super::status::Forwarded;
use super::storing::Stored;
use super::{CachePolicy, Headers, RequestDirectives};
use crate::time::Time;

/// What is done with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Answer it from the store.
    Serve,
    /// Answer it from the store, and bring a new response.
    ServeAndRefresh,
    /// Send it on: with the validators of what is stored, if anything is.
    Ask(Forwarded),
    /// Refuse it: it takes only what is stored (RFC 9111 §5.2.1.7).
    Refuse,
}

/// What a key has for a request.
#[derive(Debug, Clone, Copy)]
pub enum Asked<'a> {
    /// Nothing at all.
    Nothing,
    /// Responses for other requests.
    Others,
    /// This one.
    Found(&'a Stored),
}

/// How a service fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failing {
    /// It gave no answer.
    Silent,
    /// It answered with this status.
    Status(u16),
}

/// Decides on a GET or HEAD.
pub fn decide(request: &impl Headers, asked: Asked<'_>, policy: &CachePolicy, now: Time) -> Verdict {
    let wishes =
        if policy.obeys_clients { RequestDirectives::of(request) } else { RequestDirectives::default() };
    let ask = |why| if wishes.only_if_cached { Verdict::Refuse } else { Verdict::Ask(why) };
    let stored = match asked {
        Asked::Nothing => return ask(Forwarded::UriMiss),
        Asked::Others => return ask(Forwarded::VaryMiss),
        Asked::Found(stored) => stored,
    };
    let age = stored.age(now);
    if stored.no_cache {
        return ask(Forwarded::Stale);
    }
    if wishes.no_cache || wishes.max_age.is_some_and(|max| age > max) {
        return ask(Forwarded::Request);
    }
    if stored.lifetime > age {
        let left = stored.lifetime.saturating_sub(age);
        let is_enough = wishes.min_fresh.is_none_or(|min| left >= min);
        return if is_enough { Verdict::Serve } else { ask(Forwarded::Request) };
    }
    let staleness = age.saturating_sub(stored.lifetime);
    match () {
        () if wishes.min_fresh.is_some() => ask(Forwarded::Request),
        () if staleness < stored.stale_while_revalidate => Verdict::ServeAndRefresh,
        () if wishes.max_stale.is_some_and(|max| staleness <= max) && !stored.must_revalidate => {
            Verdict::Serve
        }
        () => ask(Forwarded::Stale),
    }
}

impl Failing {
    /// Whether this is a failure for which a stale response may stand in (RFC 5861 §4).
    const fn is_covered(self) -> bool {
        match self {
            Self::Silent => true,
            Self::Status(status) => matches!(status, 500 | 502 | 503 | 504),
        }
    }
}

impl Stored {
    /// Whether it is served in the place of a failure.
    pub fn covers(&self, failing: Failing, now: Time) -> bool {
        let staleness = self.age(now).saturating_sub(self.lifetime);
        failing.is_covered() && !self.no_cache && staleness < self.stale_if_error
    }
}
