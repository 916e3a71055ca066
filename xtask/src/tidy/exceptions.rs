//! The places where a rule about words does not hold, each with its reason. One that is not needed any more
//! is a mistake too.

use std::collections::BTreeSet;

use super::Mistake;

/// A rule about words that can have exceptions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rule {
    /// No sleep in tests.
    Sleep,
    /// Clocks are read in files named `clock.rs`.
    Clock,
}

/// File, rule, reason. A test's own server or client may take its time, as real ones do.
const EXCEPTIONS: [(&str, Rule, &str); 7] = [
    ("cases/shop/src/audit/collect.rs", Rule::Clock, "the audit is a program that waits until a deadline"),
    ("cases/shop/tests/it/service.rs", Rule::Sleep, "it asks again until the service listens"),
    ("crates/bench/src/link.rs", Rule::Sleep, "a server closes late, and a link hears of it later"),
    ("crates/bench/tests/it/loads.rs", Rule::Sleep, "servers that are slow, stall or come late"),
    ("crates/blocks/src/conformance/state.rs", Rule::Clock, "expiry is compared with wall time"),
    ("crates/floodway/tests/it/orphans.rs", Rule::Sleep, "the moment of the kill is what varies"),
    ("crates/floodway/tests/it/service.rs", Rule::Sleep, "a service that is slow"),
];

/// Which exceptions were needed.
#[derive(Debug, Default)]
pub(crate) struct Seen(BTreeSet<(&'static str, Rule)>);

impl Seen {
    /// Whether a file is an exception to a rule it breaks.
    pub(crate) fn excuses(&mut self, path: &str, rule: Rule) -> bool {
        let found = EXCEPTIONS.iter().find(|(file, about, _)| *file == path && *about == rule);
        found.is_some_and(|(file, rule, _)| {
            self.0.insert((file, *rule));
            true
        })
    }

    /// Exceptions that nothing needed.
    pub(crate) fn unused(&self) -> Vec<Mistake> {
        let idle = EXCEPTIONS.iter().filter(|(file, rule, _)| !self.0.contains(&(*file, *rule)));
        idle.map(|(file, rule, _)| Mistake::new(*file, format!("needs no exception from {rule:?} any more")))
            .collect()
    }
}
