//! Engines on what is outside of Floodway, a module each: the environment, files, folders.
//!
//! Each describes itself, so that the checker of the system file knows its options, and implements the
//! ports of the blocks it serves.

#![forbid(unsafe_code)]

pub mod env;
pub mod file;
pub mod folder;

mod failure;

/// Every engine of this crate.
pub const DESCRIPTIONS: &[floodway_blocks::EngineDescription] =
    &[env::DESCRIPTION, file::DESCRIPTION, folder::DESCRIPTION];
