//! Performs a load against an HTTP address and reports what came back.
//!
//! Requests start when the load's schedule says, whether or not earlier ones are answered (open loop).
//! One that finds no room waits for it, and its latency still counts from the start that was intended.
//!
//! One driver sleeps until the next request is due and gives it to a slot: a task with a connection of
//! its own. A slot that has finished takes what is due by itself, so at full speed the driver sleeps.
//! Cost per request: one write, one read, one wait; memory: a slot's connection and the recorder.

#![forbid(unsafe_code)]

mod clock;
mod error;
mod journal;
mod link;
mod request;
mod rows;
mod run;
mod shared;
mod slot;
mod timer;

pub use error::LoadError;
pub use run::{Progress, run};

pub use floodway_workload::{Load, Report};
