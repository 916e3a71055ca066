//! What is written: random keys of a million, and one value.

const KEYS: u64 = 1_000_000;
const VALUE: [u8; 256] = [b'v'; 256];

/// A caller's keys, the same in every run.
#[derive(Debug)]
pub(super) struct Keys(u64);

impl Keys {
    pub(super) fn new(caller: usize) -> Self {
        Self((caller as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// xorshift64 (Marsaglia 2003).
    pub(super) fn next(&mut self) -> Vec<u8> {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        format!("key-{:08}", self.0 % KEYS).into_bytes()
    }
}

/// What stands under each.
pub(super) const fn value() -> &'static [u8] {
    &VALUE
}
