//! The real binary runs the real shop; replicas and nodes are killed; the books must still balance.

#![cfg(test)]
#![forbid(unsafe_code)]
#![expect(clippy::disallowed_methods, reason = "real processes are timed on the real clock")]

mod faults;
mod footprint;
mod loads;
mod node;
mod sdks;
mod shop;
