//! The block API: Dapr-compatible HTTP for services, deliveries out.

#![forbid(unsafe_code)]
