//! For tests: starts servers, finds ports, kills, counts invariants.

#![forbid(unsafe_code)]
