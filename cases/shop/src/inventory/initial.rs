//! The stock that products begin with: `cd-*=100000,flash-1=1000`.

use std::env::VarError;

use crate::contract::Sku;

/// Which products there are, and how many units of each at the start.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct InitialStock {
    rules: Vec<Rule>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    pattern: Pattern,
    units: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Pattern {
    Exactly(String),
    Prefix(String),
}

/// Why `INITIAL_STOCK` cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InitialStockError {
    #[error("it is not set; it names the products, as in cd-*=100000,flash-1=1000")]
    Missing(#[source] VarError),
    #[error("{0:?} is no rule: expected a SKU, or its beginning and *, then = and units, as in cd-*=100000")]
    NoRule(String),
    #[error("{rule:?} has no number of units after =")]
    NoUnits { rule: String, source: std::num::ParseIntError },
}

// === impl InitialStock ===

impl InitialStock {
    pub(crate) fn from_env() -> Result<Self, InitialStockError> {
        Self::parse(&std::env::var("INITIAL_STOCK").map_err(InitialStockError::Missing)?)
    }

    pub(crate) fn parse(text: &str) -> Result<Self, InitialStockError> {
        let rules = text.split(',').map(Rule::parse).collect::<Result<_, _>>()?;
        Ok(Self { rules })
    }

    /// The units of a product at the start, by the exact rule or else the longest beginning;
    /// `None` when there is no such product.
    pub(crate) fn of(&self, sku: &Sku) -> Option<u64> {
        let matching = self.rules.iter().filter(|rule| rule.pattern.matches(sku));
        matching.max_by_key(|rule| rule.pattern.precedence()).map(|rule| rule.units)
    }
}

// === impl Rule ===

impl Rule {
    fn parse(text: &str) -> Result<Self, InitialStockError> {
        let text = text.trim();
        let no_rule = || InitialStockError::NoRule(text.to_owned());
        let (pattern, units) = text.split_once('=').ok_or_else(no_rule)?;
        let pattern = match pattern.strip_suffix('*') {
            Some(prefix) => Pattern::Prefix(prefix.to_owned()),
            None => Pattern::Exactly(pattern.to_owned()),
        };
        if !pattern.is_valid() {
            return Err(no_rule());
        }
        let no_units = |source| InitialStockError::NoUnits { rule: text.to_owned(), source };
        Ok(Self { pattern, units: units.parse().map_err(no_units)? })
    }
}

// === impl Pattern ===

impl Pattern {
    fn matches(&self, sku: &Sku) -> bool {
        match self {
            Self::Exactly(text) => sku.as_str() == text,
            Self::Prefix(text) => sku.as_str().starts_with(text.as_str()),
        }
    }

    fn precedence(&self) -> (bool, usize) {
        match self {
            Self::Exactly(text) => (true, text.len()),
            Self::Prefix(text) => (false, text.len()),
        }
    }

    fn is_valid(&self) -> bool {
        match self {
            Self::Exactly(text) => Sku::try_from(text.clone()).is_ok(),
            Self::Prefix(text) => text.is_empty() || Sku::try_from(text.clone()).is_ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(rules: &str, sku: &str) -> Option<u64> {
        InitialStock::parse(rules).unwrap().of(&Sku::try_from(sku.to_owned()).unwrap())
    }

    #[test]
    fn gives_units_by_exact_name_and_by_beginning() {
        let rules = "cd-*=100000, flash-1=1000";
        assert_eq!(units(rules, "cd-1997-01-01"), Some(100_000));
        assert_eq!(units(rules, "flash-1"), Some(1000));
        assert_eq!(units(rules, "flash-12"), None);
    }

    #[test]
    fn prefers_the_exact_rule_then_the_longest_beginning_in_any_order() {
        for rules in ["*=1,cd-*=2,cd-7*=3,cd-7=4", "cd-7=4,cd-7*=3,cd-*=2,*=1"] {
            let found = ["x", "cd-1", "cd-70", "cd-7"].map(|sku| units(rules, sku));
            assert_eq!(found, [Some(1), Some(2), Some(3), Some(4)]);
        }
    }

    #[test]
    fn refuses_what_is_no_rule() {
        for text in ["", "cd", "=5", "cd-*=", "cd-*=-1", "cd-*=1k", "c*d=1", "a b=1", "a=1,,b=2"] {
            assert!(InitialStock::parse(text).is_err(), "{text}");
        }
    }
}
