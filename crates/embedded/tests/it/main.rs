//! The engine on real files: the conformance suite, and a process that is killed.

mod conformance;
