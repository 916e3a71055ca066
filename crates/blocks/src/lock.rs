//! Locks: leases with a time to live, an owner and a fencing token.

use std::fmt;
use std::time::Duration;

use crate::{Failure, PortFuture};

/// Grows with every grant of a lock, across restarts. A store that has seen a token refuses older ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FencingToken(pub u64);

/// The answer to a try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TryLock {
    /// Granted for the whole time to live.
    Granted(FencingToken),
    /// Someone holds it, the same owner included: locks are not re-entrant.
    Held,
}

/// The answer to an unlock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unlock {
    /// Given back.
    Done,
    /// Nobody holds it; it may have expired.
    NotHeld,
    /// Another owner holds it.
    NotOwner,
}

/// The answer to a renewal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewal {
    /// Held for the whole time to live again, with the token that it was granted with.
    Done,
    /// Nobody holds it; it may have expired.
    NotHeld,
    /// Another owner holds it.
    NotOwner,
}

/// A lock component of the system file on one engine.
pub trait Locks: fmt::Debug + Send + Sync {
    /// Takes the lock if it is free. A grant is durable before the answer.
    fn try_lock<'a>(
        &'a self,
        resource: &'a str,
        owner: &'a str,
        ttl: Duration,
    ) -> PortFuture<'a, Result<TryLock, Failure>>;

    /// Takes the lock, and waits for it up to `wait` while someone holds it: who asked first gets it first. A caller
    /// that drops the future leaves the queue. A grant is durable before the answer.
    fn lock<'a>(
        &'a self,
        resource: &'a str,
        owner: &'a str,
        ttl: Duration,
        wait: Duration,
    ) -> PortFuture<'a, Result<TryLock, Failure>>;

    /// Holds the lock for `ttl` from now on, if this owner holds it. Durable before the answer.
    fn renew<'a>(
        &'a self,
        resource: &'a str,
        owner: &'a str,
        ttl: Duration,
    ) -> PortFuture<'a, Result<Renewal, Failure>>;

    /// Gives the lock back; the next in the queue has it at once.
    fn unlock<'a>(&'a self, resource: &'a str, owner: &'a str) -> PortFuture<'a, Result<Unlock, Failure>>;
}
