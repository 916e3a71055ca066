//! The ports between what uses a block (the API, the node) and the engine that does its work.
//!
//! A block is what a service asks Floodway for: state, topics, locks, jobs, secrets,
//! configuration, a call to another service.
//! Nothing here performs I/O. An engine implements the traits, describes itself with an
//! [`EngineDescription`], and proves itself with the suite in `conformance`.

#![forbid(unsafe_code)]

pub mod bindings;
pub mod configuration;
pub mod engine;
pub mod failure;
pub mod invoke;
pub mod jobs;
pub mod lock;
pub mod secrets;
pub mod state;
pub mod subscription;
pub mod topics;

#[cfg(feature = "conformance")]
pub mod conformance;

pub use engine::{Block, EngineDescription, OptionDescription, OptionKind};
pub use failure::Failure;

use std::future::Future;
use std::pin::Pin;

/// What a port's operation returns: one boxed future per operation, free to move between threads.
pub type PortFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
