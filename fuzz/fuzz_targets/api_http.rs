//! Any body, to every path of the API that reads one.
#![no_main]

use std::sync::LazyLock;

#[path = "../../crates/api/tests/it"]
#[allow(dead_code, unused_imports, reason = "the tests use the rest of it")]
mod it {
    pub(crate) mod any_bytes;
    pub(crate) mod support;
}

use it::{any_bytes, support};

static API: LazyLock<support::Api> = LazyLock::new(support::api);

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| any_bytes::http(&API, bytes));
