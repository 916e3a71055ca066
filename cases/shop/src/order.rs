//! The order service: takes orders once per idempotency key, and settles them when payments are known.
//!
//! ```text
//! POST /orders ─▶ there already? ─▶ reserve stock ─▶ store order + event (one commit) ─▶ 201
//!                      └─▶ 201 again     └─▶ 409 sold out
//! payment event ─▶ captured ─▶ confirmed
//!               └▶ declined ─▶ release stock ─▶ cancelled
//! ```

mod settlement;
mod wanted;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use floodway_client::{Client, Error, Item, Method, Operation, Write};
use serde::Serialize;

use crate::contract::{
    EVENTS, Found, LOOKUP_MAX, Line, LookupIds, Order, OrderId, OrderStatus, PAYMENTS_TOPIC, Payment,
    ReservationRequest,
};
use crate::event::{self, Receipt, Subscription};
use crate::problem::{Problem, chain};
use crate::serve::{ServiceError, serve};
use settlement::Step;
use wanted::Wanted;

const PAYMENTS_ROUTE: &str = "/events/payments";
/// Says that an answer repeats an earlier one.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// An order as its customer sees it.
#[derive(Debug, Serialize)]
struct OrderView<'a> {
    id: OrderId,
    status: OrderStatus,
    customer: &'a str,
    items: &'a [Line],
    amount: String,
}

#[derive(Debug, Clone)]
struct Desk {
    client: Client,
    orders: floodway_client::State,
}

/// Runs the service until it is asked to end.
pub(crate) async fn run() -> Result<(), ServiceError> {
    let client = Client::from_env()?;
    let desk = Desk { orders: client.state("orders"), client };
    let router = Router::new()
        .route("/orders", post(place))
        .route("/orders/{id}", get(show))
        .route("/orders/lookup", post(lookup))
        .route("/dapr/subscribe", get(subscriptions))
        .route(PAYMENTS_ROUTE, post(settle))
        .with_state(desk);
    serve(router).await
}

async fn place(State(desk): State<Desk>, headers: HeaderMap, body: Bytes) -> Result<Response, Problem> {
    let key = wanted::idempotency_key(&headers)?;
    let wanted = Wanted::parse(&body)?;
    let id = OrderId::of_key(key);
    if let Some(existing) = desk.read(id).await? {
        return replay(&wanted, &existing.value);
    }
    desk.reserve(id, &wanted).await?;
    let order = wanted.clone().into_order(id);
    let Err(error) = desk.store_new(&order).await else {
        return Ok((StatusCode::CREATED, Json(OrderView::of(&order))).into_response());
    };
    // A lost race and an unknown outcome look alike from here; what is stored tells.
    match desk.read(id).await? {
        Some(existing) => replay(&wanted, &existing.value),
        None => Err(error.into()),
    }
}

/// Answers a repeated request with the order it made the first time.
fn replay(wanted: &Wanted, existing: &Order) -> Result<Response, Problem> {
    wanted.check_same(existing)?;
    let replayed = [(REPLAYED, HeaderValue::from_static("true"))];
    Ok((StatusCode::CREATED, replayed, Json(OrderView::of(existing))).into_response())
}

async fn show(State(desk): State<Desk>, Path(id): Path<String>) -> Result<Response, Problem> {
    let unknown = || Problem::new(StatusCode::NOT_FOUND, format!("there is no order {id}"));
    let Ok(parsed) = id.parse() else { return Err(unknown()) };
    let order = desk.read(parsed).await?.ok_or_else(unknown)?;
    Ok(Json(OrderView::of(&order.value)).into_response())
}

async fn lookup(
    State(desk): State<Desk>,
    Json(LookupIds { ids }): Json<LookupIds>,
) -> Result<Json<Found<Order>>, Problem> {
    if ids.len() > LOOKUP_MAX {
        return Err(Problem::bad_request(format!(
            "{} ids asked for, at most {LOOKUP_MAX} may be",
            ids.len()
        )));
    }
    let keys: Vec<String> = ids.into_iter().map(key).collect();
    let found = desk.orders.bulk_get(&keys).await?;
    Ok(Json(Found { found: found.into_iter().flatten().map(|item| item.value).collect() }))
}

