//! What must hold between the journal and the services, and where it does not.

use std::collections::BTreeMap;
use std::fmt;

use super::collect::Books;
use crate::contract::{Order, OrderId, OrderStatus, Payment, PaymentStatus, Sku, Stock};
use crate::payment::decision;

/// Something that does not agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Difference {
    /// An accepted request whose answer names no order.
    Nameless { row: u64 },
    /// Requests with different keys were answered with the same order.
    Duplicate { id: OrderId, rows: Vec<u64> },
    /// Accepted, but not there.
    Lost { id: OrderId, row: u64 },
    /// In no final state.
    Pending { id: OrderId },
    /// Final without a payment.
    Unpaid { id: OrderId, order: OrderStatus },
    /// The order's final state is not what its payment means.
    Contradicts { id: OrderId, order: OrderStatus, payment: PaymentStatus },
    /// The payment is over another amount than the order.
    OtherAmount { order: Order, payment: Payment },
    /// The payment is not what the provider's rule says.
    AgainstRule { payment: Payment },
    /// The inventory does not know a product that was ordered.
    NoStock { sku: Sku },
    /// What was sold and what is left do not make up the initial stock.
    Stock { sku: Sku, sold: u64, stock: Stock },
}

pub(crate) fn find(books: &Books) -> Vec<Difference> {
    let nameless = books.accepted.nameless.iter().map(|row| Difference::Nameless { row: *row });
    let rows = books.accepted.orders.iter().flat_map(|(id, rows)| of_rows(books, *id, rows));
    let orders = books.orders.values().flat_map(|order| of_order(order, books.payments.get(&order.id)));
    let stock = units_sold(books).into_iter().filter_map(|(sku, sold)| of_stock(books, sku, sold));
    nameless.chain(rows).chain(orders).chain(stock).collect()
}

/// Units in confirmed orders, for every product that was ordered.
pub(crate) fn units_sold(books: &Books) -> BTreeMap<&Sku, u64> {
    let mut sold = BTreeMap::new();
    for order in books.orders.values() {
        let is_sold = order.status == OrderStatus::Confirmed;
        for line in &order.items {
            *sold.entry(&line.sku).or_default() += if is_sold { u64::from(line.quantity) } else { 0 };
        }
    }
    sold
}

fn of_rows(books: &Books, id: OrderId, rows: &[u64]) -> Vec<Difference> {
    let mut differences = Vec::new();
    if rows.len() > 1 {
        differences.push(Difference::Duplicate { id, rows: rows.to_vec() });
    }
    if let (Some(row), false) = (rows.first(), books.orders.contains_key(&id)) {
        differences.push(Difference::Lost { id, row: *row });
    }
    differences
}

fn of_order(order: &Order, payment: Option<&Payment>) -> Vec<Difference> {
    let mut differences = Vec::new();
    let (id, status) = (order.id, order.status);
    match (status, payment.map(|payment| payment.status)) {
        (OrderStatus::Pending, _) => differences.push(Difference::Pending { id }),
        (OrderStatus::Confirmed, Some(PaymentStatus::Captured))
        | (OrderStatus::Cancelled, Some(PaymentStatus::Declined)) => (),
        (order @ (OrderStatus::Confirmed | OrderStatus::Cancelled), None) => {
            differences.push(Difference::Unpaid { id, order });
        }
        (order, Some(payment)) => differences.push(Difference::Contradicts { id, order, payment }),
    }
    if let Some(payment) = payment {
        if payment.amount_cents != order.amount_cents {
            differences.push(Difference::OtherAmount { order: order.clone(), payment: payment.clone() });
        }
        if payment.status != decision(payment.amount_cents) {
            differences.push(Difference::AgainstRule { payment: payment.clone() });
        }
    }
    differences
}

/// Exact as long as all orders of the product come from this journal.
fn of_stock(books: &Books, sku: &Sku, sold: u64) -> Option<Difference> {
    let Some(stock) = books.stock.get(sku).copied() else {
        return Some(Difference::NoStock { sku: sku.clone() });
    };
    let agrees = stock.available.checked_add(sold) == Some(stock.initial);
    (!agrees).then(|| Difference::Stock { sku: sku.clone(), sold, stock })
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nameless { row } => write!(f, "row {row} was accepted, but its answer names no order"),
            Self::Duplicate { id, rows } => write!(f, "order {id} was the answer to several rows: {rows:?}"),
            Self::Lost { id, row } => write!(f, "order {id} of row {row} was accepted, but is not there"),
            Self::Pending { id } => write!(f, "order {id} is still pending"),
            Self::Unpaid { id, order } => write!(f, "order {id} is {order}, but has no payment"),
            Self::Contradicts { id, order, payment } => {
                write!(f, "order {id} is {order}, but its payment was {payment}")
            }
            Self::OtherAmount { order, payment } => write!(
                f,
                "order {} is over {} USD, but its payment over {} USD",
                order.id, order.amount_cents, payment.amount_cents
            ),
            Self::AgainstRule { payment } => write!(
                f,
                "the payment of order {} over {} USD was {}, against the provider's rule",
                payment.order, payment.amount_cents, payment.status
            ),
            Self::NoStock { sku } => write!(f, "the inventory does not know {sku}"),
            Self::Stock { sku, sold, stock } => {
                write!(f, "{sku}: {} at first and {sold} sold, but {} left", stock.initial, stock.available)
            }
        }
    }
}

#[cfg(test)]
mod tests;
