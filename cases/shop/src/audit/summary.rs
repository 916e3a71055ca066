//! The audit's result for people.

use std::io::{self, Write};

use super::collect::Books;
use super::differences::{Difference, units_sold};
use crate::contract::{OrderStatus, PaymentStatus};
use crate::money::Cents;

/// Differences that are printed; the others are counted.
const SHOWN_MAX: usize = 20;

/// Whether the output shows colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paint {
    Plain,
    Colours,
}

pub(crate) fn write(
    out: &mut impl Write,
    paint: Paint,
    books: &Books,
    differences: &[Difference],
) -> io::Result<()> {
    let orders = |status| books.orders.values().filter(move |order| order.status == status);
    let amount = |status| orders(status).map(|order| order.amount_cents).sum::<Cents>();
    let captured = books.payments.values().filter(|payment| payment.status == PaymentStatus::Captured);
    let sold = units_sold(books);
    writeln!(
        out,
        "audit    {} accepted, {} refused, {} unanswered",
        books.accepted.orders.values().map(Vec::len).sum::<usize>() + books.accepted.nameless.len(),
        books.accepted.refused,
        books.accepted.unanswered
    )?;
    for (name, status) in [("confirmed", OrderStatus::Confirmed), ("cancelled", OrderStatus::Cancelled)] {
        writeln!(
            out,
            "  {name:<10} {:>7} orders {:>14} USD",
            orders(status).count(),
            amount(status).to_string()
        )?;
    }
    let captured_sum: Cents = captured.clone().map(|payment| payment.amount_cents).sum();
    writeln!(
        out,
        "  {:<10} {:>7} payments {:>12} USD",
        "captured",
        captured.count(),
        captured_sum.to_string()
    )?;
    writeln!(out, "  {:<10} {:>7} units of {} products", "sold", sold.values().sum::<u64>(), sold.len())?;
    let available: u64 = books.stock.values().map(|stock| stock.available).sum();
    writeln!(out, "  {:<10} {available:>7} units of these products", "left")?;
    verdict(out, paint, differences)
}

fn verdict(out: &mut impl Write, paint: Paint, differences: &[Difference]) -> io::Result<()> {
    if differences.is_empty() {
        return writeln!(out, "{}", painted(paint, 32, "audit green: everything agrees"));
    }
    let count = differences.len();
    writeln!(out, "{}", painted(paint, 31, &format!("audit red [FW-9004]: {count} differences")))?;
    for difference in differences.iter().take(SHOWN_MAX) {
        writeln!(out, "  {difference}")?;
    }
    match count.saturating_sub(SHOWN_MAX) {
        0 => Ok(()),
        more => writeln!(out, "  and {more} more"),
    }
}

/// With an ANSI colour (ECMA-48 §8.3.117).
fn painted(paint: Paint, colour: u8, text: &str) -> String {
    match paint {
        Paint::Plain => text.to_owned(),
        Paint::Colours => format!("\x1b[1;{colour}m{text}\x1b[0m"),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::contract::{Line, Order, OrderId, Payment, Sku, Stock};

    fn books() -> Books {
        let mut books = Books::default();
        let sku = Sku::try_from("cd-1".to_owned()).unwrap();
        for (row, status, payment, cents) in [
            (1, OrderStatus::Confirmed, PaymentStatus::Captured, 1177),
            (2, OrderStatus::Confirmed, PaymentStatus::Captured, 50_000),
            (3, OrderStatus::Cancelled, PaymentStatus::Declined, 128_601),
        ] {
            let (id, amount_cents) = (OrderId::of_key(&row.to_string()), Cents::new(cents));
            let items = vec![Line { sku: sku.clone(), quantity: 2 }];
            books.accepted.orders.insert(id, vec![row]);
            books.orders.insert(id, Order { id, customer: "c".into(), items, amount_cents, status });
            books.payments.insert(id, Payment { order: id, amount_cents, status: payment });
        }
        books.accepted.refused = 9;
        books.stock.insert(sku, Stock { initial: 10, available: 6 });
        books
    }

    fn check(paint: Paint, differences: &[Difference], expected: &Expect) {
        let mut out = Vec::new();
        write(&mut out, paint, &books(), differences).unwrap();
        expected.assert_eq(&String::from_utf8(out).unwrap());
    }

    #[test]
    fn sums_up_what_agrees() {
        check(
            Paint::Plain,
            &[],
            &expect![[r#"
            audit    3 accepted, 9 refused, 0 unanswered
              confirmed        2 orders         511.77 USD
              cancelled        1 orders        1286.01 USD
              captured         2 payments       511.77 USD
              sold             4 units of 1 products
              left             6 units of these products
            audit green: everything agrees
        "#]],
        );
    }

    #[test]
    fn lists_the_first_differences_and_counts_the_others() {
        let differences: Vec<_> = (1..=22).map(|row| Difference::Nameless { row }).collect();
        let mut out = Vec::new();
        verdict(&mut out, Paint::Plain, &differences).unwrap();
        let lines: Vec<&str> = std::str::from_utf8(&out).unwrap().lines().collect();
        assert_eq!(lines.first(), Some(&"audit red [FW-9004]: 22 differences"));
        assert_eq!(lines.len(), 22);
        assert_eq!(lines.last(), Some(&"  and 2 more"));
    }

    #[test]
    fn paints_for_terminals_only() {
        assert_eq!(painted(Paint::Colours, 32, "x"), "\x1b[1;32mx\x1b[0m");
        assert_eq!(painted(Paint::Plain, 32, "x"), "x");
    }
}
