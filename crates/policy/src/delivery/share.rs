//! A node's deliveries, shared among its subscriptions: none may take so much that others find nothing left.
//!
//! A subscription may have as many under way as places are still free (dynamic thresholds, `α = 1`: A. Choudhury
//! and E. Hahne, Dynamic queue length thresholds for shared-memory packet switches, 1998). Of 16 places one
//! subscription takes 8; as some end, `n` that want all come to `1 / (n + 1)` each, and as much is left for one that
//! comes. Whoever is slow takes at most half of what is free, however long it holds it.

/// How many more deliveries a subscription may start, of `places` in all, with `all` under way in the node and `own`
/// of them its own.
#[must_use]
pub const fn share(places: usize, all: usize, own: usize) -> usize {
    // Each that starts takes a free place and adds one of its own.
    places.saturating_sub(all).saturating_sub(own).div_ceil(2)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::{prop_assert, proptest};

    use super::share;

    #[test]
    fn takes_as_many_as_are_left() {
        assert_eq!(share(16, 0, 0), 8);
        assert_eq!(share(16, 8, 8), 0);
        assert_eq!(share(16, 8, 0), 4);
        assert_eq!(share(16, 15, 0), 1);
        assert_eq!(share(16, 16, 0), 0);
        assert_eq!(share(16, 20, 0), 0, "as after the number was made smaller");
    }

    #[test]
    fn the_greedy_come_to_even_shares_and_leave_one() {
        let (places, mut own) = (1600, [0; 7]);
        for _ in 0..places {
            for who in 0..own.len() {
                own[who] -= usize::from(own[who] > 0);
                own[who] += share(places, own.iter().sum(), own[who]);
            }
        }
        assert!(own.iter().all(|own| (190..=210).contains(own)), "{own:?}");
        let left = share(places, own.iter().sum(), 0);
        assert!((90..=110).contains(&left), "{left} for one that comes");
    }

    proptest! {
        #[test]
        fn there_are_never_too_many_and_one_that_comes_finds_a_place_while_there_is_one(
            asks in vec(0..7usize, 1..400),
            places in 1..4096usize,
        ) {
            let mut own = [0; 7];
            for who in asks {
                let all: usize = own.iter().sum();
                let more = share(places, all, own[who]);
                // At most half of what is free, rounded up.
                prop_assert!(more <= (places - all).div_ceil(2));
                own[who] += more;
                prop_assert!(all + more <= places);
                prop_assert!(all + more == places || share(places, all + more, 0) > 0);
            }
        }
    }
}
