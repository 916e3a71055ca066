use proptest::prelude::*;

use super::*;

fn sku(text: &str) -> Sku {
    Sku::try_from(text.to_owned()).unwrap()
}

fn lines(items: &[(&str, u32)]) -> Vec<Line> {
    items.iter().map(|(name, quantity)| Line { sku: sku(name), quantity: *quantity }).collect()
}

fn order(number: usize) -> OrderId {
    OrderId::of_key(&number.to_string())
}

fn reserve(number: usize, items: &[(&str, u32)]) -> Ask {
    Ask::reserve(order(number), lines(items))
}

fn ledger(stock: &[(&str, u64)]) -> Ledger {
    let stock = stock.iter().map(|(name, units)| (sku(name), Versioned::absent(Stock::full(*units))));
    Ledger { stock: stock.collect(), reservations: BTreeMap::new() }
}

/// What is stored after the writes of a plan, read again.
fn after(mut ledger: Ledger, plan: &Plan) -> Ledger {
    let etag = || Etag("1".to_owned());
    for (sku, stock) in &plan.writes.stock {
        ledger.stock.insert(sku.clone(), Versioned::stored(stock.value, etag()));
    }
    for (order, reservation) in &plan.writes.reservations {
        ledger.reservations.insert(*order, Versioned::stored(reservation.value.clone(), etag()));
    }
    ledger
}

const HELD: Verdict = Verdict::Holds(ReservationStatus::Held);
const RELEASED: Verdict = Verdict::Holds(ReservationStatus::Released);

#[test]
fn takes_units_and_records_the_reservation_together() {
    let plan = decide(&[reserve(1, &[("a", 2)])], ledger(&[("a", 5)]));
    assert_eq!(plan.verdicts, [HELD]);
    assert_eq!(plan.writes.stock[&sku("a")].value, Stock { initial: 5, available: 3 });
    assert_eq!(plan.writes.reservations[&order(1)].value.items, lines(&[("a", 2)]));
}

#[test]
fn keeps_the_versions_that_were_read() {
    let mut read = ledger(&[]);
    read.stock.insert(sku("a"), Versioned::stored(Stock::full(5), Etag("7".into())));
    let plan = decide(&[reserve(1, &[("a", 2)])], read);
    assert_eq!(plan.writes.stock[&sku("a")].etag, Some(Etag("7".into())));
    assert_eq!(plan.writes.reservations[&order(1)].etag, None);
}

#[test]
fn reserves_nothing_of_an_order_that_cannot_be_had_whole() {
    let plan = decide(&[reserve(1, &[("a", 1), ("b", 2)])], ledger(&[("a", 5), ("b", 1)]));
    assert_eq!(plan.verdicts, [Verdict::SoldOut(sku("b"))]);
    assert!(plan.writes.is_empty());
}

#[test]
fn refuses_a_product_that_does_not_exist() {
    let plan = decide(&[reserve(1, &[("x", 1)])], ledger(&[]));
    assert_eq!(plan.verdicts, [Verdict::UnknownProduct(sku("x"))]);
}

#[test]
fn serves_a_batch_in_order_until_the_stock_is_gone() {
    let asks = [reserve(1, &[("a", 1)]), reserve(2, &[("a", 1)]), reserve(3, &[("a", 1)])];
    let plan = decide(&asks, ledger(&[("a", 2)]));
    assert_eq!(plan.verdicts, [HELD, HELD, Verdict::SoldOut(sku("a"))]);
    assert_eq!(plan.writes.stock[&sku("a")].value.available, 0);
    assert_eq!(plan.writes.reservations.len(), 2);
}

#[test]
fn a_repeated_reservation_changes_nothing_even_when_sold_out() {
    let start = ledger(&[("a", 1)]);
    let first = decide(&[reserve(1, &[("a", 1)])], start.clone());
    let again = decide(&[reserve(1, &[("a", 1)])], after(start, &first));
    assert_eq!(again.verdicts, [HELD]);
    assert!(again.writes.is_empty());
}

