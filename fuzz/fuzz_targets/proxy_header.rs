//! Headers of the PROXY protocol, both versions.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| floodway_gateway::fuzzing::proxy_header(bytes));
