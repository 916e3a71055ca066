//! Output bindings: what a service asks of something outside of the system, by the name of an operation.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;

use crate::{Failure, PortFuture};

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// What to do, in the binding's words.
    pub operation: String,
    /// JSON, as the service wrote it.
    pub data: Bytes,
    /// What else it said.
    pub metadata: BTreeMap<String, String>,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reply {
    /// As it came.
    pub data: Bytes,
    /// What else was said.
    pub metadata: BTreeMap<String, String>,
}

/// Why a binding did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum BindingError {
    /// It has no such operation.
    #[error("invalid operation: {operation}; there are {known:?}")]
    UnknownOperation {
        /// What was asked.
        operation: String,
        /// Those there are.
        known: &'static [&'static str],
    },
    /// What was asked cannot be sent.
    #[error("{0}")]
    Malformed(String),
    /// What it stands on refused.
    #[error("{why}")]
    Refused {
        /// Its reason.
        why: String,
        /// What it answered.
        reply: Reply,
    },
    /// It could not be asked.
    #[error(transparent)]
    Failed(#[from] Failure),
}

/// An output binding of the system file on one engine.
pub trait OutputBinding: fmt::Debug + Send + Sync {
    /// Does what is asked, once. Must be polled in a tokio runtime with I/O and time.
    fn invoke(&self, invocation: Invocation) -> PortFuture<'_, Result<Reply, BindingError>>;
}
