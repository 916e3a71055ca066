//! The payment service: charges once for every order that was placed, and says how it went.
//!
//! The record of a payment and its event are one commit (the store's outbox), so that a delivery that
//! comes again finds the record and knows that the event is out.

mod simulated_provider;

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use floodway_client::{Client, Error, Operation, Write};

use crate::contract::{EVENTS, Found, LOOKUP_MAX, LookupIds, ORDERS_TOPIC, Order, OrderId, Payment};
use crate::event::{self, Receipt, Subscription};
use crate::problem::{Problem, chain};
use crate::serve::{ServiceError, serve};

pub(crate) use simulated_provider::decision;

const ORDERS_ROUTE: &str = "/events/orders";

type Payments = floodway_client::State;

/// Runs the service until it is asked to end.
pub(crate) async fn run() -> Result<(), ServiceError> {
    let payments = Client::from_env()?.state("payments");
    let router = Router::new()
        .route("/payments/lookup", post(lookup))
        .route("/dapr/subscribe", get(subscriptions))
        .route(ORDERS_ROUTE, post(charge))
        .with_state(payments);
    serve(router).await
}

async fn subscriptions() -> Json<[Subscription; 1]> {
    Json([Subscription { pubsubname: EVENTS, topic: ORDERS_TOPIC, route: ORDERS_ROUTE }])
}

async fn charge(State(payments): State<Payments>, body: Bytes) -> Receipt {
    let order: Order = match event::data_of(&body) {
        Ok(order) => order,
        Err(error) => {
            // Dropping it would leave an order pending for good; a newer version may understand it.
            tracing::error!(%error, "an order event cannot be read");
            return Receipt::Retry;
        }
    };
    match charge_once(&payments, &order).await {
        Ok(()) => Receipt::Success,
        Err(error) => {
            tracing::warn!(order = %order.id, why = chain(&error), "an order comes again");
            Receipt::Retry
        }
    }
}

async fn charge_once(payments: &Payments, order: &Order) -> Result<(), Error> {
    if is_recorded(payments, order.id).await? {
        return Ok(());
    }
    // The provider takes the order's id as idempotency key, so that a crash before the record is made
    // does not charge twice.
    let status = simulated_provider::charge(order.id, order.amount_cents).await;
    let payment = Payment { order: order.id, amount_cents: order.amount_cents, status };
    let write = Write::new(key(order.id), &payment)?.if_absent();
    let write = write.metadata("datacontenttype", "application/json");
    let Err(error) = payments.transact(&[Operation::Upsert(write)]).await else { return Ok(()) };
    // A lost race and an unknown outcome look alike from here; what is stored tells.
    if is_recorded(payments, order.id).await? { Ok(()) } else { Err(error) }
}

async fn is_recorded(payments: &Payments, order: OrderId) -> Result<bool, Error> {
    Ok(payments.get::<Payment>(&key(order)).await?.is_some())
}

async fn lookup(
    State(payments): State<Payments>,
    Json(LookupIds { ids }): Json<LookupIds>,
) -> Result<Json<Found<Payment>>, Problem> {
    if ids.len() > LOOKUP_MAX {
        return Err(Problem::bad_request(format!(
            "{} ids asked for, at most {LOOKUP_MAX} may be",
            ids.len()
        )));
    }
    let keys: Vec<String> = ids.into_iter().map(key).collect();
    let found = payments.bulk_get(&keys).await?;
    Ok(Json(Found { found: found.into_iter().flatten().map(|item| item.value).collect() }))
}

fn key(order: OrderId) -> String {
    format!("payment-{order}")
}
