//! The system file: parse, profiles, check, schema, compile.
//!
//! [`load`] reads a file and answers with a [`System`], or with all [`Mistakes`] in it, each at its line.
//! [`System::compile`] makes the snapshot that decisions are made by. One description of the file's shape
//! feeds the checker and its suggestions, and the reference.

#![forbid(unsafe_code)]

mod code;
mod dapr;
mod load;
mod mistake;
mod model;

mod check;
mod expand;
mod form;
mod overlay;
mod read;
mod shape;
mod tree;
mod value;
mod words;

mod compile;
mod reference;
mod schema;

pub use code::Code;
pub use dapr::{ReadSecret, add_resources};
pub use load::{ColumnsOf, Context, FILE_NAME, load, parse};
pub use mistake::{Mistake, Mistakes, Span};
pub use model::{
    AccessLog, Audit, CertificateFiles, ClientAuthority, Component, DaprSubscription, Engine, Gateway,
    Health, Jobs, Listen, Locks, LogTo, NamedLoad, Node, Outbox, Probe, Route, Run, Scope, Service,
    ServiceTls, Source, Store, System, Telemetry, Tls, Token, Topics, Traces,
};
pub use reference::reference;
pub use schema::schema;
