use super::*;
use crate::contract::Line;
use crate::money::Cents;

/// One order of each outcome, of three and of one unit, everything in agreement.
fn sound() -> Books {
    let mut books = Books::default();
    add(&mut books, 1, OrderStatus::Confirmed, 1177, 3);
    add(&mut books, 2, OrderStatus::Cancelled, 50_001, 1);
    books.stock.insert(sku(), Stock { initial: 10, available: 7 });
    books
}

fn sku() -> Sku {
    Sku::try_from("cd-1".to_owned()).unwrap()
}

fn id(row: u64) -> OrderId {
    OrderId::of_key(&row.to_string())
}

fn add(books: &mut Books, row: u64, status: OrderStatus, cents: u64, quantity: u32) {
    let (id, amount_cents) = (id(row), Cents::new(cents));
    let items = vec![Line { sku: sku(), quantity }];
    books.accepted.orders.insert(id, vec![row]);
    books.orders.insert(id, Order { id, customer: "c".into(), items, amount_cents, status });
    let payment = Payment { order: id, amount_cents, status: decision(amount_cents) };
    books.payments.insert(id, payment);
}

fn check<R>(break_it: impl FnOnce(&mut Books) -> R, expected: &[&str]) {
    let mut books = sound();
    break_it(&mut books);
    let mut found: Vec<String> = find(&books).iter().map(ToString::to_string).collect();
    for row in 1..4 {
        for line in &mut found {
            *line = line.replace(&id(row).to_string(), &format!("#{row}"));
        }
    }
    assert_eq!(found, expected);
}

#[test]
fn finds_nothing_where_everything_agrees() {
    check(|_| (), &[]);
}

#[test]
fn finds_an_accepted_order_that_is_lost() {
    check(
        |books| books.accepted.orders.insert(id(3), vec![3]),
        &["order #3 of row 3 was accepted, but is not there"],
    );
}

#[test]
fn finds_an_order_that_answered_two_rows() {
    check(
        |books| books.accepted.orders.get_mut(&id(1)).unwrap().push(9),
        &["order #1 was the answer to several rows: [1, 9]"],
    );
}

#[test]
fn finds_an_accepted_row_without_an_order() {
    check(|books| books.accepted.nameless.push(7), &["row 7 was accepted, but its answer names no order"]);
}

#[test]
fn finds_an_order_that_is_still_pending() {
    check(
        |books| books.orders.get_mut(&id(2)).unwrap().status = OrderStatus::Pending,
        &["order #2 is still pending"],
    );
}

#[test]
fn finds_a_final_order_without_a_payment() {
    check(|books| books.payments.remove(&id(1)), &["order #1 is confirmed, but has no payment"]);
}

#[test]
fn finds_a_cancelled_order_that_was_paid() {
    check(
        |books| {
            books.orders.get_mut(&id(1)).unwrap().status = OrderStatus::Cancelled;
            books.stock.get_mut(&sku()).unwrap().available = 10;
        },
        &["order #1 is cancelled, but its payment was captured"],
    );
}

#[test]
fn finds_a_payment_against_the_rule() {
    check(
        |books| {
            books.orders.get_mut(&id(2)).unwrap().status = OrderStatus::Confirmed;
            books.payments.get_mut(&id(2)).unwrap().status = PaymentStatus::Captured;
            books.stock.get_mut(&sku()).unwrap().available = 6;
        },
        &["the payment of order #2 over 500.01 USD was captured, against the provider's rule"],
    );
}

#[test]
fn finds_a_payment_over_another_amount() {
    check(
        |books| books.payments.get_mut(&id(1)).unwrap().amount_cents = Cents::new(1178),
        &["order #1 is over 11.77 USD, but its payment over 11.78 USD"],
    );
}

#[test]
fn finds_stock_that_does_not_add_up() {
    check(
        |books| books.stock.get_mut(&sku()).unwrap().available = 6,
        &["cd-1: 10 at first and 3 sold, but 6 left"],
    );
}

#[test]
fn finds_more_sold_than_there_was() {
    check(
        |books| books.stock.insert(sku(), Stock { initial: 2, available: 0 }),
        &["cd-1: 2 at first and 3 sold, but 0 left"],
    );
}

#[test]
fn finds_a_product_that_the_inventory_does_not_know() {
    check(|books| books.stock.clear(), &["the inventory does not know cd-1"]);
}
