//! Open-loop load on a running system.

#![forbid(unsafe_code)]
