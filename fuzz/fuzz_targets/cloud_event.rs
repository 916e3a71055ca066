//! Envelopes around any payload.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| floodway_api::fuzzing::cloud_event(bytes));
