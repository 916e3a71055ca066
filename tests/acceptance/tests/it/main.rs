//! The real binary runs the real shop; replicas and nodes are killed; the books must still balance.

#![cfg(test)]
#![forbid(unsafe_code)]

mod faults;
mod footprint;
mod loads;
mod node;
mod shop;
