//! The data plane: listeners, HTTP, connection pools. It performs what `policy` decides.
//!
//! A request costs four system calls (read, write, read, write) and nearly nothing else: no lock, no
//! other thread. Each worker has a thread, a listener, a view of the endpoints and connections of its
//! own; configuration and membership reach it as immutable snapshots.

#![forbid(unsafe_code)]

mod alarm;
mod bells;
mod body;
mod buffers;
mod cache;
mod clock;
mod connection;
mod counts;
mod crowd;
mod deadline;
mod entry;
mod forward;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod generations;
mod head;
mod http1;
mod idempotency;
mod in_flight;
mod invoke;
mod listen;
mod membership;
pub mod metrics;
mod peer;
mod perform;
mod pool;
pub mod proxy_protocol;
mod queue;
mod rate_limits;
mod respond;
mod sticky;
mod stream;
mod tasks;
pub mod telemetry;
mod tls;
mod tunnel;
mod upstream;
mod worker;
mod workers;

pub use cache::{CacheCounts, Purge, PurgeBy};
pub use counts::Counts;
pub use idempotency::Stores;
pub use listen::Listen;
pub use membership::Memberships;
pub use tls::{Back, BackOptions, ClientCertificates, Front, FrontOptions, KeyPair, TlsError};
pub use workers::{StartError, WorkerContext, Workers, WorkersOptions};