#[test]
fn the_same_reservation_twice_in_one_batch_takes_once() {
    let ask = reserve(1, &[("a", 1)]);
    let plan = decide(&[ask.clone(), ask], ledger(&[("a", 5)]));
    assert_eq!(plan.verdicts, [HELD, HELD]);
    assert_eq!(plan.writes.stock[&sku("a")].value.available, 4);
}

#[test]
fn refuses_other_items_under_the_same_order() {
    let plan = decide(&[reserve(1, &[("a", 1)]), reserve(1, &[("a", 2)])], ledger(&[("a", 5)]));
    assert_eq!(plan.verdicts, [HELD, Verdict::OtherItems]);
}

#[test]
fn puts_units_back_once() {
    let start = ledger(&[("a", 5)]);
    let held = decide(&[reserve(1, &[("a", 2)])], start.clone());
    let held = after(start, &held);
    let release = Ask::release(order(1), lines(&[("a", 2)]));
    let plan = decide(&[release.clone(), release.clone()], held.clone());
    assert_eq!(plan.verdicts, [RELEASED, RELEASED]);
    assert_eq!(plan.writes.stock[&sku("a")].value.available, 5);
    let again = decide(&[release], after(held, &plan));
    assert_eq!(again.verdicts, [RELEASED]);
    assert!(again.writes.is_empty());
}

#[test]
fn a_late_reservation_does_not_revive_a_released_one() {
    let start = ledger(&[("a", 5)]);
    let ask = reserve(1, &[("a", 2)]);
    let release = Ask::release(order(1), lines(&[("a", 2)]));
    let plan = decide(&[ask.clone(), release, ask], start);
    assert_eq!(plan.verdicts, [HELD, RELEASED, RELEASED]);
    assert_eq!(plan.writes.stock[&sku("a")].value.available, 5);
}

#[test]
fn a_release_without_a_reservation_changes_nothing() {
    let plan = decide(&[Ask::release(order(1), lines(&[("a", 2)]))], ledger(&[("a", 5)]));
    assert_eq!(plan.verdicts, [Verdict::NotReserved]);
    assert!(plan.writes.is_empty());
}

fn any_ask() -> impl Strategy<Value = Ask> {
    // An order's items follow from its number, as a retry repeats its request.
    (0..12_usize, any::<bool>()).prop_map(|(number, is_release)| {
        let quantity = u32::try_from(number % 3 + 1).unwrap();
        let items = match number % 4 {
            0 => lines(&[("a", quantity)]),
            1 => lines(&[("b", quantity)]),
            2 => lines(&[("a", 1), ("b", quantity)]),
            _ => lines(&[("b", 1), ("c", quantity)]),
        };
        let make = if is_release { Ask::release } else { Ask::reserve };
        make(order(number), items)
    })
}

proptest! {
    /// Units are neither made nor lost, and how asks are gathered into batches does not matter.
    #[test]
    fn conserves_units_and_decides_alike_in_any_batches(
        asks in prop::collection::vec(any_ask(), 0..60),
        batch in 1..8_usize,
    ) {
        let start = ledger(&[("a", 6), ("b", 9), ("c", 2)]);
        let mut one_by_one = (start.clone(), Vec::new());
        for ask in &asks {
            let plan = decide(std::slice::from_ref(ask), one_by_one.0.clone());
            one_by_one.0 = after(one_by_one.0, &plan);
            one_by_one.1.extend(plan.verdicts);
        }
        let mut batched = (start, Vec::new());
        for asks in asks.chunks(batch) {
            let plan = decide(asks, batched.0.clone());
            batched.0 = after(batched.0, &plan);
            batched.1.extend(plan.verdicts);
        }
        prop_assert_eq!(&one_by_one.1, &batched.1);
        for (sku, Versioned { value: stock, .. }) in &batched.0.stock {
            prop_assert_eq!(stock.available, one_by_one.0.stock[sku].value.available);
            let held = batched.0.reservations.values().filter(|r| r.value.status == ReservationStatus::Held);
            let units: u64 = held
                .flat_map(|r| &r.value.items)
                .filter(|line| line.sku == *sku)
                .map(|line| u64::from(line.quantity))
                .sum();
            prop_assert_eq!(stock.available + units, stock.initial);
        }
    }
}
