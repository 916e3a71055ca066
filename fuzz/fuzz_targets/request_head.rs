//! Heads of HTTP/1.1 requests.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| floodway_gateway::fuzzing::request_head(bytes));
