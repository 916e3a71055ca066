//! Engines on what is outside of Floodway, a module each: the environment, files, folders, HTTP, the clock.
//!
//! Each describes itself, so that the checker of the system file knows its options, and implements the
//! ports of the blocks it serves.

#![forbid(unsafe_code)]

pub mod cron;
pub mod env;
pub mod file;
pub mod folder;
pub mod http;

mod failure;

/// Every engine of this crate.
pub const DESCRIPTIONS: &[floodway_blocks::EngineDescription] =
    &[env::DESCRIPTION, file::DESCRIPTION, folder::DESCRIPTION, http::DESCRIPTION, cron::DESCRIPTION];
