//! For tests that run real processes: free ports, waiting with a deadline, seeds, figures of a process.

#![forbid(unsafe_code)]

mod eventually;
mod process;
mod seeds;

pub use eventually::{eventually_blocking, pause_until};
pub use process::{cpu_time_of, memory_of};
pub use seeds::seeds;

use std::net::{SocketAddr, TcpListener};

/// A loopback address that nobody listens on. Another process may take it before it is used; the kernel
/// hands ports out in turn, which makes that rare.
pub fn free_address() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has free ports");
    listener.local_addr().expect("a bound listener has an address")
}
