//! Money: whole cents, read from and written as decimal text, never as a binary fraction.

use std::fmt;
use std::iter::Sum;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An amount of US dollars in cents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Cents(u64);

/// Why a text is no amount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AmountError {
    #[error("{0:?} is no amount: expected dollars with at most two decimals, such as 11.77")]
    Malformed(String),
    #[error("{0} USD is more than the limit of {limit} USD", limit = Cents::ORDER_MAX)]
    TooMuch(String),
}

/// Digits before the point that are looked at; more are refused before they could overflow.
const WHOLE_DIGITS_MAX: usize = 12;

// === impl Cents ===

impl Cents {
    /// The largest amount of one order.
    pub(crate) const ORDER_MAX: Self = Self(100_000_000);

    pub(crate) const fn new(cents: u64) -> Self {
        Self(cents)
    }
}

impl FromStr for Cents {
    type Err = AmountError;

    /// Exact, or an error: no sign, no exponent, no third decimal, not more than [`Cents::ORDER_MAX`].
    fn from_str(text: &str) -> Result<Self, AmountError> {
        let malformed = || AmountError::Malformed(text.to_owned());
        let (whole, fraction) = match text.split_once('.') {
            Some((whole, fraction)) => (digits(whole), digits(fraction).filter(|_| fraction.len() <= 2)),
            None => (digits(text), Some(0)),
        };
        let (whole, mut fraction) = (whole.ok_or_else(malformed)?, fraction.ok_or_else(malformed)?);
        if text.rsplit_once('.').is_some_and(|(_, fraction)| fraction.len() == 1) {
            fraction *= 10;
        }
        let cents = Self(whole * 100 + fraction);
        if cents > Self::ORDER_MAX {
            return Err(AmountError::TooMuch(text.to_owned()));
        }
        Ok(cents)
    }
}

impl fmt::Display for Cents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

impl Sum for Cents {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        Self(amounts.map(|Self(cents)| cents).sum())
    }
}

/// The number that a run of digits stands for, if it is one and short enough.
fn digits(text: &str) -> Option<u64> {
    let is_number = (1..=WHOLE_DIGITS_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_dollars_with_up_to_two_decimals() {
        for (text, cents) in [("0", 0), ("0.00", 0), ("11.77", 1177), ("5.5", 550), ("500", 50_000)] {
            assert_eq!(text.parse(), Ok(Cents(cents)), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_exact_amount() {
        for text in [
            "",
            ".",
            "5.",
            ".5",
            "-1",
            "+1",
            "1e2",
            "1.234",
            "1.2.3",
            "1,20",
            " 1",
            "٣",
            "99999999999999999999",
        ] {
            assert_eq!(text.parse::<Cents>(), Err(AmountError::Malformed(text.to_owned())), "{text}");
        }
    }

    #[test]
    fn refuses_more_than_the_limit() {
        assert_eq!("1000000.00".parse(), Ok(Cents::ORDER_MAX));
        assert_eq!("1000000.01".parse::<Cents>(), Err(AmountError::TooMuch("1000000.01".to_owned())));
    }

    proptest! {
        #[test]
        fn reads_back_what_it_wrote(cents in 0..=100_000_000_u64) {
            prop_assert_eq!(Cents(cents).to_string().parse(), Ok(Cents(cents)));
        }

        #[test]
        fn takes_any_text_without_overflow(text in "[0-9.]{0,40}") {
            if let Ok(amount) = text.parse::<Cents>() {
                prop_assert!(amount <= Cents::ORDER_MAX);
            }
        }
    }
}
