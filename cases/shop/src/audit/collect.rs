//! Asks the services for everything the journal names, and waits until nothing is pending.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use floodway_client::{Client, Error, Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::journal::Accepted;
use crate::contract::{
    Found, LOOKUP_MAX, LookupIds, LookupSkus, Order, OrderId, OrderStatus, Payment, Sku, SkuStock, Stock,
};
use crate::problem::{Problem, chain};

/// Orders still pending are given up when none was settled for this long, and a service when it could not
/// be asked for this long: after a load with faults, replicas may be on their way back.
const STANDSTILL: Duration = Duration::from_secs(30);
/// Between two looks at pending orders.
const PAUSE: Duration = Duration::from_millis(250);

/// Everything the audit compares.
#[derive(Debug, Default)]
pub(crate) struct Books {
    pub(crate) accepted: Accepted,
    pub(crate) orders: BTreeMap<OrderId, Order>,
    pub(crate) payments: BTreeMap<OrderId, Payment>,
    pub(crate) stock: BTreeMap<Sku, Stock>,
}

/// Why a service could not be asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CollectError {
    #[error("{app} could not be called")]
    Api { app: &'static str, source: Error },
    #[error("{app} answered {status}: {detail}")]
    Refused { app: &'static str, status: StatusCode, detail: String },
}

impl CollectError {
    /// Whether the same lookup may succeed later.
    fn may_pass(&self) -> bool {
        match self {
            Self::Api {
                source: Error::Unreadable { .. } | Error::Unwritable(_) | Error::Invalid { .. },
                ..
            } => false,
            Self::Api {
                source: Error::Refused { .. } | Error::Broken { .. } | Error::TimedOut { .. },
                ..
            } => true,
            Self::Refused { status, .. } => status.is_server_error(),
        }
    }
}

pub(crate) async fn collect(client: &Client, accepted: Accepted) -> Result<Books, CollectError> {
    let orders = settled_orders(client, &accepted).await?;
    let ids: Vec<OrderId> = orders.keys().copied().collect();
    let skus = orders.values().flat_map(|order| &order.items).map(|line| line.sku.clone());
    let skus: Vec<Sku> = skus.collect::<BTreeSet<_>>().into_iter().collect();
    let mut payments = BTreeMap::new();
    for ids in ids.chunks(LOOKUP_MAX) {
        let found: Vec<Payment> = lookup_ids(client, "payment", "payments/lookup", ids).await?;
        payments.extend(found.into_iter().map(|payment| (payment.order, payment)));
    }
    let mut stock = BTreeMap::new();
    for skus in skus.chunks(LOOKUP_MAX) {
        let asked = LookupSkus { skus: skus.to_vec() };
        let found: Vec<SkuStock> = lookup(client, "inventory", "stock/lookup", &asked).await?;
        stock.extend(found.into_iter().map(|SkuStock { sku, stock }| (sku, stock)));
    }
    Ok(Books { accepted, orders, payments, stock })
}

/// The accepted orders that are there, settled unless nothing moves any more.
async fn settled_orders(
    client: &Client,
    accepted: &Accepted,
) -> Result<BTreeMap<OrderId, Order>, CollectError> {
    let mut orders = BTreeMap::new();
    let mut pending: Vec<OrderId> = accepted.orders.keys().copied().collect();
    let mut moved_at = Instant::now();
    loop {
        let before = pending.len();
        for ids in std::mem::take(&mut pending).chunks(LOOKUP_MAX) {
            let found: Vec<Order> = lookup_ids(client, "order", "orders/lookup", ids).await?;
            let open = found.iter().filter(|order| order.status == OrderStatus::Pending);
            pending.extend(open.map(|order| order.id));
            orders.extend(found.into_iter().map(|order| (order.id, order)));
        }
        if pending.len() < before {
            moved_at = Instant::now();
        }
        if pending.is_empty() || moved_at.elapsed() >= STANDSTILL {
            return Ok(orders);
        }
        tracing::info!(pending = pending.len(), "waiting for payments");
        tokio::time::sleep(PAUSE).await;
    }
}

async fn lookup_ids<T: DeserializeOwned>(
    client: &Client,
    app: &'static str,
    path: &str,
    ids: &[OrderId],
) -> Result<Vec<T>, CollectError> {
    lookup(client, app, path, &LookupIds { ids: ids.to_vec() }).await
}

/// Asks until there is an answer. Lookups change nothing and may be repeated.
async fn lookup<T: DeserializeOwned>(
    client: &Client,
    app: &'static str,
    path: &str,
    asked: &impl Serialize,
) -> Result<Vec<T>, CollectError> {
    let started_at = Instant::now();
    loop {
        match lookup_once(client, app, path, asked).await {
            Err(error) if error.may_pass() && started_at.elapsed() < STANDSTILL => {
                tracing::info!(why = chain(&error), "asking again");
                tokio::time::sleep(PAUSE).await;
            }
            result => return result,
        }
    }
}

async fn lookup_once<T: DeserializeOwned>(
    client: &Client,
    app: &'static str,
    path: &str,
    asked: &impl Serialize,
) -> Result<Vec<T>, CollectError> {
    let failed = |source| CollectError::Api { app, source };
    let reply = client.invoke(app, Method::POST, path, Some(asked)).await.map_err(failed)?;
    if reply.status != StatusCode::OK {
        let detail = Problem::detail_of(&reply.body);
        return Err(CollectError::Refused { app, status: reply.status, detail });
    }
    reply.json().map(|Found { found }| found).map_err(failed)
}
