//! Performs what `reserve` decides: reads, writes, tries again after a lost race.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use floodway_client::{Error, Item, Operation, State, Write};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;

use super::initial::InitialStock;
use super::queues::{Pushed, Queues};
use super::reserve::{Ask, Ledger, Reservation, Verdict, Versioned, decide};
use crate::contract::{Line, OrderId, Sku, SkuStock, Stock};
use crate::problem::{Problem, chain};

/// Asks that may wait in this process; more are refused at once.
const WAITING_MAX: usize = 4096;
/// Asks in one transaction. With the product they share this stays below 100 operations, the lowest limit
/// of the stores that Dapr users know.
const BATCH_MAX: usize = 64;
/// Times a batch is decided anew after a lost race. The winner of each race makes progress, so that a
/// few tries are enough for a few replicas.
const ATTEMPTS_MAX: u32 = 30;
/// The wait after the first lost race is up to this long; it doubles up to the second value.
const WAIT_FIRST: Duration = Duration::from_millis(1);
const WAIT_MAX: Duration = Duration::from_millis(64);

/// The stock of all products, shared with the other replicas through the store.
#[derive(Debug)]
pub(crate) struct Warehouse {
    store: State,
    initial: InitialStock,
    queues: Mutex<Queues<Waiting>>,
    workers: TaskTracker,
}

#[derive(Debug)]
struct Waiting {
    ask: Ask,
    answer: oneshot::Sender<Result<Verdict, Unsettled>>,
}

/// Serves one product until nobody waits for it.
#[derive(Debug)]
struct Worker {
    warehouse: Arc<Warehouse>,
    lead: Sku,
}

/// Why an ask has no verdict. It may nevertheless have had its effect; asking again tells.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Unsettled {
    #[error("too many reservations are waiting")]
    Full,
    #[error("the stock could not be changed: {0}")]
    Store(String),
    #[error("other replicas changed the same stock {0} times")]
    Outrun(u32),
    #[error("the reservation was given up; ask again")]
    Abandoned,
}

// === impl Warehouse ===

impl Warehouse {
    pub(crate) fn new(store: State, initial: InitialStock) -> Self {
        let queues = Mutex::new(Queues::new(WAITING_MAX, BATCH_MAX));
        Self { store, initial, queues, workers: TaskTracker::new() }
    }

    /// Has an ask decided together with all others that wait for its first product.
    ///
    /// Cancel safe: the ask is settled all the same, only its verdict is lost.
    pub(crate) async fn settle(self: &Arc<Self>, ask: Ask) -> Result<Verdict, Unsettled> {
        let lead = ask.items.first().expect("an ask has items").sku.clone();
        let (answer, verdict) = oneshot::channel();
        match self.queued(|queues| queues.push(&lead, Waiting { ask, answer })) {
            Pushed::Full => return Err(Unsettled::Full),
            Pushed::Behind => (),
            Pushed::First => {
                let worker = Worker { warehouse: Arc::clone(self), lead };
                drop(self.workers.spawn(worker.run()));
            }
        }
        verdict.await.unwrap_or(Err(Unsettled::Abandoned))
    }

    /// The items that an order has reserved.
    pub(crate) async fn reserved(&self, order: OrderId) -> Result<Option<Vec<Line>>, Error> {
        let found: Option<Item<Reservation>> = self.store.get(&reservation_key(order)).await?;
        Ok(found.map(|reservation| reservation.value.items))
    }

    /// The stock of products; those that do not exist are left out.
    pub(crate) async fn stock(&self, skus: &[Sku]) -> Result<Vec<SkuStock>, Error> {
        let keys: Vec<String> = skus.iter().map(stock_key).collect();
        let found = self.store.bulk_get::<Stock>(&keys).await?;
        let stock = skus.iter().zip(found).filter_map(|(sku, stored)| {
            let untouched = || self.initial.of(sku).map(Stock::full);
            let stock = stored.map(|item| item.value).or_else(untouched)?;
            Some(SkuStock { sku: sku.clone(), stock })
        });
        Ok(stock.collect())
    }

    /// Waits until every ask that was taken is settled.
    pub(crate) async fn finish(&self) {
        self.workers.close();
        self.workers.wait().await;
    }

    async fn settle_batch(&self, asks: &[Ask]) -> Result<Vec<Verdict>, Unsettled> {
        let failed = |error: Error| Unsettled::Store(chain(&error));
        for attempt in 0..ATTEMPTS_MAX {
            let plan = decide(asks, self.read(asks).await.map_err(failed)?);
            if plan.writes.is_empty() {
                return Ok(plan.verdicts);
            }
            match self.write(&plan.writes).await {
                Ok(()) => return Ok(plan.verdicts),
                Err(error) if error.is_mismatch() => tokio::time::sleep(wait(attempt, noise())).await,
                Err(error) => return Err(failed(error)),
            }
        }
        Err(Unsettled::Outrun(ATTEMPTS_MAX))
    }

