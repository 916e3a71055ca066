//! The API over real sockets, on the real embedded engine, with apps that answer as told.

#![cfg(test)]
#![forbid(unsafe_code)]

mod any_bytes;
mod bindings;
mod bulk;
mod by_grpc;
mod calls;
mod configuration;
mod deliveries;
mod grpc;
mod jobs;
mod limits;
mod locks;
mod ordering;
mod outbox;
mod permissions;
mod publishing;
mod resilience;
mod rollout;
mod routing;
mod secrets;
mod server;
mod state;
mod streams;
mod subscribing;
mod support;
mod tasks;
mod topic_routes;
