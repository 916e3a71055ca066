//! Requests of HTTP/2 through a whole gateway to a service that speaks HTTP/1.1. The input is text: a line is
//! a field, of which the first character and what follows up to the next `=` is the name; what follows an empty
//! line is the body. `\` stands for LF and `^` for CR, so that they can be in fields.
#![no_main]

#[path = "../../crates/gateway/tests/it"]
#[allow(dead_code, unused_imports, reason = "the tests use the rest of it")]
mod it {
    pub(crate) mod smuggling;
    pub(crate) mod support;
}

use it::{smuggling, support};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let (mut fields, mut rest) = (Vec::new(), bytes);
    while let Some(len) = rest.iter().position(|byte| *byte == b'\n') {
        let line = &rest[..len];
        rest = &rest[len + 1..];
        if line.is_empty() {
            break;
        }
        let name_len = line.iter().skip(1).position(|byte| *byte == b'=').map_or(line.len(), |at| at + 1);
        let value = line.get(name_len + 1..).unwrap_or_default();
        fields.push((plain(&line[..name_len]), plain(value)));
    }
    smuggling::fuzz_http2(&fields, rest);
});

fn plain(text: &[u8]) -> Vec<u8> {
    let byte = |byte: &u8| match byte {
        b'\\' => b'\n',
        b'^' => b'\r',
        byte => *byte,
    };
    text.iter().map(byte).collect()
}
