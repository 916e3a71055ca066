//! The engine on real files: the conformance suite, a process that is killed, backlogs and damage.

mod conformance;
mod files;
mod killed;
mod throughput;
