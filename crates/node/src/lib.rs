//! One running node: supervisor, workers, wiring, admin.

#![forbid(unsafe_code)]
