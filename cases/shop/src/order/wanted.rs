//! What a customer asks for: read, checked, and compared with what was asked before.

use std::collections::BTreeMap;

use axum::http::{HeaderMap, StatusCode};
use serde::Deserialize;

use crate::contract::{Line, Order, OrderId, OrderStatus, Sku};
use crate::money::Cents;
use crate::problem::Problem;

const KEY_LENGTH_MAX: usize = 200;
const CUSTOMER_LENGTH_MAX: usize = 64;
const LINES_MAX: usize = 50;
/// Of one SKU in one order.
const QUANTITY_MAX: u32 = 10_000;

/// A checked order request. Each SKU stands once, in their order, so that equal requests are equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) customer: String,
    pub(crate) items: Vec<Line>,
    pub(crate) amount: Cents,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    customer: String,
    items: Vec<Line>,
    amount: String,
}

/// The key that names this order for its client: 1 to 200 visible ASCII characters.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<&str, Problem> {
    let missing = || Problem::bad_request("the header Idempotency-Key is missing");
    let value = headers.get("idempotency-key").ok_or_else(missing)?;
    let key = value
        .to_str()
        .ok()
        .filter(|key| (1..=KEY_LENGTH_MAX).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic()));
    key.ok_or_else(|| {
        Problem::bad_request(format!(
            "Idempotency-Key must be 1 to {KEY_LENGTH_MAX} visible ASCII characters"
        ))
    })
}

/// What the inventory's answer to a reservation means for the order.
pub(crate) fn check_reserved(status: StatusCode, body: &[u8]) -> Result<(), Problem> {
    let detail = Problem::detail_of(body);
    match status {
        StatusCode::OK => Ok(()),
        StatusCode::CONFLICT => Err(Problem::new(status, detail)),
        StatusCode::NOT_FOUND | StatusCode::UNPROCESSABLE_ENTITY => {
            Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail))
        }
        _ => Err(Problem::unavailable(format!("the inventory answered {status}: {detail}"))),
    }
}

// === impl Wanted ===

impl Wanted {
    pub(crate) fn parse(body: &[u8]) -> Result<Self, Problem> {
        let unreadable =
            |error: serde_json::Error| Problem::bad_request(format!("the order is not understood: {error}"));
        let Body { customer, items, amount } = serde_json::from_slice(body).map_err(unreadable)?;
        if customer.is_empty() || customer.chars().count() > CUSTOMER_LENGTH_MAX {
            let detail = format!("customer must be 1 to {CUSTOMER_LENGTH_MAX} characters");
            return Err(Problem::bad_request(detail));
        }
        let amount = amount.parse().map_err(|error| Problem::bad_request(format!("amount: {error}")))?;
        Ok(Self { customer, items: by_sku(items)?, amount })
    }

    /// A new order.
    pub(crate) fn into_order(self, id: OrderId) -> Order {
        let Self { customer, items, amount } = self;
        Order { id, customer, items, amount_cents: amount, status: OrderStatus::Pending }
    }

    /// Whether this request is the one that made `existing`; otherwise its key was used twice.
    pub(crate) fn check_same(&self, existing: &Order) -> Result<(), Problem> {
        let Self { customer, items, amount } = self;
        if (customer, items, amount) == (&existing.customer, &existing.items, &existing.amount_cents) {
            return Ok(());
        }
        let detail = "this Idempotency-Key was used for another order; a new order needs a new key";
        Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail))
    }
}

