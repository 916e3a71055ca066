//! The gateway between real sockets: a client that may send anything, and servers that answer as told.

#![cfg(test)]
#![forbid(unsafe_code)]
#![expect(clippy::disallowed_methods, reason = "sockets are waited for on the real clock")]

mod balance;
mod bodies;
mod cache;
mod connections;
mod deadlines;
mod drain;
mod failures;
mod headers;
mod http2;
mod idempotency;
mod limits;
mod metrics;
mod overload;
mod proxy_protocol;
mod rate_limits;
mod reload;
mod resilience;
mod routing;
mod smuggling;
mod sticky;
mod support;
mod telemetry;
mod tls;
mod trust;
mod upgrade;
mod upstream_http2;
mod upstream_tls;
