//! The inventory service: stock per product, and the reservations that hold it.
//!
//! Stock and reservation change in one transaction, so that a repeated reservation or release finds
//! its own trace and changes nothing.

mod initial;
mod queues;
mod reserve;
mod warehouse;

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use floodway_client::Client;
use serde::Serialize;

use crate::contract::{Found, LOOKUP_MAX, Line, LookupSkus, OrderId, ReservationRequest, SkuStock};
use crate::problem::Problem;
use crate::serve::{ServiceError, serve};
use initial::InitialStock;
use reserve::{Ask, ReservationStatus, Verdict};
use warehouse::Warehouse;

pub(crate) use initial::InitialStockError;

/// A reservation as it is answered.
#[derive(Debug, Serialize)]
struct ReservationView {
    order: OrderId,
    status: ReservationStatus,
}

/// Runs the service until it is asked to end.
pub(crate) async fn run() -> Result<(), ServiceError> {
    let initial = InitialStock::from_env()?;
    let warehouse = Arc::new(Warehouse::new(Client::from_env()?.state("stock"), initial));
    let router = Router::new()
        .route("/reservations", post(reserve))
        .route("/reservations/{order}/release", post(release))
        .route("/stock/lookup", post(lookup))
        .with_state(Arc::clone(&warehouse));
    serve(router).await?;
    warehouse.finish().await;
    Ok(())
}

async fn reserve(
    State(warehouse): State<Arc<Warehouse>>,
    Json(ReservationRequest { order, items }): Json<ReservationRequest>,
) -> Result<Json<ReservationView>, Problem> {
    check_items(&items)?;
    answer(order, warehouse.settle(Ask::reserve(order, items)).await?)
}

async fn release(
    State(warehouse): State<Arc<Warehouse>>,
    Path(order): Path<OrderId>,
) -> Result<Json<ReservationView>, Problem> {
    // The items of a reservation never change, so reading them apart from the release is safe.
    match warehouse.reserved(order).await? {
        Some(items) => answer(order, warehouse.settle(Ask::release(order, items)).await?),
        None => answer(order, Verdict::NotReserved),
    }
}

async fn lookup(
    State(warehouse): State<Arc<Warehouse>>,
    Json(LookupSkus { skus }): Json<LookupSkus>,
) -> Result<Json<Found<SkuStock>>, Problem> {
    if skus.len() > LOOKUP_MAX {
        let detail = format!("{} SKUs asked for, at most {LOOKUP_MAX} may be", skus.len());
        return Err(Problem::bad_request(detail));
    }
    Ok(Json(Found { found: warehouse.stock(&skus).await? }))
}

/// A reservation names at least one product, each once and in their order, and at least one unit of each.
fn check_items(items: &[Line]) -> Result<(), Problem> {
    let is_sorted = items.is_sorted_by(|a, b| a.sku < b.sku);
    if items.is_empty() || !is_sorted || items.iter().any(|line| line.quantity == 0) {
        let detail =
            "items must name one or more SKUs, each once, in their order, with a quantity of 1 or more";
        return Err(Problem::bad_request(detail));
    }
    Ok(())
}

fn answer(order: OrderId, verdict: Verdict) -> Result<Json<ReservationView>, Problem> {
    match verdict {
        Verdict::Holds(status) => Ok(Json(ReservationView { order, status })),
        Verdict::SoldOut(sku) => Err(Problem::new(StatusCode::CONFLICT, format!("{sku} is sold out"))),
        Verdict::UnknownProduct(sku) => {
            Err(Problem::new(StatusCode::NOT_FOUND, format!("there is no product {sku}")))
        }
        Verdict::OtherItems => {
            let detail = format!("order {order} has reserved other items");
            Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail))
        }
        Verdict::NotReserved => {
            Err(Problem::new(StatusCode::NOT_FOUND, format!("order {order} has no reservation")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::Sku;

    #[test]
    fn takes_each_product_once_and_in_order() {
        let check = |items: &[(&str, u32)]| {
            let sku = |name: &str| Sku::try_from(name.to_owned()).unwrap();
            let lines: Vec<Line> =
                items.iter().map(|(name, quantity)| Line { sku: sku(name), quantity: *quantity }).collect();
            check_items(&lines).map_err(|problem| problem.status.as_u16())
        };
        assert_eq!(check(&[("a", 1), ("b", 2)]), Ok(()));
        for bad in [&[][..], &[("a", 0)], &[("a", 1), ("a", 1)], &[("b", 1), ("a", 1)]] {
            assert_eq!(check(bad), Err(400), "{bad:?}");
        }
    }

    #[test]
    fn says_each_verdict_with_its_status() {
        let order = OrderId::of_key("k");
        let sku = || Sku::try_from("a".to_owned()).unwrap();
        let status = |verdict| answer(order, verdict).err().map(|problem| problem.status.as_u16());
        assert_eq!(status(Verdict::Holds(ReservationStatus::Held)), None);
        assert_eq!(status(Verdict::Holds(ReservationStatus::Released)), None);
        assert_eq!(status(Verdict::SoldOut(sku())), Some(409));
        assert_eq!(status(Verdict::UnknownProduct(sku())), Some(404));
        assert_eq!(status(Verdict::OtherItems), Some(422));
        assert_eq!(status(Verdict::NotReserved), Some(404));
    }
}