/// Lines of the same SKU become one.
fn by_sku(lines: Vec<Line>) -> Result<Vec<Line>, Problem> {
    if !(1..=LINES_MAX).contains(&lines.len()) {
        return Err(Problem::bad_request(format!("an order has 1 to {LINES_MAX} items")));
    }
    let mut quantities = BTreeMap::<Sku, u32>::new();
    for Line { sku, quantity } in lines {
        let sum = quantities.get(&sku).copied().unwrap_or(0).saturating_add(quantity);
        if quantity == 0 || sum > QUANTITY_MAX {
            return Err(Problem::bad_request(format!("the quantity of {sku} must be 1 to {QUANTITY_MAX}")));
        }
        quantities.insert(sku, sum);
    }
    Ok(quantities.into_iter().map(|(sku, quantity)| Line { sku, quantity }).collect())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn parse(body: &str) -> Result<Wanted, String> {
        Wanted::parse(body.as_bytes()).map_err(|problem| {
            assert_eq!(problem.status, 400);
            problem.detail
        })
    }

    fn order(body: &str) -> Order {
        parse(body).unwrap().into_order(OrderId::of_key("k"))
    }

    const ONE_CD: &str = r#"{"customer":"00001","items":[{"sku":"cd-1","quantity":1}],"amount":"11.77"}"#;

    #[test]
    fn reads_an_order() {
        let order = order(ONE_CD);
        assert_eq!(order.status, OrderStatus::Pending);
        assert_eq!(order.amount_cents, Cents::new(1177));
        assert_eq!(order.items.len(), 1);
    }

    #[test]
    fn joins_lines_of_the_same_sku_and_sorts_them() {
        let items = r#"[{"sku":"b","quantity":2},{"sku":"a","quantity":1},{"sku":"b","quantity":3}]"#;
        let wanted = parse(&format!(r#"{{"customer":"c","items":{items},"amount":"1"}}"#)).unwrap();
        let lines: Vec<_> = wanted.items.iter().map(|line| (line.sku.as_str(), line.quantity)).collect();
        assert_eq!(lines, [("a", 1), ("b", 5)]);
    }

    #[test]
    fn refuses_what_is_no_order() {
        let item = |sku: &str, quantity: &str| format!(r#"{{"sku":"{sku}","quantity":{quantity}}}"#);
        let body = |customer: &str, items: &str, amount: &str| {
            format!(r#"{{"customer":"{customer}","items":[{items}],"amount":"{amount}"}}"#)
        };
        let good = item("a", "1");
        for (body, expected) in [
            ("nonsense".to_owned(), "the order is not understood"),
            (body("", &good, "1"), "customer must be"),
            (body("c", "", "1"), "an order has 1 to 50 items"),
            (body("c", &vec![good.clone(); 51].join(","), "1"), "an order has 1 to 50 items"),
            (body("c", &item("a", "0"), "1"), "the quantity of a must be"),
            (body("c", &item("a", "-1"), "1"), "the order is not understood"),
            (
                body("c", &format!("{},{}", item("a", "9999"), item("a", "2")), "1"),
                "the quantity of a must be",
            ),
            (body("c", &item("a b", "1"), "1"), "is no SKU"),
            (body("c", &good, "-1"), "amount"),
            (body("c", &good, "1.999"), "amount"),
            (r#"{"customer":"c","items":[],"amount":"1","x":1}"#.to_owned(), "unknown field"),
        ] {
            let detail = parse(&body).unwrap_err();
            assert!(detail.contains(expected), "{body}: {detail}");
        }
    }

    #[test]
    fn knows_its_own_order_by_content_not_by_spelling() {
        let spelled =
            r#"{ "amount": "11.77", "customer": "00001", "items": [{"quantity": 1, "sku": "cd-1"}] }"#;
        assert_eq!(parse(spelled).unwrap().check_same(&order(ONE_CD)), Ok(()));
    }

    #[test]
    fn refuses_a_key_that_was_used_for_another_order() {
        let existing = order(ONE_CD);
        for other in [
            ONE_CD.replace("00001", "00002"),
            ONE_CD.replace("11.77", "11.78"),
            ONE_CD.replace("cd-1", "cd-2"),
        ] {
            let problem = parse(&other).unwrap().check_same(&existing).unwrap_err();
            assert_eq!(problem.status, 422);
        }
    }

    #[test]
    fn still_knows_its_order_after_it_was_settled() {
        let settled = Order { status: OrderStatus::Cancelled, ..order(ONE_CD) };
        assert_eq!(parse(ONE_CD).unwrap().check_same(&settled), Ok(()));
    }

    #[test]
    fn needs_a_readable_key() {
        let mut headers = HeaderMap::new();
        assert_eq!(idempotency_key(&headers).unwrap_err().status, 400);
        for bad in ["", "a b", &"x".repeat(201)] {
            headers.insert("idempotency-key", HeaderValue::from_str(bad).unwrap());
            assert_eq!(idempotency_key(&headers).unwrap_err().status, 400, "{bad}");
        }
        headers.insert("idempotency-key", HeaderValue::from_static("purchases-1"));
        assert_eq!(idempotency_key(&headers), Ok("purchases-1"));
    }

    #[test]
    fn passes_on_what_the_inventory_decided() {
        let answer = |status: u16| {
            let status = StatusCode::from_u16(status).unwrap();
            check_reserved(status, br#"{"detail":"d"}"#).map_err(|problem| problem.status.as_u16())
        };
        assert_eq!(answer(200), Ok(()));
        assert_eq!(answer(409), Err(409));
        assert_eq!(answer(404), Err(422));
        assert_eq!(answer(422), Err(422));
        assert_eq!(answer(503), Err(503));
        assert_eq!(answer(500), Err(503));
    }
}
