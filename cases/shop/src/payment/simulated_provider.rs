//! A payment provider that is not one: no money moves. It takes 2 to 20 ms, declines every amount over
//! 500.00 USD, and answers the same order the same way each time, as providers do by idempotency key.

use std::time::Duration;

use crate::contract::{OrderId, PaymentStatus};
use crate::money::Cents;

/// More than this is declined.
pub(crate) const CAPTURED_MAX: Cents = Cents::new(50_000);

const LATENCY_MIN_MS: u64 = 2;
const LATENCY_MAX_MS: u64 = 20;

/// Charges an order.
pub(crate) async fn charge(order: OrderId, amount: Cents) -> PaymentStatus {
    tokio::time::sleep(latency(order)).await;
    decision(amount)
}

/// The provider's only rule.
pub(crate) fn decision(amount: Cents) -> PaymentStatus {
    if amount > CAPTURED_MAX { PaymentStatus::Declined } else { PaymentStatus::Captured }
}

/// An order's id is a hash already, so that its remainder spreads evenly.
fn latency(order: OrderId) -> Duration {
    let spread = u128::from(LATENCY_MAX_MS - LATENCY_MIN_MS + 1);
    let extra = u64::try_from(order.as_u128() % spread).expect("the remainder is small");
    Duration::from_millis(LATENCY_MIN_MS + extra)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declines_only_what_is_over_the_limit() {
        assert_eq!(decision(Cents::new(0)), PaymentStatus::Captured);
        assert_eq!(decision(Cents::new(50_000)), PaymentStatus::Captured);
        assert_eq!(decision(Cents::new(50_001)), PaymentStatus::Declined);
    }

    #[test]
    fn takes_two_to_twenty_milliseconds_and_all_in_between() {
        let latencies = (0..1000).map(|n| latency(OrderId::of_key(&n.to_string())).as_millis());
        let seen: std::collections::BTreeSet<u128> = latencies.collect();
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), (2..=20).collect::<Vec<_>>());
    }
}
