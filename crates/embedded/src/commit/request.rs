//! What the committer is asked, and what it answers.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use floodway_blocks::Failure;
use floodway_blocks::lock::{Renewal, TryLock, Unlock};
use floodway_blocks::state::{Change, Effect, WriteError};
use floodway_blocks::topics::{Forget, Outgoing};
use tokio::sync::oneshot;

use crate::jobs::{Guard, JobKey};
use crate::locks::Claim;
use crate::options::Durability;
use crate::topics::Topic;
use crate::topics::group::Group;
use crate::view::Space;

/// A store as the committer knows it.
#[derive(Debug)]
pub(crate) struct StorePlace {
    pub(crate) name: String,
    pub(crate) space: Space,
    pub(crate) durability: Durability,
}

/// One verdict per change.
pub(crate) type Verdicts = Vec<Result<(), WriteError>>;

/// A request to the committer.
#[derive(Debug)]
pub(crate) enum Request {
    /// Makes each change on its own.
    WriteEach { store: Arc<StorePlace>, changes: Vec<Change>, reply: oneshot::Sender<Verdicts> },
    /// Makes all changes and publishes, or nothing.
    Transact {
        store: Arc<StorePlace>,
        changes: Vec<Change>,
        outbox: Vec<(Arc<Topic>, Outgoing)>,
        reply: oneshot::Sender<Result<(), WriteError>>,
    },
    /// Appends messages to a topic.
    Publish { topic: Arc<Topic>, messages: Vec<Outgoing>, reply: Reply<()> },
    /// Adds a group to a topic, unless it is known.
    Open { topic: Arc<Topic>, name: String, reply: Reply<Arc<Group>> },
    /// Ends a group, unless it is in use.
    Forget { topic: Arc<Topic>, name: String, reply: Reply<Forget> },
    /// Publishes a message to a dead-letter topic and settles it, in one commit.
    Bury { group: Arc<Group>, position: u64, topic: Arc<Topic>, message: Outgoing, reply: Reply<()> },
    /// Takes a lock, or waits for it that long.
    Lock { claim: Claim, wait: Duration, reply: Reply<TryLock> },
    /// Holds on to a lock.
    Renew { claim: Claim, reply: Reply<Renewal> },
    /// Gives a lock back.
    Unlock { locks: Arc<str>, resource: String, owner: String, reply: Reply<Unlock> },
    /// Writes a job, if what is there fits the guard.
    PutJob { key: JobKey, due: u64, body: Bytes, guard: Guard, reply: Reply<bool> },
    /// Removes jobs, those that fit the guard; says whether there was one.
    EndJobs { keys: Vec<JobKey>, guard: Guard, reply: Reply<bool> },
    /// Removes values that the expiry index says are due, and leases that ran out.
    Sweep { due: Vec<fjall::Slice> },
    /// Publishes messages whose time has come; says when the next one's does.
    Release { reply: Reply<Option<u64>> },
}

/// Where the answer to a request goes.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, Failure>>;

impl Request {
    /// Roughly the memory it holds.
    pub(crate) fn bytes(&self) -> usize {
        let payload = match self {
            Self::WriteEach { changes, .. } => changes_bytes(changes),
            Self::Transact { changes, outbox, .. } => {
                let messages: usize = outbox.iter().map(|(_, message)| message.payload.len()).sum();
                changes_bytes(changes) + messages
            }
            Self::Publish { messages, .. } => messages.iter().map(|message| message.payload.len()).sum(),
            Self::Bury { message, .. } => message.payload.len(),
            Self::PutJob { body, .. } => body.len(),
            Self::EndJobs { keys, .. } => keys.len() * size_of::<JobKey>(),
            Self::Open { .. }
            | Self::Forget { .. }
            | Self::Lock { .. }
            | Self::Renew { .. }
            | Self::Unlock { .. }
            | Self::Sweep { .. }
            | Self::Release { .. } => 0,
        };
        payload + size_of::<Self>()
    }
}

/// Bytes of keys and values.
pub(crate) fn changes_bytes(changes: &[Change]) -> usize {
    let bytes = |change: &Change| match &change.effect {
        Effect::Put { value, .. } => change.key.len() + value.len(),
        Effect::Delete => change.key.len(),
    };
    changes.iter().map(bytes).sum()
}

/// An answer that waits for the commit.
#[derive(Debug)]
pub(crate) enum Answer {
    Each(oneshot::Sender<Verdicts>, Verdicts),
    Transact(oneshot::Sender<Result<(), WriteError>>, Result<(), WriteError>),
    Done(Reply<()>, Result<(), Failure>),
    Said(Reply<bool>, Result<bool, Failure>),
    Released(Reply<Option<u64>>, Result<Option<u64>, Failure>),
    Forgot(Reply<Forget>, Forget),
    Opened(Reply<Arc<Group>>, Arc<Topic>, String),
    Lock(Reply<TryLock>, Result<TryLock, Failure>),
    Renew(Reply<Renewal>, Renewal),
    Unlock(Reply<Unlock>, Unlock),
}

impl Answer {
    /// Sends it: as planned, or the failure that hit the whole commit. A caller that went away is no
    /// longer interested, so an answer that cannot be sent is dropped.
    pub(crate) fn send(self, committed: &Result<(), Failure>) {
        let failed = committed.as_ref().err();
        match self {
            Self::Each(reply, verdicts) => drop(reply.send(each(verdicts, failed))),
            Self::Transact(reply, verdict) => drop(reply.send(match failed {
                Some(failure) => verdict.and_then(|()| Err(WriteError::Failed(failure.clone()))),
                None => verdict,
            })),
            Self::Done(reply, verdict) => {
                drop(reply.send(committed.clone().and(verdict)));
            }
            Self::Said(reply, verdict) => drop(reply.send(committed.clone().and(verdict))),
            Self::Forgot(reply, verdict) => drop(reply.send(committed.clone().map(|()| verdict))),
            Self::Released(reply, next) => drop(reply.send(committed.clone().and(next))),
            Self::Opened(reply, topic, name) => {
                let opened =
                    committed.clone().and_then(|()| topic.group(&name).ok_or_else(crate::error::stopping));
                drop(reply.send(opened));
            }
            Self::Lock(reply, verdict) => drop(reply.send(committed.clone().and(verdict))),
            Self::Renew(reply, verdict) => drop(reply.send(committed.clone().map(|()| verdict))),
            Self::Unlock(reply, verdict) => drop(reply.send(committed.clone().map(|()| verdict))),
        }
    }
}

fn each(verdicts: Verdicts, failed: Option<&Failure>) -> Verdicts {
    let Some(failure) = failed else { return verdicts };
    let fail =
        |verdict: Result<(), WriteError>| verdict.and_then(|()| Err(WriteError::Failed(failure.clone())));
    verdicts.into_iter().map(fail).collect()
}
