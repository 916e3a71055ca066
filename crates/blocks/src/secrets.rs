//! Secrets: named groups of texts that services may read and nobody may print.

use std::collections::BTreeMap;
use std::fmt;

use crate::{Failure, PortFuture};

/// A secret: texts by key; often one, whose key is the secret's own name. `Debug` shows none of it.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret(pub BTreeMap<String, String>);

/// A secrets component of the system file on one engine.
pub trait Secrets: fmt::Debug + Send + Sync {
    /// Reads a secret; `None` where the engine has none of that name.
    fn get<'a>(&'a self, name: &'a str) -> PortFuture<'a, Result<Option<Secret>, Failure>>;

    /// Reads all secrets, by name.
    fn all(&self) -> PortFuture<'_, Result<BTreeMap<String, Secret>, Failure>>;
}

// === impl Secret ===

impl Secret {
    /// A secret of one text, under its own name.
    pub fn single(name: &str, text: String) -> Self {
        Self(BTreeMap::from([(name.to_owned(), text)]))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
