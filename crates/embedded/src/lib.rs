//! The engine without other software: state, topics, locks and jobs on one segment log.
//!
//! ```text
//! store · topics · locks · jobs ─▶ queue ─▶ committer ─▶ log (one write, one fdatasync for all that wait)
//!                                        └─▶ view (state, cursors, leases) ─▶ answers
//! due     ◀─ times in memory
//! receive ◀─ tail in memory, or the log's files for a backlog
//! ```
//! [`Engine::open`] replays and checks the log; [`Engine::close`] ends cleanly. Needs no runtime,
//! but for waiting until a job is due.

#![forbid(unsafe_code)]

mod clock;
mod commit;
mod disk;
mod engine;
mod error;
mod jobs;
mod keeper;
mod locks;
mod log;
mod op;
mod options;
mod recovery;
mod shared;
mod state;
mod sync;
mod topics;
mod view;

#[cfg(test)]
mod crash_tests;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
#[cfg(test)]
mod tests;

pub use engine::Engine;
pub use error::OpenError;
pub use options::{DESCRIPTION, Durability, Limits, NAME, Options, StoreOptions, TopicsOptions};
pub use recovery::Recovery;
