//! What a known payment means for an order.

use crate::contract::{OrderStatus, PaymentStatus};

/// The next step of an order whose payment is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing: this payment has had its effect.
    Finished,
    Confirm,
    ReleaseThenCancel,
    /// The order ended otherwise. A payment is decided once, so this cannot come from our own services.
    Contradiction,
}

pub(crate) fn next(order: OrderStatus, payment: PaymentStatus) -> Step {
    match (order, payment) {
        (OrderStatus::Pending, PaymentStatus::Captured) => Step::Confirm,
        (OrderStatus::Pending, PaymentStatus::Declined) => Step::ReleaseThenCancel,
        (OrderStatus::Confirmed, PaymentStatus::Captured)
        | (OrderStatus::Cancelled, PaymentStatus::Declined) => Step::Finished,
        (OrderStatus::Confirmed, PaymentStatus::Declined)
        | (OrderStatus::Cancelled, PaymentStatus::Captured) => Step::Contradiction,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn confirms_a_captured_and_cancels_a_declined_order() {
        assert_eq!(next(OrderStatus::Pending, PaymentStatus::Captured), Step::Confirm);
        assert_eq!(next(OrderStatus::Pending, PaymentStatus::Declined), Step::ReleaseThenCancel);
    }

    #[test]
    fn does_nothing_when_a_payment_comes_again() {
        assert_eq!(next(OrderStatus::Confirmed, PaymentStatus::Captured), Step::Finished);
        assert_eq!(next(OrderStatus::Cancelled, PaymentStatus::Declined), Step::Finished);
    }

    #[test]
    fn never_leaves_a_final_state() {
        assert_eq!(next(OrderStatus::Confirmed, PaymentStatus::Declined), Step::Contradiction);
        assert_eq!(next(OrderStatus::Cancelled, PaymentStatus::Captured), Step::Contradiction);
    }
}
