//! What the services say to one another, and what they store.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::money::Cents;

/// The component that carries the shop's messages.
pub(crate) const EVENTS: &str = "events";
/// Orders as they were placed, published by the outbox of the orders' store.
pub(crate) const ORDERS_TOPIC: &str = "orders";
/// Payments as they were decided, published by the outbox of the payments' store.
pub(crate) const PAYMENTS_TOPIC: &str = "payments";
/// Most ids or SKUs in one lookup.
pub(crate) const LOOKUP_MAX: usize = 1000;

/// Names an order; follows from the idempotency key, so that a repeated request meets its own order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct OrderId(Uuid);

/// A product's number: 1 to 64 letters, digits, `.`, `_` or `-`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Sku(String);

/// Why a text is no SKU.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no SKU: expected 1 to 64 letters, digits, dots, dashes or underscores")]
pub(crate) struct SkuError(String);

/// Some of one product. In an order each SKU stands once, in their order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) sku: Sku,
    pub(crate) quantity: u32,
}

/// An order as it is stored, published and looked up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) id: OrderId,
    pub(crate) customer: String,
    pub(crate) items: Vec<Line>,
    pub(crate) amount_cents: Cents,
    pub(crate) status: OrderStatus,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OrderStatus {
    /// Stored, stock reserved, payment not yet known.
    Pending,
    /// Paid. Final.
    Confirmed,
    /// Declined, stock given back. Final.
    Cancelled,
}

/// A payment as it is stored, published and looked up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Payment {
    pub(crate) order: OrderId,
    pub(crate) amount_cents: Cents,
    pub(crate) status: PaymentStatus,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PaymentStatus {
    Captured,
    Declined,
}

/// `POST /reservations` of the inventory.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ReservationRequest {
    pub(crate) order: OrderId,
    pub(crate) items: Vec<Line>,
}

/// The stock of one product. `available` never exceeds `initial`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stock {
    pub(crate) initial: u64,
    pub(crate) available: u64,
}

/// Asks for orders or payments by their orders' ids; at most [`LOOKUP_MAX`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct LookupIds {
    pub(crate) ids: Vec<OrderId>,
}

/// Asks for stock; at most [`LOOKUP_MAX`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct LookupSkus {
    pub(crate) skus: Vec<Sku>,
}

/// What a lookup found; what is unknown is left out.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Found<T> {
    pub(crate) found: Vec<T>,
}

/// The stock of a product, by its number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SkuStock {
    pub(crate) sku: Sku,
    pub(crate) stock: Stock,
}

// === impl OrderId ===

impl OrderId {
    /// Any fixed UUID will do; it keeps these ids apart from other names' ids.
    const NAMESPACE: Uuid = Uuid::from_u128(0x5f0c_7c1e_90f4_4b1b_8d0a_4d5c_6f1a_2b3e);

    /// The id of the order that is placed with this idempotency key (RFC 9562 §5.5, UUID version 5).
    pub(crate) fn of_key(idempotency_key: &str) -> Self {
        Self(Uuid::new_v5(&Self::NAMESPACE, idempotency_key.as_bytes()))
    }

    /// The id as a number, evenly spread.
    pub(crate) fn as_u128(self) -> u128 {
        self.0.as_u128()
    }
}

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl FromStr for OrderId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        Uuid::try_parse(text).map(Self)
    }
}

// === impl Sku ===

impl Sku {
    const LENGTH_MAX: usize = 64;

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Sku {
    type Error = SkuError;

    fn try_from(text: String) -> Result<Self, SkuError> {
        let is_sku = (1..=Self::LENGTH_MAX).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
        if is_sku { Ok(Self(text)) } else { Err(SkuError(text)) }
    }
}

impl From<Sku> for String {
    fn from(Sku(text): Sku) -> Self {
        text
    }
}

impl fmt::Display for Sku {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for OrderStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pending => "pending",
            Self::Confirmed => "confirmed",
            Self::Cancelled => "cancelled",
        })
    }
}

impl fmt::Display for PaymentStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Captured => "captured",
            Self::Declined => "declined",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_one_key_one_id() {
        assert_eq!(OrderId::of_key("purchases-1"), OrderId::of_key("purchases-1"));
        assert_ne!(OrderId::of_key("purchases-1"), OrderId::of_key("purchases-2"));
    }

    #[test]
    fn refuses_texts_that_are_no_sku() {
        let long = "x".repeat(65);
        for text in ["", "a b", "a||b", "a/b", "ä", &long] {
            assert!(Sku::try_from(text.to_owned()).is_err(), "{text}");
        }
        assert!(Sku::try_from("cd-1997-01-01".to_owned()).is_ok());
    }

    #[test]
    fn stores_amounts_as_whole_cents() {
        let id = OrderId::of_key("k");
        let payment = Payment { order: id, amount_cents: Cents::new(1177), status: PaymentStatus::Captured };
        let json = serde_json::to_string(&payment).unwrap();
        assert_eq!(json, format!(r#"{{"order":"{id}","amount_cents":1177,"status":"captured"}}"#));
    }
}
