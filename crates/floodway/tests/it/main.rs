//! The real binary with small services: what a user does, and what goes wrong.

#![expect(
    clippy::panic,
    clippy::print_stdout,
    clippy::zombie_processes,
    reason = "tests fail by panics, wait for other processes, and have a service that misbehaves on purpose"
)]

mod commands;
mod jobs;
mod life;
mod loads;
mod lossless;
mod metrics;
mod orphans;
mod outside;
mod reload;
mod resources;
mod service;
mod soak;
mod support;
mod telemetry;
