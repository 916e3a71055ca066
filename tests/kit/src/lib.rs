//! For tests that run real processes: free ports, waiting with a deadline, children that are never left
//! behind, an HTTP client and a scripted server, seeds, figures of a process.

#![forbid(unsafe_code)]

mod child;
mod eventually;
pub mod http;
mod process;
mod seeds;
mod upstream;

pub use child::Running;
pub use eventually::{eventually, eventually_blocking, pause_until};
pub use process::{cpu_time_of, family_of, memory_of};
pub use seeds::seeds;
pub use upstream::{Reply, Seen, Upstream};

use std::net::{SocketAddr, TcpListener};

/// A loopback address that nobody listens on. Another process may take it before it is used; the kernel
/// hands ports out in turn, which makes that rare.
pub fn free_address() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has free ports");
    listener.local_addr().expect("a bound listener has an address")
}
