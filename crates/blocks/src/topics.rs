//! Topics: messages to groups of subscribers, at least once.
//!
//! ```text
//! publish ─▶ [m1 m2 m3 …] ─▶ group A: receive ─▶ m1 m2 ─▶ settle(m1: Done, m2: DeadLetter)
//!                        └─▶ group B: receive ─▶ …
//! ```
//! A message is kept until every group has settled it as done or dead; a group is there until it is forgotten. A message that was received
//! but not settled when the node dies comes again. The first group of a topic starts with the
//! oldest message that is kept, so that nothing is missed while its subscriber starts; a later group
//! starts with the messages published after it was opened.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;

use crate::{Failure, PortFuture};

/// A message on its way in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The envelope as it will be delivered, byte for byte.
    pub payload: Bytes,
    /// When it stops being worth delivering; `None` for never.
    pub expires: Option<SystemTime>,
    /// Messages of one key are for one after another, in order; at most [`KEY_MAX`] bytes.
    pub key: Option<Arc<str>>,
    /// When it is published: until then it is kept, durably, and no group sees it. `None` or a time that has come for at
    /// once.
    pub due: Option<SystemTime>,
    /// What else was published to the topic with this is not published again.
    pub once: Option<Once>,
}

/// Names a message, so that it is published once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Once {
    /// Its name among the messages of its topic; at most [`KEY_MAX`] bytes.
    pub id: Arc<str>,
    /// For how long after it another of that name is a duplicate: it counts as published, and is not kept.
    pub keep: Duration,
}

/// The longest key or name of a message, in bytes.
pub const KEY_MAX: usize = 1024;

impl Outgoing {
    /// A message to be delivered at once, and nothing else about it.
    pub const fn new(payload: Bytes) -> Self {
        Self { payload, expires: None, key: None, due: None, once: None }
    }
}

/// Where a message stands in its topic. Grows with every message; unique within a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub u64);

/// A message handed to a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Names it when it is settled.
    pub position: Position,
    /// As it was published.
    pub payload: Bytes,
    /// As it was published.
    pub expires: Option<SystemTime>,
    /// As it was published.
    pub key: Option<Arc<str>>,
}

/// What became of a message in one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settlement {
    /// Consumed, or dropped on purpose.
    Done,
    /// Given up: published to `topic` of the same component, without an expiry, and consumed, in one
    /// commit.
    DeadLetter {
        /// The dead-letter topic.
        topic: String,
    },
}

/// A topics component of the system file on one engine.
pub trait Topics: fmt::Debug + Send + Sync {
    /// Appends messages to a topic, in order. Answers once they are durable at the component's level.
    /// A topic exists as soon as it is named.
    fn publish<'a>(&'a self, topic: &'a str, messages: Vec<Outgoing>) -> PortFuture<'a, Result<(), Failure>>;

    /// Opens a group's place in a topic, remembered from the first opening on. A group has one open
    /// subscription at a time per node; opening it again takes it over.
    fn subscribe<'a>(
        &'a self,
        topic: &'a str,
        group: &'a str,
    ) -> PortFuture<'a, Result<Box<dyn Subscription>, Failure>>;

    /// Ends a group for good, durably: messages wait for it no longer. One of the same name that is opened later is a
    /// new one. Refused while a subscription of it is open.
    fn forget<'a>(&'a self, topic: &'a str, group: &'a str) -> PortFuture<'a, Result<Forget, Failure>>;
}

/// What became of a group that was to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forget {
    /// There is none now.
    Done,
    /// There was none.
    Unknown,
    /// It has an open subscription.
    InUse,
}

/// A group's place in a topic.
pub trait Subscription: fmt::Debug + Send + Sync {
    /// Waits for the next messages: at least one, at most `most`, in order, each once per opening.
    /// Cancel safe: a message is handed out only by a future that was polled to its end.
    fn receive(&mut self, most: usize) -> PortFuture<'_, Result<Vec<Received>, Failure>>;

    /// Says what became of a message. `Done` need not be durable at once (a crash may bring the message
    /// again); `DeadLetter` is durable before the answer.
    fn settle(&self, position: Position, settlement: Settlement) -> PortFuture<'_, Result<(), Failure>>;
}