async fn subscriptions() -> Json<[Subscription; 1]> {
    Json([Subscription { pubsubname: EVENTS, topic: PAYMENTS_TOPIC, route: PAYMENTS_ROUTE }])
}

async fn settle(State(desk): State<Desk>, body: Bytes) -> Receipt {
    let payment = match event::data_of(&body) {
        Ok(payment) => payment,
        Err(error) => {
            // Dropping it would leave an order pending for good; a newer version may understand it.
            tracing::error!(%error, "a payment event cannot be read");
            return Receipt::Retry;
        }
    };
    match desk.settle(&payment).await {
        Ok(()) => Receipt::Success,
        Err(problem) => {
            tracing::warn!(order = %payment.order, why = problem.detail, "a payment comes again");
            Receipt::Retry
        }
    }
}

// === impl Desk ===

impl Desk {
    async fn read(&self, id: OrderId) -> Result<Option<Item<Order>>, Error> {
        self.orders.get(&key(id)).await
    }

    async fn reserve(&self, id: OrderId, wanted: &Wanted) -> Result<(), Problem> {
        let request = ReservationRequest { order: id, items: wanted.items.clone() };
        let reply = self.client.invoke("inventory", Method::POST, "reservations", Some(&request)).await?;
        wanted::check_reserved(reply.status, &reply.body)
    }

    /// Stores the order unless one with its id is there; the store's outbox publishes it in the same commit.
    async fn store_new(&self, order: &Order) -> Result<(), Error> {
        let write = Write::new(key(order.id), order)?.if_absent();
        let write = write.metadata("datacontenttype", "application/json");
        self.orders.transact(&[Operation::Upsert(write)]).await
    }

    /// Brings an order to its final state. Safe to repeat at every point.
    async fn settle(&self, payment: &Payment) -> Result<(), Problem> {
        let missing = || Problem::unavailable("its order is not there");
        let order = self.read(payment.order).await?.ok_or_else(missing)?;
        match settlement::next(order.value.status, payment.status) {
            Step::Finished => Ok(()),
            Step::Contradiction => {
                tracing::error!(order = %payment.order, "a final order met a payment that contradicts it");
                Ok(())
            }
            Step::Confirm => self.finish(order, OrderStatus::Confirmed).await,
            Step::ReleaseThenCancel => {
                // In this order: after a crash in between, the event comes again and both are repeated.
                self.release(payment.order).await?;
                self.finish(order, OrderStatus::Cancelled).await
            }
        }
    }

    async fn release(&self, id: OrderId) -> Result<(), Problem> {
        let path = format!("reservations/{id}/release");
        let reply = self.client.invoke("inventory", Method::POST, &path, None::<&()>).await?;
        if reply.status.is_success() {
            return Ok(());
        }
        let detail = Problem::detail_of(&reply.body);
        Err(Problem::unavailable(format!(
            "the stock was not released: the inventory answered {}: {detail}",
            reply.status
        )))
    }

    /// A plain save, as the outbox would publish a transaction as a new order.
    async fn finish(&self, order: Item<Order>, status: OrderStatus) -> Result<(), Problem> {
        let Item { value, etag } = order;
        let settled = Order { status, ..value };
        let write = Write::new(key(settled.id), &settled)?.if_matches(&etag);
        match self.orders.save(&[write]).await {
            Ok(()) => Ok(()),
            Err(error) if error.is_mismatch() => Err(Problem::unavailable(chain(&error))),
            Err(error) => Err(error.into()),
        }
    }
}

// === impl OrderView ===

impl<'a> OrderView<'a> {
    fn of(order: &'a Order) -> Self {
        let Order { id, customer, items, amount_cents, status } = order;
        Self { id: *id, status: *status, customer, items, amount: amount_cents.to_string() }
    }
}

fn key(id: OrderId) -> String {
    format!("order-{id}")
}
