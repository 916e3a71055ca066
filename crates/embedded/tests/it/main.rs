//! The engine on real files: the conformance suite, a process that is killed, backlogs and damage.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what a test relies on and does not hold must fail it"
)]

mod conformance;
mod files;
mod full_disk;
mod killed;
mod throughput;
