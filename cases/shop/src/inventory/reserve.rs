//! What a batch of asks does to the stock: given what is stored, the verdicts and what to write.
//!
//! The writes of a batch go into one transaction under the versions they were read with. When it is
//! refused, someone else was quicker: read again, decide again.

use std::collections::BTreeMap;

use floodway_client::Etag;
use serde::{Deserialize, Serialize};

use crate::contract::{Line, OrderId, Sku, Stock};

/// What an order wants of the stock. Its items are not empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ask {
    pub(crate) order: OrderId,
    pub(crate) items: Vec<Line>,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Reserve,
    Release,
}

/// A reservation as it is stored. Its items never change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reservation {
    pub(crate) items: Vec<Line>,
    pub(crate) status: ReservationStatus,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ReservationStatus {
    /// Its units are taken from the stock.
    Held,
    /// Its units are back in the stock. Final.
    Released,
}

/// The answer to an ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The reservation is there, from now or from before. A repeated reservation after a release stays
    /// released: its order exists already and was cancelled.
    Holds(ReservationStatus),
    SoldOut(Sku),
    UnknownProduct(Sku),
    /// The order has a reservation with other items.
    OtherItems,
    /// There is nothing to release.
    NotReserved,
}

/// A value and the version it was read with, if it was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Versioned<T> {
    pub(crate) value: T,
    pub(crate) etag: Option<Etag>,
    is_changed: bool,
}

/// The part of the stock and of the reservations that a batch touches. A product that is not here does
/// not exist; a reservation that is not here was never made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Ledger {
    pub(crate) stock: BTreeMap<Sku, Versioned<Stock>>,
    pub(crate) reservations: BTreeMap<OrderId, Versioned<Reservation>>,
}

/// What a batch comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    /// In the order of the asks.
    pub(crate) verdicts: Vec<Verdict>,
    /// What has to be written, together, for the verdicts to be true.
    pub(crate) writes: Ledger,
}

/// Decides a batch, each ask seeing what the earlier ones did.
pub(crate) fn decide(asks: &[Ask], mut ledger: Ledger) -> Plan {
    let verdicts = asks.iter().map(|ask| ledger.apply(ask)).collect();
    ledger.stock.retain(|_, stock| stock.is_changed);
    ledger.reservations.retain(|_, reservation| reservation.is_changed);
    Plan { verdicts, writes: ledger }
}

// === impl Ask ===

impl Ask {
    pub(crate) fn reserve(order: OrderId, items: Vec<Line>) -> Self {
        Self { order, items, kind: Kind::Reserve }
    }

    pub(crate) fn release(order: OrderId, items: Vec<Line>) -> Self {
        Self { order, items, kind: Kind::Release }
    }
}

// === impl Versioned ===

impl<T> Versioned<T> {
    /// As it was read.
    pub(crate) fn stored(value: T, etag: Etag) -> Self {
        Self { value, etag: Some(etag), is_changed: false }
    }

    /// Not stored, and as long as it does not change it need not be.
    pub(crate) fn absent(value: T) -> Self {
        Self { value, etag: None, is_changed: false }
    }

    fn change(&mut self) -> &mut T {
        self.is_changed = true;
        &mut self.value
    }
}

// === impl Ledger ===

impl Ledger {
    pub(crate) fn is_empty(&self) -> bool {
        self.stock.is_empty() && self.reservations.is_empty()
    }

    fn apply(&mut self, ask: &Ask) -> Verdict {
        match ask.kind {
            Kind::Reserve => self.reserve(ask),
            Kind::Release => self.release(ask),
        }
    }

    fn reserve(&mut self, Ask { order, items, .. }: &Ask) -> Verdict {
        if let Some(Versioned { value: before, .. }) = self.reservations.get(order) {
            let is_same = before.items == *items;
            return if is_same { Verdict::Holds(before.status) } else { Verdict::OtherItems };
        }
        if let Some(refusal) = items.iter().find_map(|line| self.refusal(line)) {
            return refusal;
        }
        for Line { sku, quantity } in items {
            self.stock_of(sku).take(*quantity);
        }
        let status = ReservationStatus::Held;
        let mut reservation = Versioned::absent(Reservation { items: items.clone(), status });
        reservation.is_changed = true;
        self.reservations.insert(*order, reservation);
        Verdict::Holds(status)
    }

    fn release(&mut self, Ask { order, .. }: &Ask) -> Verdict {
        let Some(reservation) = self.reservations.get_mut(order) else { return Verdict::NotReserved };
        if reservation.value.status == ReservationStatus::Held {
            reservation.change().status = ReservationStatus::Released;
            for Line { sku, quantity } in reservation.value.items.clone() {
                self.stock_of(&sku).put_back(quantity);
            }
        }
        Verdict::Holds(ReservationStatus::Released)
    }

    /// Why a line cannot be had.
    fn refusal(&self, Line { sku, quantity }: &Line) -> Option<Verdict> {
        match self.stock.get(sku) {
            None => Some(Verdict::UnknownProduct(sku.clone())),
            Some(stock) if stock.value.available < u64::from(*quantity) => {
                Some(Verdict::SoldOut(sku.clone()))
            }
            Some(_) => None,
        }
    }

    fn stock_of(&mut self, sku: &Sku) -> &mut Stock {
        self.stock.get_mut(sku).expect("the stock of every reserved item was read with the batch").change()
    }
}

// === impl Stock ===

impl Stock {
    pub(crate) fn full(units: u64) -> Self {
        Self { initial: units, available: units }
    }

    fn take(&mut self, quantity: u32) {
        let left = self.available.checked_sub(u64::from(quantity));
        self.available = left.expect("an order asks for each SKU once, and its stock was checked");
    }

    fn put_back(&mut self, quantity: u32) {
        self.available += u64::from(quantity);
        assert!(self.available <= self.initial, "more units came back than were taken");
    }
}

#[cfg(test)]
mod tests;
