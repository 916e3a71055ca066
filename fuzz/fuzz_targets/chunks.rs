//! Bodies in chunks; the first byte says in pieces of what length they arrive.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((first, body)) = bytes.split_first() else { return };
    floodway_gateway::fuzzing::chunks(body, usize::from(*first));
});
