//! The state port.

use std::sync::Arc;

use bytes::Bytes;
use floodway_blocks::state::{Change, Effect, Etag, Item, Store, Transaction, WriteError};
use floodway_blocks::topics::{KEY_MAX, Outgoing};
use floodway_blocks::{Failure, PortFuture};

use crate::clock::expiry;
use crate::commit::request::{Request, StorePlace, changes_bytes};
use crate::error::{damaged, io_failure, refused, stopping};
use crate::shared::Shared;
use crate::topics::Topic;
use crate::topics::port::longest_name;
use crate::view::Stored;

/// One store on the engine.
///
/// Reads go to the view on the caller's thread: from memory as a rule, from the disk when a key was not
/// read for long.
#[derive(Debug)]
pub(crate) struct EmbeddedStore {
    pub(crate) core: Arc<Shared>,
    pub(crate) place: Arc<StorePlace>,
}

impl Store for EmbeddedStore {
    fn get<'a>(&'a self, key: &'a str) -> PortFuture<'a, Result<Option<Item>, Failure>> {
        Box::pin(async move {
            let stored = self.core.view.get(self.place.space, key.as_bytes());
            self.item(key, stored.map_err(|error| read_failed(key, error))?)
        })
    }

    fn get_many<'a>(&'a self, keys: &'a [String]) -> PortFuture<'a, Result<Vec<Option<Item>>, Failure>> {
        Box::pin(async move {
            let stored = self.core.view.get_many(self.place.space, keys);
            let stored = stored.map_err(|error| read_failed("batch", error))?;
            keys.iter().zip(stored).map(|(key, stored)| self.item(key, stored)).collect()
        })
    }

    fn write_each(&self, changes: Vec<Change>) -> PortFuture<'_, Vec<Result<(), WriteError>>> {
        Box::pin(async move {
            if changes.is_empty() {
                return Vec::new();
            }
            if let Err(too_large) = self.check_bytes("request", changes_bytes(&changes)) {
                return vec![Err(too_large); changes.len()];
            }
            let checks: Vec<_> = changes.iter().map(|change| self.check(change)).collect();
            let allowed = changes.into_iter().zip(&checks).filter(|(_, check)| check.is_ok());
            let changes: Vec<Change> = allowed.map(|(change, _)| change).collect();
            let count = changes.len();
            let store = Arc::clone(&self.place);
            let asked = self.core.ask(|reply| Request::WriteEach { store, changes, reply }).await;
            let verdicts = asked.unwrap_or_else(|failure| vec![Err(failure.into()); count]);
            let mut verdicts = verdicts.into_iter();
            let verdict = |check: Result<(), WriteError>| {
                check.and_then(|()| verdicts.next().unwrap_or_else(|| Err(stopping().into())))
            };
            checks.into_iter().map(verdict).collect()
        })
    }

    fn transact(&self, transaction: Transaction) -> PortFuture<'_, Result<(), WriteError>> {
        Box::pin(async move {
            let Transaction { changes, outbox } = transaction;
            if changes.is_empty() && outbox.is_empty() {
                return Ok(());
            }
            changes.iter().try_for_each(|change| self.check(change))?;
            let outbox = outbox.into_iter().map(|outbound| {
                let topic = self.topic(&outbound.topics, &outbound.topic)?;
                Ok((topic, outbound.message))
            });
            let outbox: Vec<(Arc<Topic>, Outgoing)> = outbox.collect::<Result<_, WriteError>>()?;
            self.check_transaction(&changes, &outbox)?;
            let store = Arc::clone(&self.place);
            self.core.ask(|reply| Request::Transact { store, changes, outbox, reply }).await?
        })
    }
}

impl EmbeddedStore {
    fn item(&self, key: &str, bytes: Option<fjall::Slice>) -> Result<Option<Item>, Failure> {
        let Some(bytes) = bytes else { return Ok(None) };
        let stored = Stored::parse(bytes).ok_or_else(|| damaged(format!("the value of key {key}")))?;
        Ok(stored.is_live(self.core.clock.now_ms()).then(|| Item {
            value: Bytes::copy_from_slice(stored.value()),
            etag: Etag(stored.etag.to_string()),
            expires: expiry(stored.expires),
        }))
    }

    fn check(&self, change: &Change) -> Result<(), WriteError> {
        let limits = &self.core.limits;
        if change.key.is_empty() {
            return Err(refused("write", "a key must not be empty".to_owned()).into());
        }
        at_most("key", change.key.len(), limits.key_bytes)?;
        match &change.effect {
            Effect::Put { value, .. } => at_most("value", value.len(), limits.value_bytes),
            Effect::Delete => Ok(()),
        }
    }

    fn check_transaction(
        &self,
        changes: &[Change],
        outbox: &[(Arc<Topic>, Outgoing)],
    ) -> Result<(), WriteError> {
        let limits = &self.core.limits;
        let count = changes.len() + outbox.len();
        if count > limits.transaction_changes {
            let limit = limits.transaction_changes;
            let why = format!("it has {count} changes and messages, more than the limit of {limit}");
            return Err(refused("make the transaction", why).into());
        }
        for (_, message) in outbox {
            at_most("message", message.payload.len(), limits.value_bytes)?;
            at_most("message's key or id", longest_name(message), KEY_MAX)?;
        }
        let messages: usize = outbox.iter().map(|(_, message)| message.payload.len()).sum();
        self.check_bytes("transaction", changes_bytes(changes) + messages)
    }

    fn check_bytes(&self, what: &'static str, bytes: usize) -> Result<(), WriteError> {
        at_most(what, bytes, self.core.limits.transaction_bytes)
    }

    fn topic(&self, topics: &str, topic: &str) -> Result<Arc<Topic>, WriteError> {
        let component = self.core.registry.known(topics).ok_or_else(|| {
            let why = format!("this engine serves no topics component named {topics}");
            refused(format!("publish to {topics}/{topic}"), why)
        })?;
        Ok(self.core.registry.topic(&component, topic)?)
    }
}

fn at_most(what: &'static str, size: usize, limit: usize) -> Result<(), WriteError> {
    if size > limit { Err(WriteError::TooLarge { what, size, limit }) } else { Ok(()) }
}

fn read_failed(key: &str, error: std::io::Error) -> Failure {
    io_failure(format!("read key {key}"), &Arc::new(error))
}
