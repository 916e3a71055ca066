//! Heads of HTTP/1.1 answers; the first byte says whether they answer `HEAD`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((first, head)) = bytes.split_first() else { return };
    floodway_gateway::fuzzing::response_head(head, first % 2 == 0);
});
