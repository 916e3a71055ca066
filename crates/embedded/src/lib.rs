//! The engine without other software: log, state, topics, locks.

#![forbid(unsafe_code)]
