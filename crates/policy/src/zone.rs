//! How much of the load stays in the zone where decisions are made, and what spills over.
//!
//! The rule is that of Envoy's priority levels, with the own zone as the first and all others as the second
//! (envoyproxy.io, "Priority levels" and "Overprovisioning factor"): a zone is taken to have 1.4 times what it needs,
//! so it keeps all of its load until fewer than 71 percent of it are ready, and from there on 1.4 times the part that is.
//! What it does not keep goes to the others; where both together have less than all that is needed, each gets a part by
//! what it has. So nobody in the zone gets more than 1.4 times what it would if all were ready, unless the others
//! could not do better. Envoy's zone-aware routing keeps as much as the zone's share of all endpoints is to its share of
//! all that ask: for that each of those that ask must know of all others.

/// What a part of a service can do, by weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Capacity {
    /// That takes requests.
    pub(crate) ready: u64,
    /// That there should be; not less than is ready.
    pub(crate) all: u64,
}

/// All of the load.
pub(crate) const WHOLE: u64 = 1 << 32;

/// What a zone has of what it needs, in tenths.
const OVERPROVISIONED: u128 = 14;

impl Capacity {
    /// The part of its load that it can take.
    fn available(self) -> u64 {
        let part = u128::from(self.ready) * OVERPROVISIONED * u128::from(WHOLE);
        let part = part / (10 * u128::from(self.all.max(1)));
        u64::try_from(part).unwrap_or(WHOLE).min(WHOLE)
    }
}

/// Of [`WHOLE`], what stays in the own zone.
pub(crate) fn kept(own: Capacity, others: Capacity) -> u64 {
    let (own, others) = (own.available(), others.available());
    if own + others >= WHOLE { own } else { own * WHOLE / (own + others).max(1) }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use proptest::{prop_assert, prop_assert_eq, proptest};

    use super::*;

    fn percent(own: [u64; 2], others: [u64; 2]) -> u64 {
        let capacity = |[ready, all]: [u64; 2]| Capacity { ready, all };
        (kept(capacity(own), capacity(others)) * 100 + WHOLE / 2) / WHOLE
    }

    /// The table of Envoy's page on priority levels.
    #[test]
    fn agrees_with_the_examples_of_its_source() {
        for (own, others, expected) in [
            (100, 100, 100),
            (72, 100, 100),
            (71, 100, 99),
            (50, 100, 70),
            (25, 100, 35),
            (0, 100, 0),
            (72, 72, 100),
            (50, 0, 100),
            (25, 25, 50),
            (5, 65, 7),
        ] {
            assert_eq!(percent([own, 100], [others, 100]), expected, "{own} and {others}");
        }
    }

    proptest! {
        #[test]
        fn more_that_is_ready_keeps_no_less(all in 1_u64..1_000, others in 0_u64..100) {
            let others = Capacity { ready: others, all: 100 };
            let kept: Vec<_> = (0..=all).map(|ready| kept(Capacity { ready, all }, others)).collect();
            prop_assert!(kept.is_sorted());
            prop_assert_eq!(kept.last(), Some(&WHOLE));
            prop_assert!(kept.first() == Some(&0));
        }

        /// Where the others can take what spills over, a ready endpoint gets at most 1.4 times its share of the whole zone.
        #[test]
        fn nobody_gets_more_than_the_factor(all in 1_u64..1_000, ready in 0_u64..1_000, others in 72_u64..=100) {
            let ready = ready % (all + 1);
            let kept = kept(Capacity { ready, all }, Capacity { ready: others, all: 100 });
            // kept / ready ≤ 1.4 / all
            prop_assert!(kept * all * 10 <= ready * 14 * WHOLE);
        }

        #[test]
        fn all_stays_where_no_other_is_ready(all in 1_u64..1_000, ready in 1_u64..1_000, others in 0_u64..10) {
            let own = Capacity { ready: 1 + ready % all, all };
            prop_assert_eq!(kept(own, Capacity { ready: 0, all: others }), WHOLE);
        }
    }
}
