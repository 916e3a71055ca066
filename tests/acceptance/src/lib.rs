//! The whole product, driven as a user would, with faults. Everything is in `tests/`.

#![forbid(unsafe_code)]
