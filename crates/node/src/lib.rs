//! One running node: it starts the services of a system file and keeps them alive, carries their
//! traffic, serves their block API, and answers `floodway status`.
//!
//! The supervisor, the admin API and all children belong to the thread that runs [`Node`]; traffic
//! belongs to the gateway's workers.

#![forbid(unsafe_code)]

pub mod admin;
mod clock;
pub mod data;
pub mod error;
mod files;
pub mod guard;
pub mod handover;
pub mod load;
pub mod metrics;
pub mod node;
mod plane;
mod reload;
pub mod status;
pub mod supervisor;
mod telemetry;

pub use error::NodeError;
pub use node::{Node, Options};
pub use plane::{check_tls, read_secret};
pub use reload::ReadSystem;

/// How far a load is.
pub use floodway_bench::Progress;
pub use floodway_gateway::{Purge, PurgeBy};

/// The engines there are, for the checker of system files.
pub const ENGINES: &[floodway_blocks::EngineDescription] = &[
    floodway_embedded::DESCRIPTION,
    floodway_engines::env::DESCRIPTION,
    floodway_engines::file::DESCRIPTION,
    floodway_engines::folder::DESCRIPTION,
    floodway_engines::http::DESCRIPTION,
    floodway_engines::cron::DESCRIPTION,
];
