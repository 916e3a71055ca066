//! State: values by key, with versions, expiry, transactions and an outbox.
//!
//! ```text
//!            get ──────────────▶ value + etag
//! service ── write_each ───────▶ each change alone; one verdict per change
//!            transact ─────────▶ all changes, in order, and the outbox: all or nothing
//!                                    └─▶ durable at the store's level before the answer
//! ```

use std::fmt;
use std::time::{Duration, SystemTime};

use bytes::Bytes;

use crate::topics::Outgoing;
use crate::{Failure, PortFuture};

/// The version of a value, opaque to clients. It changes with every write of the key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Etag(pub String);

impl fmt::Display for Etag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A stored value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The value, byte for byte as it was written.
    pub value: Bytes,
    /// Its version.
    pub etag: Etag,
    /// When it will be gone; `None` for never.
    pub expires: Option<SystemTime>,
}

/// What must be true for a change to be made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Precondition {
    /// Nothing: the last write wins.
    #[default]
    None,
    /// The key must be absent (first write wins, no version given).
    Absent,
    /// The key must be there with this version. An absent key is a mismatch.
    Matches(Etag),
}

/// One change of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The whole key, prefix included.
    pub key: String,
    /// What happens to it.
    pub effect: Effect,
    /// What must hold before.
    pub precondition: Precondition,
}

/// What a change does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Sets the value. A missing `ttl` removes an expiry set before.
    Put {
        /// The new value.
        value: Bytes,
        /// How long it lives from now on.
        ttl: Option<Duration>,
    },
    /// Removes the key; not an error when it is absent.
    Delete,
}

/// Changes that happen together or not at all, in the order given.
#[derive(Debug, Clone, Default)]
pub struct Transaction {
    /// The changes; a later one sees the earlier ones.
    pub changes: Vec<Change>,
    /// Messages published in the same commit.
    pub outbox: Vec<Outbound>,
}

/// A message that leaves with a transaction.
#[derive(Debug, Clone)]
pub struct Outbound {
    /// The topics component of the same engine.
    pub topics: String,
    /// The topic in it.
    pub topic: String,
    /// The message.
    pub message: Outgoing,
}

/// Why a write did not happen.
#[derive(Debug, Clone, thiserror::Error)]
pub enum WriteError {
    /// The precondition did not hold.
    #[error("possible etag mismatch on key {key}: it was changed or removed by someone else")]
    Mismatch {
        /// The key whose precondition failed.
        key: String,
    },
    /// The version given cannot be one of this engine's.
    #[error("invalid etag {etag} for key {key}")]
    InvalidEtag {
        /// The key.
        key: String,
        /// What was given.
        etag: Etag,
    },
    /// A bound of the engine was exceeded.
    #[error("{what} is {size} B, more than the limit of {limit} B")]
    TooLarge {
        /// What is too large: "key", "value", "transaction".
        what: &'static str,
        /// Its size in bytes.
        size: usize,
        /// The bound in bytes.
        limit: usize,
    },
    /// The engine failed.
    #[error(transparent)]
    Failed(#[from] Failure),
}

/// A state store: one component of the system file on one engine.
pub trait Store: fmt::Debug + Send + Sync {
    /// Reads one key. An expired value is absent.
    fn get<'a>(&'a self, key: &'a str) -> PortFuture<'a, Result<Option<Item>, Failure>>;

    /// Reads many keys; the answers stand in the order of the keys.
    fn get_many<'a>(&'a self, keys: &'a [String]) -> PortFuture<'a, Result<Vec<Option<Item>>, Failure>>;

    /// Makes each change on its own; the verdicts stand in the order of the changes.
    /// Answers once every change made is durable at the store's level.
    fn write_each(&self, changes: Vec<Change>) -> PortFuture<'_, Vec<Result<(), WriteError>>>;

    /// Makes all changes in order and publishes the outbox, or does none of it.
    /// Answers once that is durable at the store's level.
    fn transact(&self, transaction: Transaction) -> PortFuture<'_, Result<(), WriteError>>;
}
