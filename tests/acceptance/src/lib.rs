//! The whole product, driven as a user would, with faults.

#![forbid(unsafe_code)]