    async fn read(&self, asks: &[Ask]) -> Result<Ledger, Error> {
        let skus: BTreeSet<&Sku> = asks.iter().flat_map(|ask| &ask.items).map(|line| &line.sku).collect();
        let orders: BTreeSet<OrderId> = asks.iter().map(|ask| ask.order).collect();
        let stock_keys = skus.iter().map(|sku| stock_key(sku));
        let keys: Vec<String> =
            stock_keys.chain(orders.iter().map(|order| reservation_key(*order))).collect();
        let mut found = self.store.bulk_get::<Box<RawValue>>(&keys).await?.into_iter();
        let mut ledger = Ledger::default();
        for (sku, stored) in skus.into_iter().zip(found.by_ref()) {
            let untouched = || self.initial.of(sku).map(|units| Versioned::absent(Stock::full(units)));
            let stock = stored.map(versioned).transpose()?;
            ledger.stock.extend(stock.or_else(untouched).map(|stock| (sku.clone(), stock)));
        }
        for (order, stored) in orders.into_iter().zip(found) {
            let reservation = stored.map(versioned).transpose()?;
            ledger.reservations.extend(reservation.map(|reservation| (order, reservation)));
        }
        Ok(ledger)
    }

    async fn write(&self, writes: &Ledger) -> Result<(), Error> {
        let stock = writes.stock.iter().map(|(sku, stock)| upsert(stock_key(sku), stock));
        let reservations = writes.reservations.iter();
        let reservations = reservations.map(|(order, held)| upsert(reservation_key(*order), held));
        let operations: Vec<Operation> = stock.chain(reservations).collect::<Result<_, _>>()?;
        self.store.transact(&operations).await
    }

    fn queued<R>(&self, change: impl FnOnce(&mut Queues<Waiting>) -> R) -> R {
        // Queues are never left half changed, so that a poisoned guard is as good as any.
        change(&mut self.queues.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

// === impl Worker ===

impl Worker {
    async fn run(self) {
        loop {
            let batch = self.warehouse.queued(|queues| queues.take(&self.lead));
            if batch.is_empty() {
                return;
            }
            let (asks, answers): (Vec<_>, Vec<_>) = batch.into_iter().map(|w| (w.ask, w.answer)).unzip();
            let verdicts = match self.warehouse.settle_batch(&asks).await {
                Ok(verdicts) => verdicts.into_iter().map(Ok).collect(),
                Err(error) => vec![Err(error); asks.len()],
            };
            for (answer, verdict) in answers.into_iter().zip(verdicts) {
                // Whoever has stopped waiting asks again if it matters to them.
                drop(answer.send(verdict));
            }
        }
    }
}

impl Drop for Worker {
    /// A worker that ends at a broken invariant (stock that was damaged) must not leave a queue behind
    /// that nobody serves.
    fn drop(&mut self) {
        if std::thread::panicking() {
            drop(self.warehouse.queued(|queues| queues.abandon(&self.lead)));
        }
    }
}

impl From<Unsettled> for Problem {
    fn from(error: Unsettled) -> Self {
        Self::unavailable(error.to_string())
    }
}

fn stock_key(sku: &Sku) -> String {
    format!("sku-{sku}")
}

fn reservation_key(order: OrderId) -> String {
    format!("reservation-{order}")
}

fn versioned<T: DeserializeOwned>(item: Item<Box<RawValue>>) -> Result<Versioned<T>, Error> {
    let value = serde_json::from_str(item.value.get());
    let unreadable = |source| Error::Unreadable { path: "a stored record".to_owned(), source };
    value.map(|value| Versioned::stored(value, item.etag)).map_err(unreadable)
}

fn upsert<T: Serialize>(key: String, record: &Versioned<T>) -> Result<Operation, Error> {
    let write = Write::new(key, &record.value)?;
    Ok(Operation::Upsert(match &record.etag {
        Some(etag) => write.if_matches(etag),
        None => write.if_absent(),
    }))
}

/// The wait after a lost race: evenly drawn below a bound that doubles, so that replicas part ways.
fn wait(attempt: u32, noise: u64) -> Duration {
    let bound = WAIT_FIRST.saturating_mul(1_u32.checked_shl(attempt).unwrap_or(u32::MAX)).min(WAIT_MAX);
    let bound_us = u64::try_from(bound.as_micros()).expect("the longest wait is short");
    Duration::from_micros(noise % bound_us)
}

/// Some number that differs between replicas and tries.
fn noise() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_longer_after_each_lost_race_but_never_too_long() {
        assert_eq!(wait(0, 999), Duration::from_micros(999));
        assert_eq!(wait(0, 1000), Duration::ZERO);
        assert_eq!(wait(3, 7999), Duration::from_micros(7999));
        for attempt in 0..100 {
            assert!(wait(attempt, u64::MAX) < WAIT_MAX);
        }
    }
}
