//! Every decision of the data plane, pure.
//!
//! Given state, an event, the time and a random stream, each module returns what to do and why. It
//! performs nothing: the gateway and the simulator both drive this code, so they cannot drift apart.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod access;
pub mod adaptive;
pub mod admission;
pub mod balance;
pub mod breaker;
pub mod budget;
pub mod calendar;
pub mod cluster;
pub mod deadline;
pub mod delivery;
pub mod exchange;
pub mod fallback;
pub mod guard;
pub mod health;
pub mod hedge;
pub mod http_cache;
pub mod idempotency;
pub mod job;
mod latency;
pub mod membership;
pub mod operation;
pub mod outlier;
pub mod rate_limit;
pub mod retry;
pub mod rng;
pub mod routing;
pub mod schedule;
pub mod snapshot;
pub mod split;
pub mod sticky;
pub mod time;
pub mod trace;
pub mod trust;
mod zone;

pub use cluster::Cluster;
pub use membership::{EndpointId, EndpointState, Member, Membership, ServiceId, Weight, ZoneId};
pub use rng::Rng;
pub use snapshot::Snapshot;
pub use time::Time;
