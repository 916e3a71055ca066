//! A shared HTTP cache's decisions (RFC 9111, RFC 5861, RFC 9213): what may be stored, for which requests
//! it stands, how long it is fresh, and what to do with it then.
//!
//! The performer has the bytes; it shows heads by [`Headers`] and keeps a [`Stored`] beside each stored
//! body. Where a rule leaves room, the reading that stores less or asks more is taken.

mod conditional;
mod date;
mod directives;
mod freshness;
mod invalidation;
mod list;
mod lookup;
mod range;
mod status;
mod storing;
mod tags;
mod targeted;
#[cfg(test)]
mod tests;
mod vary;

use core::time::Duration;

pub use conditional::{is_not_modified, may_use_range};
pub use date::Wall;
pub use directives::RequestDirectives;
pub use freshness::Moments;
pub use invalidation::{invalidates, is_safe, local_target};
pub use list::members;
pub use lookup::{Asked, Failing, Verdict, decide};
pub use range::{Part, part};
pub use status::{CacheStatus, Forwarded};
pub use storing::{NotStored, Stored, is_kept, is_updated, judge};
pub use tags::{TAG_HEADERS, tags};

/// The fields of a message's head.
pub trait Headers {
    /// The values of a field in their order. `name` is in lower case.
    fn values<'a>(&'a self, name: &'static str) -> impl Iterator<Item = &'a [u8]>;

    /// The first value of a field.
    fn first<'a>(&'a self, name: &'static str) -> Option<&'a [u8]> {
        self.values(name).next()
    }

    /// The values of a field whose name was read from a message; in lower case too.
    fn values_of<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]>;
}

/// How the responses of a route are cached. What a response says of itself comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CachePolicy {
    /// How long a response is fresh that says nothing about it and has a status that allows for that.
    pub fresh: Option<Duration>,
    /// The longest time that a response is fresh only because it has not been modified for long; zero
    /// for never.
    pub heuristic_max: Duration,
    /// How long a stale response is served while a new one is brought.
    pub stale_while_revalidate: Duration,
    /// How long a stale response is served while the service fails.
    pub stale_if_error: Duration,
    /// Largest response body in bytes that is stored.
    pub body_max: u64,
    /// How long a request waits for another that asks the same; zero for not at all.
    pub wait: Duration,
    /// Whether clients can ask past the cache by `Cache-Control` and `Pragma`.
    pub obeys_clients: bool,
}

impl CachePolicy {
    /// Responses of one key, told apart by what they vary on. The one stored first makes room.
    pub const VARIANTS_MAX: usize = 32;
    /// How long it is remembered that the responses of a key cannot be stored, so that nobody waits for
    /// one that could.
    pub const PASS_TIME: Duration = Duration::from_secs(10);
}

impl Default for CachePolicy {
    fn default() -> Self {
        Self {
            fresh: None,
            heuristic_max: Duration::from_hours(24),
            stale_while_revalidate: Duration::ZERO,
            stale_if_error: Duration::ZERO,
            body_max: 8 << 20,
            wait: Duration::from_secs(5),
            obeys_clients: false,
        }
    }
}
