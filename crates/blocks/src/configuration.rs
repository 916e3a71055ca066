//! Configuration: values by key that change from outside, and who wants to know does.
//!
//! ```text
//! get(keys) ─▶ the items there are              watch(keys) ─▶ changes ─▶ {a: new item} ─▶ {b: gone} …
//! ```

use std::collections::BTreeMap;
use std::fmt;

use crate::{Failure, PortFuture};

/// A value of a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Item {
    /// The value.
    pub value: String,
    /// Changes with the value; its form is the engine's.
    pub version: String,
    /// What else is said of it.
    pub metadata: BTreeMap<String, String>,
}

/// Items by key.
pub type Items = BTreeMap<String, Item>;

/// A configuration component of the system file on one engine.
pub trait Configuration: fmt::Debug + Send + Sync {
    /// The items of these keys, those there are; all where no key is named.
    fn get(&self, keys: Vec<String>) -> PortFuture<'_, Result<Items, Failure>>;

    /// Looks for changes of these keys from now on; of all where none is named.
    fn watch(&self, keys: Vec<String>) -> PortFuture<'_, Result<Box<dyn Changes>, Failure>>;
}

/// The changes of a configuration, as one who watches sees them.
pub trait Changes: fmt::Debug + Send + Sync {
    /// Waits for the next change: what has another version than before, and `None` for what is gone.
    /// Several changes in a short time may come as one. Cancel safe: what was not handed out by a future
    /// that was polled to its end comes again. Must be polled in a tokio runtime with time.
    fn next(&mut self) -> PortFuture<'_, Result<BTreeMap<String, Option<Item>>, Failure>>;
}
