//! The Rust client of the block API.

#![forbid(unsafe_code)]
