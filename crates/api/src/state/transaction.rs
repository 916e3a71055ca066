//! Transactions: operations that happen together, and the messages that leave with them.

use std::collections::BTreeMap;

use floodway_blocks::invoke::Body;
use floodway_blocks::state::{Outbound, Transaction};
use http::header::HeaderMap;
use http::{Response, StatusCode};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{SaveItem, find, parse, removal, upsert};
use crate::cloud_event::{self, Draft, Trace};
use crate::components::Outbox;
use crate::error::{ApiError, no_content};
use crate::path::{self, Metadata};
use crate::server::{Api, Call};

#[derive(Debug, Deserialize)]
struct TransactionRequest {
    #[serde(default)]
    operations: Vec<Operation>,
    #[serde(default)]
    metadata: Option<Metadata>,
}

#[derive(Debug, Deserialize)]
struct Operation {
    operation: String,
    request: SaveItem,
}

/// Where the messages of a transaction go, and what they know of it.
#[derive(Debug)]
struct Publication<'a> {
    app: &'a str,
    outbox: &'a Outbox,
    trace: Trace<'a>,
    /// Messages in the place of values, by key.
    projections: BTreeMap<String, SaveItem>,
}

const UPSERT: &str = "upsert";
/// Marks an operation that is only a message, in the place of the value that the same key gets.
const PROJECTION: &str = "outbox.projection";

/// POST operations: all in order, or none; with an outbox their messages too.
pub(crate) async fn transact(api: &Api, store: &str, call: Call) -> Result<Response<Body>, ApiError> {
    let component = find(api, store)?;
    let headers = call.request.headers().clone();
    let body = api.body(call.request).await?;
    let request: TransactionRequest = parse(&body)?;
    check_count(request.operations.len(), api.options.operations_max, store)?;
    let mut metadata = request.metadata.unwrap_or_default();
    metadata.extend(call.metadata);
    let outbox = component.outbox.as_ref();
    let transaction = compose(api, store, outbox, request.operations, &metadata, &headers)?;
    if transaction.changes.is_empty() {
        return Ok(no_content());
    }
    let mismatch = api.options.transaction_mismatch;
    let what = "error while executing state transaction";
    let failed = |error| ApiError::write("ERR_STATE_TRANSACTION", what, &error, mismatch);
    component.store.transact(transaction).await.map_err(failed)?;
    Ok(no_content())
}

fn check_count(count: usize, most: usize, store: &str) -> Result<(), ApiError> {
    if count <= most {
        return Ok(());
    }
    let message = format!(
        "the transaction contains {count} operations, which is more than what the state store supports: {most}"
    );
    let error = ApiError::new(StatusCode::BAD_REQUEST, "ERR_STATE_STORE_TOO_MANY_TRANSACTIONS", message);
    let (count, most) = (count.to_string(), most.to_string());
    let known = [("currentOpsTransaction", &*count), ("maxOpsPerTransaction", &*most)];
    Err(error.rich("DAPR_STATE_TOO_MANY_TRANSACTIONS", &known).about("state", store))
}

/// The changes of a transaction, and a message for each value that is set on a store with an outbox.
fn compose(
    api: &Api,
    store: &str,
    outbox: Option<&Outbox>,
    mut operations: Vec<Operation>,
    metadata: &Metadata,
    headers: &HeaderMap,
) -> Result<Transaction, ApiError> {
    let publication = outbox.map(|outbox| {
        let projected = operations.extract_if(.., |operation| operation.is_projection());
        let projections = projected.map(|operation| (operation.request.key.clone(), operation.request));
        let (app, trace, projections) = (&*api.caller.app, Trace::of(headers), projections.collect());
        Publication { app, outbox, trace, projections }
    });
    let mut transaction = Transaction::default();
    for Operation { operation, request } in operations {
        let change = match operation.as_str() {
            UPSERT => {
                if let Some(publication) = &publication {
                    transaction.outbox.push(publication.message(&request)?);
                }
                upsert(api, store, request, metadata)?
            }
            "delete" => removal(api, store, &request)?,
            other => {
                let message = format!("operation type {other} not supported");
                let code = "ERR_NOT_SUPPORTED_STATE_OPERATION";
                return Err(ApiError::new(StatusCode::BAD_REQUEST, code, message));
            }
        };
        transaction.changes.push(change);
    }
    Ok(transaction)
}

// === impl Operation ===

impl Operation {
    fn is_projection(&self) -> bool {
        let metadata = self.request.metadata.as_ref();
        self.operation == UPSERT && metadata.is_some_and(|metadata| path::is_on(metadata, PROJECTION))
    }
}

// === impl Publication ===

impl Publication<'_> {
    fn message(&self, item: &SaveItem) -> Result<Outbound, ApiError> {
        let shown = self.projections.get(&item.key).unwrap_or(item);
        let metadata = overrides([item, shown]);
        let content_type = content_type_of(shown);
        let value = shown.value.as_deref().unwrap_or(RawValue::NULL);
        let payload = cloud_event::payload_of(value, content_type).map_err(|error| {
            ApiError::malformed(format!("the value of {} is no base64: {error}", shown.key))
        })?;
        let Outbox { topics, topic } = self.outbox.clone();
        let (app, trace) = (self.app, self.trace);
        let draft =
            Draft { payload, content_type, app, topics: &topics, topic: &topic, metadata: &metadata, trace };
        let message = cloud_event::message(&draft)?;
        Ok(Outbound { topics, topic, message })
    }
}

/// What operations say of their event. Nothing else in their metadata concerns the message: a value that
/// expires does not make its message expire.
fn overrides(items: [&SaveItem; 2]) -> Metadata {
    let all = items.into_iter().filter_map(|item| item.metadata.as_ref()).flatten();
    let events = all.filter(|(name, _)| name.to_ascii_lowercase().starts_with("cloudevent."));
    events.map(|(name, text)| (name.clone(), text.clone())).collect()
}

/// A value that came over HTTP is JSON, unless it says otherwise.
fn content_type_of(item: &SaveItem) -> &str {
    let property = |name| path::property(item.metadata.as_ref()?, name);
    let named = item.content_type.as_deref().or_else(|| property("contentType"));
    named
        .or_else(|| property("datacontenttype"))
        .filter(|name| !name.is_empty())
        .unwrap_or("application/json")
}
