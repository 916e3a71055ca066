//! Anything that a client sends, through a whole gateway to a service that records it.
#![no_main]

#[path = "../../crates/gateway/tests/it"]
#[allow(dead_code, unused_imports, reason = "the tests use the rest of it")]
mod it {
    pub(crate) mod smuggling;
    pub(crate) mod support;
}

use it::{smuggling, support};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| smuggling::fuzz_http1(bytes));
