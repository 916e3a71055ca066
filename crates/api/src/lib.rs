//! The block API: what a service asks of Floodway, over HTTP and gRPC as Dapr's SDKs speak them, and the
//! deliveries of messages and jobs to services.
//!
//! Each replica has a port of its own, so the port says who calls. Everything here runs on one worker's
//! thread; engines may be shared by all.

#![forbid(unsafe_code)]

mod bindings;
mod clock;
mod cloud_event;
pub mod components;
mod configuration;
mod deliver;
mod error;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod grpc;
mod invoke;
mod jobs;
mod listen;
mod lock;
mod metadata;
mod path;
mod permissions;
mod publish;
mod resilience;
mod secrets;
mod server;
mod state;
mod streams;
mod subscription;
mod tasks;
mod to_app;
mod zone;

pub use bindings::cron::{CronBinding, run_cron};
pub use components::{
    Components, DeclaredSubscription, JobsComponent, Outbox, Scopes, StoreComponent, TopicsComponent,
};
pub use deliver::deliver;
pub use deliver::tally::DeliveryMetrics;
pub use grpc::serve as serve_grpc;
pub use jobs::run_jobs;
pub use server::{Caller, ServerOptions, serve};
