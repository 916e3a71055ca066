//! Hedging: while a try is late, a second one goes to another replica, and the first good answer wins
//! (Dean and Barroso, "The Tail at Scale", CACM 56(2), 2013). When it is late is fixed, or learned: later
//! than 95 of a hundred tries were. A share of the requests bounds what this adds to a service.

use core::time::Duration;

/// When a second try is made, and how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HedgePolicy {
    /// When a try is late.
    pub after: Late,
    /// Second tries per million requests that may have one.
    pub share: u32,
}

/// When a try is late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Late {
    /// After this time.
    After(Duration),
    /// Once it takes longer than 95 of a hundred do; never before enough of them are known.
    P95,
}

/// One worker's state of one policy.
#[derive(Debug, Clone)]
pub struct Hedge {
    policy: HedgePolicy,
    /// Millionths of a second try.
    balance: u32,
    p95: P95,
}

/// The time that 95 of a hundred recent ones do not exceed, learned in constant space: counts by time, in
/// eight steps between powers of two, so that it is at most an eighth too long; the past fades by halves.
#[derive(Debug, Clone)]
pub struct P95 {
    counts: [u16; BUCKETS],
    total: u32,
    /// Since `value` was found.
    news: u32,
    value: Option<Duration>,
}

/// Millionths in a second try.
const WHOLE: u32 = 1_000_000;
/// Second tries that may be saved up.
const SAVED_MAX: u32 = 10;
/// The least and the greatest time that is told apart, as powers of two of a microsecond: 64 µs and 134 s.
const SHORTEST: u32 = 6;
const LONGEST: u32 = 27;
/// Steps between two powers, as a power of two.
const STEPS: u32 = 3;
const BUCKETS: usize = ((LONGEST - SHORTEST) << STEPS) as usize;
/// Fewer say nothing about five in a hundred.
const KNOWN_MIN: u32 = 100;
/// With so many, each count is halved: no count outgrows its type.
const KNOWN_MAX: u32 = 4_096;
/// The value is found anew after so many.
const NEWS: u32 = 50;

// === impl Hedge ===

impl Hedge {
    /// Nothing saved, nothing learned.
    pub const fn new(policy: HedgePolicy) -> Self {
        Self { policy, balance: 0, p95: P95::new() }
    }

    /// After how long a try is late; `None` while that is not known.
    pub const fn late(&self) -> Option<Duration> {
        match self.policy.after {
            Late::After(time) => Some(time),
            Late::P95 => self.p95.value(),
        }
    }

    /// A request arrived that may have a second try.
    pub(crate) fn earn(&mut self) {
        self.balance = (self.balance + self.policy.share.min(WHOLE)).min(SAVED_MAX * WHOLE);
    }

    /// Whether a second try can be paid for.
    pub(crate) const fn affords(&self) -> bool {
        self.balance >= WHOLE
    }

    /// A second try is made.
    pub(crate) fn spend(&mut self) {
        debug_assert!(self.affords(), "what is spent is there");
        self.balance = self.balance.saturating_sub(WHOLE);
    }

    /// A try took so long, or longer: one that was given up for its second was late, and only that counts.
    pub(crate) fn observe(&mut self, took: Duration) {
        if self.policy.after == Late::P95 {
            self.p95.observe(took);
        }
    }
}

// === impl P95 ===

impl Default for P95 {
    fn default() -> Self {
        Self::new()
    }
}

impl P95 {
    /// Nothing is known.
    pub const fn new() -> Self {
        Self { counts: [0; BUCKETS], total: 0, news: 0, value: None }
    }

    /// The time; `None` before a hundred are known. Found anew after each fifty.
    pub const fn value(&self) -> Option<Duration> {
        self.value
    }

    /// One more took so long. O(1), but for each fiftieth.
    pub fn observe(&mut self, took: Duration) {
        self.counts[bucket(took)] += 1;
        self.total += 1;
        self.news += 1;
        if self.total >= KNOWN_MIN && self.news >= NEWS {
            self.news = 0;
            self.value = self.find();
        }
        if self.total >= KNOWN_MAX {
            self.counts.iter_mut().for_each(|count| *count /= 2);
            self.total = self.counts.iter().copied().map(u32::from).sum();
        }
    }

    fn find(&self) -> Option<Duration> {
        let rank = (self.total * 95).div_ceil(100);
        let mut seen = 0;
        let place = self.counts.iter().position(|count| {
            seen += u32::from(*count);
            seen >= rank
        });
        place.map(upper)
    }
}

fn bucket(took: Duration) -> usize {
    let micros = u32::try_from(took.as_micros()).unwrap_or(u32::MAX);
    let micros = micros.clamp(1 << SHORTEST, (1 << LONGEST) - 1);
    let power = micros.ilog2();
    let step = (micros >> (power - STEPS)) & ((1 << STEPS) - 1);
    (((power - SHORTEST) << STEPS) + step) as usize
}

/// No time in this bucket is longer.
fn upper(bucket: usize) -> Duration {
    let (power, step) = (bucket >> STEPS, (bucket & ((1 << STEPS) - 1)) as u64);
    let base = 1 << (power as u64 + u64::from(SHORTEST));
    Duration::from_micros(base + (step + 1) * (base >> STEPS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::{prop_assert, proptest};
    use std::vec::Vec;

    proptest! {
        /// However requests and late ones come, second tries stay within their share.
        #[test]
        fn second_tries_stay_within_their_share(
            steps in vec(proptest::bool::ANY, 0..2_000),
            share in 0_u32..=1_000_000,
        ) {
            let mut hedge = Hedge::new(HedgePolicy { after: Late::P95, share });
            let (mut requests, mut spent) = (0_u64, 0_u64);
            for is_request in steps {
                if is_request {
                    hedge.earn();
                    requests += 1;
                } else if hedge.affords() {
                    hedge.spend();
                    spent += 1;
                }
                prop_assert!(spent * 1_000_000 <= requests * u64::from(share));
            }
        }

        #[test]
        fn the_95th_of_a_hundred_is_found_within_an_eighth(
            micros in vec(64_u64..100_000_000, 100..2_000),
        ) {
            let mut p95 = P95::new();
            let whole = micros.len() / 50 * 50;
            micros[..whole].iter().for_each(|micros| p95.observe(Duration::from_micros(*micros)));
            let mut sorted: Vec<_> = micros[..whole].to_vec();
            sorted.sort_unstable();
            let exact = Duration::from_micros(sorted[(whole * 95).div_ceil(100) - 1]);
            let found = p95.value().expect("enough are known");
            prop_assert!(found > exact && found <= exact.mul_f64(1.125) + Duration::from_micros(1), "{found:?} for {exact:?}");
        }

        #[test]
        fn takes_any_time(nanos: u64) {
            let place = bucket(Duration::from_nanos(nanos));
            prop_assert!(place < BUCKETS);
        }
    }

    #[test]
    fn forgets_what_was_long_ago() {
        let mut p95 = P95::new();
        (0..20_000).for_each(|_| p95.observe(Duration::from_millis(100)));
        (0..80_000).for_each(|_| p95.observe(Duration::from_millis(1)));
        assert!(p95.value().is_some_and(|value| value < Duration::from_millis(2)), "{:?}", p95.value());
    }

    #[test]
    fn knows_nothing_from_few() {
        let mut hedge = Hedge::new(HedgePolicy { after: Late::P95, share: 0 });
        (0..99).for_each(|_| hedge.observe(Duration::from_millis(1)));
        assert_eq!(hedge.late(), None);
        hedge.observe(Duration::from_millis(1));
        assert!(hedge.late().is_some());
    }
}
