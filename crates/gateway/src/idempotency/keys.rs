//! A request's key in its store.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use floodway_blocks::state::{Change, Effect, Item, Precondition, Store, WriteError};
use floodway_policy::idempotency::{Fingerprint, IdempotencyPolicy, Record};
use http::header::{AUTHORIZATION, HOST, HeaderMap};
use http::request;
use sha2::{Digest as _, Sha256};

use crate::forward::host_name;
use crate::respond::Problem;
use crate::worker::Worker;

/// Stores by their names in the system file.
pub type Stores = BTreeMap<String, Arc<dyn Store>>;

/// No name of a service begins so, and keys of services begin with one.
const PREFIX: &str = "floodway:idempotency:";
/// Time for one read or write. Within [`IdempotencyPolicy::MARGIN`].
const STORE_TIMEOUT: Duration = Duration::from_secs(2);

/// A key in its store.
pub(super) struct Keys {
    store: Arc<dyn Store>,
    key: String,
}

/// What a store has under a key.
pub(super) struct Found(pub(super) Option<Item>);

/// The store could not say; it was logged.
#[derive(Debug)]
pub(super) struct Silent;

/// What became of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    Done,
    /// The key is not as it was seen.
    Changed,
    /// The store takes no value of that size.
    TooLarge,
}

impl Keys {
    /// `None` where the node has no such store.
    pub(super) fn new(
        worker: &Worker,
        policy: &IdempotencyPolicy,
        headers: &HeaderMap,
        key: &[u8],
    ) -> Option<Self> {
        let store = worker.stores.get(&policy.store);
        if store.is_none() {
            tracing::error!(store = policy.store, "a route keeps its keys in a store that is not there");
        }
        // Whoever shows other credentials has other keys, so that no one is given another's answer.
        let mut credentials = Sha256::new();
        for value in headers.get_all(AUTHORIZATION) {
            part(&mut credentials, value.as_bytes());
        }
        let mut hash = Sha256::new();
        for of_key in [policy.route.as_bytes(), &credentials.finalize()[..], key] {
            part(&mut hash, of_key);
        }
        let mut key = String::with_capacity(PREFIX.len() + 64);
        key.push_str(PREFIX);
        for byte in hash.finalize() {
            write!(key, "{byte:02x}").expect("a string takes all text");
        }
        Some(Self { store: Arc::clone(store?), key })
    }

    pub(super) async fn look(&self) -> Result<Found, Silent> {
        match tokio::time::timeout(STORE_TIMEOUT, self.store.get(&self.key)).await {
            Ok(Ok(item)) => Ok(Found(item)),
            Ok(Err(error)) => {
                tracing::warn!(%error, "an idempotency key could not be read");
                Err(Silent)
            }
            Err(_elapsed) => {
                tracing::warn!(after = ?STORE_TIMEOUT, "an idempotency key was not read in time");
                Err(Silent)
            }
        }
    }

    /// Puts a value where there is none; false where there is one.
    pub(super) async fn take(&self, value: Vec<u8>, ttl: Duration) -> Result<bool, Silent> {
        let effect = Effect::Put { value: value.into(), ttl: Some(ttl) };
        match self.write(effect, Precondition::Absent).await? {
            Written::Done => Ok(true),
            Written::Changed => Ok(false),
            Written::TooLarge => Err(Silent),
        }
    }

    /// Puts a value in the place of what was seen, or removes that.
    pub(super) async fn replace(
        &self,
        seen: Found,
        value: Option<(Vec<u8>, Duration)>,
    ) -> Result<Written, Silent> {
        let precondition = seen.0.map_or(Precondition::Absent, |item| Precondition::Matches(item.etag));
        let effect = match value {
            Some((value, ttl)) => Effect::Put { value: value.into(), ttl: Some(ttl) },
            None if precondition == Precondition::Absent => return Ok(Written::Done),
            None => Effect::Delete,
        };
        self.write(effect, precondition).await
    }

    async fn write(&self, effect: Effect, precondition: Precondition) -> Result<Written, Silent> {
        let change = Change { key: self.key.clone(), effect, precondition };
        let written = tokio::time::timeout(STORE_TIMEOUT, self.store.write_each(vec![change])).await;
        let Ok(mut verdicts) = written else {
            tracing::warn!(after = ?STORE_TIMEOUT, "an idempotency key was not written in time");
            return Err(Silent);
        };
        match verdicts.pop() {
            Some(Ok(())) => Ok(Written::Done),
            Some(Err(WriteError::Mismatch { .. })) => Ok(Written::Changed),
            Some(Err(WriteError::TooLarge { .. })) => Ok(Written::TooLarge),
            Some(Err(error @ (WriteError::InvalidEtag { .. } | WriteError::Failed(_)))) => {
                tracing::warn!(%error, "an idempotency key could not be written");
                Err(Silent)
            }
            None => {
                tracing::error!("a store has no verdict on a write");
                Err(Silent)
            }
        }
    }
}

impl Found {
    /// What it says. Who cannot read it does not know whether the request has run.
    pub(super) fn record(&self) -> Result<Option<Record<'_>>, Problem> {
        let Some(item) = &self.0 else { return Ok(None) };
        let record = Record::decode(&item.value);
        if record.is_none() {
            tracing::error!("what is stored under an idempotency key is no record of one");
        }
        record.map(Some).ok_or(Problem::StoreFails)
    }
}

/// What makes a request.
pub(super) fn fingerprint(head: &request::Parts, body: &[u8]) -> Fingerprint {
    let mut hash = Sha256::new();
    part(&mut hash, head.method.as_str().as_bytes());
    let host = head.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    part(&mut hash, host_name(host).as_bytes());
    part(&mut hash, head.uri.path_and_query().map_or("", |target| target.as_str()).as_bytes());
    part(&mut hash, body);
    Fingerprint(hash.finalize().into())
}

/// With its length before it, a part cannot be taken for the end of another.
fn part(hash: &mut Sha256, bytes: &[u8]) {
    hash.update((bytes.len() as u64).to_be_bytes());
    hash.update(bytes);
}
