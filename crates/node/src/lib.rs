//! One running node: it starts the services of a system file and keeps them alive, carries their
//! traffic, serves their block API, and answers `floodway status`.
//!
//! The supervisor, the admin API and all children belong to the thread that runs [`Node`]; traffic
//! belongs to the gateway's workers.

#![forbid(unsafe_code)]

mod clock;
pub mod data;
pub mod error;
pub mod guard;
pub mod supervisor;

pub use error::NodeError;
