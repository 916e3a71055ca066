//! A part of a route's requests goes to other services: to try a new version on few, or on those that ask
//! for it.

use alloc::string::String;
use alloc::vec::Vec;

use crate::rng::Rng;
use crate::snapshot::RoutePolicy;

/// Where parts of a route's requests go. What no part takes goes the route's own way.
#[derive(Debug, Clone)]
pub struct SplitPolicy {
    /// Percents come to 100 together at most.
    pub parts: Vec<Part>,
}

/// One part.
#[derive(Debug, Clone)]
pub struct Part {
    /// Requests with this header have it, whatever the percents say.
    pub header: Option<HeaderIs>,
    /// Of a hundred of the other requests, so many, by chance.
    pub percent: u8,
    /// Where they go, and how.
    pub route: RoutePolicy,
}

/// A header that is there, or has a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderIs {
    /// Its name in lower case.
    pub name: String,
    /// Its whole value; `None` for any.
    pub value: Option<String>,
}

impl SplitPolicy {
    /// The part that a request belongs to: the first whose header it has, else one by chance. Every request is
    /// drawn for anew. O(parts), without allocation.
    pub fn choose<'a, 'h>(
        &'a self,
        header: impl Fn(&str) -> Option<&'h [u8]>,
        rng: &mut Rng,
    ) -> Option<&'a RoutePolicy> {
        let asks = |part: &&Part| part.header.as_ref().is_some_and(|is| is.holds(header(&is.name)));
        if let Some(asked) = self.parts.iter().find(asks) {
            return Some(&asked.route);
        }
        let mut drawn = rng.below(100);
        let drawn = self.parts.iter().find(|part| {
            let percent = u32::from(part.percent);
            let is_it = drawn < percent;
            drawn = drawn.saturating_sub(percent);
            is_it
        });
        drawn.map(|part| &part.route)
    }
}

impl HeaderIs {
    fn holds(&self, given: Option<&[u8]>) -> bool {
        given.is_some_and(|given| self.value.as_ref().is_none_or(|value| value.as_bytes() == given))
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use proptest::collection::vec;
    use proptest::{prop_assert, prop_assert_eq, proptest};

    use super::*;
    use crate::membership::ServiceId;
    use crate::snapshot::CallPolicy;
    use crate::snapshot::test_support::CALL;

    fn part(service: u16, percent: u8, header: Option<(&str, Option<&str>)>) -> Part {
        let header = header.map(|(name, value)| HeaderIs { name: name.into(), value: value.map(Into::into) });
        let route = RoutePolicy {
            name: String::new(),
            call: CallPolicy { service: ServiceId(service), ..CALL },
            body_max: 0,
            cache: None,
            priority: None,
            rate_limit: None,
            idempotency: None,
            fallback: None,
            split: None,
        };
        Part { header, percent, route }
    }

    fn chosen(split: &SplitPolicy, header: Option<(&str, &'static str)>, rng: &mut Rng) -> Option<u16> {
        let find = |name: &str| header.filter(|(given, _)| *given == name).map(|(_, value)| value.as_bytes());
        split.choose(find, rng).map(|route| route.call.service.0)
    }

    #[test]
    fn a_header_decides_before_chance() {
        let parts = std::vec![
            part(1, 100, None),
            part(2, 0, Some(("x-canary", Some("yes")))),
            part(3, 0, Some(("x-any", None)))
        ];
        let (split, mut rng) = (SplitPolicy { parts }, Rng::new(1));
        for (header, service) in [
            (None, 1),
            (Some(("x-canary", "yes")), 2),
            (Some(("x-canary", "no")), 1),
            (Some(("x-any", "")), 3),
        ] {
            assert_eq!(chosen(&split, header, &mut rng), Some(service), "{header:?}");
        }
    }

    proptest! {
        #[test]
        fn parts_get_their_percent(percents in vec(0_u8..=25, 0..=4), seed in 0_u64..1_000) {
            let parts = (1..).zip(&percents).map(|(service, &percent)| part(service, percent, None)).collect();
            let (split, mut rng) = (SplitPolicy { parts }, Rng::new(seed));
            let mut counts = std::vec![0_u32; 5];
            for _ in 0..10_000 {
                counts[usize::from(chosen(&split, None, &mut rng).unwrap_or(0))] += 1;
            }
            let rest = 100 - percents.iter().sum::<u8>();
            let expected: Vec<_> = [rest].into_iter().chain(percents).collect();
            for (count, percent) in counts.iter().zip(expected) {
                let most = u32::from(percent) * 100;
                prop_assert!(count.abs_diff(most) <= 350, "{count} for {percent} %");
                if percent == 0 {
                    prop_assert_eq!(*count, 0);
                }
            }
        }
    }
}
