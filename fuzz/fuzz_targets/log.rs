//! The engine's log, with any bytes in it.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| floodway_embedded::fuzzing::log(bytes));
