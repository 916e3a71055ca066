//! Transactions: operations that happen together, and the messages that leave with them.

use std::collections::BTreeMap;

use floodway_blocks::state::{Outbound, Transaction};
use http::StatusCode;

use super::{Removal, Upsert, Value, find, removal, upsert};
use crate::cloud_event::{self, Draft, Trace};
use crate::components::Outbox;
use crate::error::ApiError;
use crate::path::{self, Metadata};
use crate::server::Blocks;

/// One step of a transaction.
#[derive(Debug)]
pub(crate) enum Operation {
    /// Stores a value.
    Upsert(Upsert),
    /// Empties a key.
    Delete(Removal),
}

/// Where the messages of a transaction go, and what they know of it.
#[derive(Debug)]
struct Publication<'a> {
    app: &'a str,
    outbox: &'a Outbox,
    trace: Trace<'a>,
    /// Messages in the place of values, by key.
    projections: BTreeMap<String, Upsert>,
}

/// Marks an operation that is only a message, in the place of the value that the same key gets.
const PROJECTION: &str = "outbox.projection";

/// Does all operations in order, or none; on a store with an outbox their messages leave with them.
pub(crate) async fn transact(
    blocks: &Blocks,
    store: &str,
    operations: Vec<Operation>,
    trace: Trace<'_>,
) -> Result<(), ApiError> {
    let component = find(blocks, store)?;
    check_count(operations.len(), blocks.options.operations_max, store)?;
    let transaction = compose(blocks, store, component.outbox.as_ref(), operations, trace)?;
    if transaction.changes.is_empty() {
        return Ok(());
    }
    let mismatch = blocks.options.transaction_mismatch;
    let what = "error while executing state transaction";
    let failed = |error| ApiError::write("ERR_STATE_TRANSACTION", what, &error, mismatch);
    component.store.transact(transaction).await.map_err(failed)
}

/// An operation that is neither of the two.
pub(crate) fn unsupported(operation: &str) -> ApiError {
    let message = format!("operation type {operation} not supported");
    let code = "ERR_NOT_SUPPORTED_STATE_OPERATION";
    ApiError::new(StatusCode::BAD_REQUEST, code, message)
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
    blocks: &Blocks,
    store: &str,
    outbox: Option<&Outbox>,
    mut operations: Vec<Operation>,
    trace: Trace<'_>,
) -> Result<Transaction, ApiError> {
    let publication = outbox.map(|outbox| {
        let projected = operations.extract_if(.., |operation| operation.is_projection());
        let projections = projected.filter_map(|operation| match operation {
            Operation::Upsert(item) => Some((item.key.clone(), item)),
            Operation::Delete(_) => None,
        });
        Publication { app: &blocks.caller.app, outbox, trace, projections: projections.collect() }
    });
    let mut transaction = Transaction::default();
    for operation in operations {
        let change = match operation {
            Operation::Upsert(item) => {
                if let Some(publication) = &publication {
                    transaction.outbox.push(publication.message(&item)?);
                }
                upsert(blocks, store, item)?
            }
            Operation::Delete(item) => removal(blocks, store, item)?,
        };
        transaction.changes.push(change);
    }
    Ok(transaction)
}

// === impl Operation ===

impl Operation {
    fn is_projection(&self) -> bool {
        match self {
            Self::Upsert(item) => path::is_on(&item.metadata, PROJECTION),
            Self::Delete(_) => false,
        }
    }
}

// === impl Publication ===

impl Publication<'_> {
    fn message(&self, item: &Upsert) -> Result<Outbound, ApiError> {
        let shown = self.projections.get(&item.key).unwrap_or(item);
        let metadata = overrides([item, shown]);
        let content_type = content_type_of(shown);
        let payload = shown.value.payload(content_type).map_err(|error| {
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
fn overrides(items: [&Upsert; 2]) -> Metadata {
    let all = items.into_iter().flat_map(|item| &item.metadata);
    let events = all.filter(|(name, _)| {
        name.to_ascii_lowercase().starts_with("cloudevent.") || name.eq_ignore_ascii_case("partitionKey")
    });
    events.map(|(name, text)| (name.clone(), text.clone())).collect()
}

/// A value that came as JSON is that, unless it says otherwise; any other says what it is, or is text.
fn content_type_of(item: &Upsert) -> &str {
    let property = |name| path::property(&item.metadata, name);
    let named = item.content_type.as_deref().or_else(|| property("contentType"));
    let named = named.or_else(|| property("datacontenttype")).filter(|name| !name.is_empty());
    named.unwrap_or(match item.value {
        Value::Json(_) => "application/json",
        Value::Bytes(_) => "",
    })
}
