//! A counter-based random stream: the same seed gives the same choices on every machine.
//!
//! The mixer is the finaliser of `SplitMix64` (Steele, Lea, Flood: "Fast splittable pseudorandom number
//! generators", OOPSLA 2014), applied to a counter that grows by the golden gamma.

const GOLDEN_GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

/// A stream of random numbers. Not for secrets.
#[derive(Debug, Clone)]
pub struct Rng {
    counter: u64,
}

impl Rng {
    /// The stream of a seed. Streams of different seeds are independent for our purposes.
    pub const fn new(seed: u64) -> Self {
        Self { counter: mix(seed) }
    }

    /// The next 64 random bits.
    pub const fn next_u64(&mut self) -> u64 {
        self.counter = self.counter.wrapping_add(GOLDEN_GAMMA);
        mix(self.counter)
    }

    /// A number from 0 to `bound - 1`, each as likely (to one part in 2^32). `bound` must not be 0.
    pub fn below(&mut self, bound: u32) -> u32 {
        debug_assert!(bound > 0, "no number is below 0");
        let high = self.next_u64() >> 32;
        u32::try_from((high * u64::from(bound)) >> 32).expect("a 32 by 32 bit product shifted by 32 fits")
    }

    /// A number in [0, 1).
    pub fn unit(&mut self) -> f64 {
        const SCALE: f64 = 1.0 / (1_u64 << 53) as f64;
        (self.next_u64() >> 11) as f64 * SCALE
    }
}

/// Spreads the bits of `x` over all 64.
pub const fn mix(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// As [`mix`], in a third of its time, for what is well mixed already: both halves of a product, one over the other
/// (wyhash's `mum`).
pub(crate) fn fold(x: u64) -> u64 {
    let product = u128::from(x) * u128::from(GOLDEN_GAMMA);
    let (high, low) = (product >> 64, product & u128::from(u64::MAX));
    u64::try_from(high ^ low).unwrap_or_default()
}

/// A hash of some bytes for keys such as a client's address. Not for secrets, not against attackers.
pub fn hash_bytes(bytes: &[u8]) -> u64 {
    bytes.chunks(8).fold(mix(bytes.len() as u64 ^ GOLDEN_GAMMA), |hash, chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        mix(hash ^ u64::from_le_bytes(word))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_seed_same_stream() {
        let (mut a, mut b) = (Rng::new(7), Rng::new(7));
        assert!((0..100).all(|_| a.next_u64() == b.next_u64()));
        assert_ne!(Rng::new(7).next_u64(), Rng::new(8).next_u64());
    }

    #[test]
    fn spreads_evenly_below_a_bound() {
        let mut rng = Rng::new(1);
        let mut counts = [0_u32; 10];
        for _ in 0..100_000 {
            counts[rng.below(10) as usize] += 1;
        }
        assert!(counts.iter().all(|&count| (9_500..10_500).contains(&count)), "{counts:?}");
    }

    #[test]
    fn unit_stays_below_one() {
        let mut rng = Rng::new(3);
        assert!((0..100_000).map(|_| rng.unit()).all(|x| (0.0..1.0).contains(&x)));
    }

    #[test]
    fn hashes_differ_where_only_the_length_does() {
        assert_ne!(hash_bytes(&[0]), hash_bytes(&[0, 0]));
        assert_ne!(hash_bytes(&[]), hash_bytes(&[0]));
    }
}
