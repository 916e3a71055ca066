//! Loads against real HTTP servers on loopback.

#![expect(clippy::unwrap_used, reason = "what a test relies on and does not hold must fail it")]

mod errors;
mod loads;
mod server;
