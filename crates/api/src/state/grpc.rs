//! State over gRPC.

use std::collections::HashMap;

use dapr::dapr::proto::common::v1::state_options::{StateConcurrency, StateConsistency};
use dapr::dapr::proto::common::v1::{Etag, StateItem};
use dapr::dapr::proto::runtime::v1::{
    BulkStateItem, DeleteBulkStateRequest, DeleteStateRequest, ExecuteStateTransactionRequest,
    GetBulkStateRequest, GetBulkStateResponse, GetStateRequest, GetStateResponse, SaveStateRequest,
    TransactionalStateOperation,
};
use floodway_blocks::state::Item;
use prost::UnknownEnumValue;
use tonic::{Request, Status};

use super::transaction::unsupported;
use super::{Operation, Removal, Upsert, Value};
use crate::clock;
use crate::cloud_event::Trace;
use crate::error::ApiError;
use crate::grpc::Service;
use crate::path::{self, Metadata};

/// One key; an absent one has no data and no etag.
pub(crate) async fn get_state(
    service: &Service,
    request: Request<GetStateRequest>,
) -> Result<GetStateResponse, Status> {
    let GetStateRequest { store_name, key, .. } = request.into_inner();
    let item = super::read(&service.blocks, &store_name, &key).await?;
    let Some(Item { value, etag, expires }) = item else { return Ok(GetStateResponse::default()) };
    Ok(GetStateResponse { data: value.into(), etag: etag.0, metadata: told(expires) })
}

/// An item for each key, in their order.
pub(crate) async fn get_bulk_state(
    service: &Service,
    request: Request<GetBulkStateRequest>,
) -> Result<GetBulkStateResponse, Status> {
    let GetBulkStateRequest { store_name, keys, .. } = request.into_inner();
    let found = super::read_many(&service.blocks, &store_name, &keys).await?;
    let items = keys.into_iter().zip(found).map(|(key, item)| match item {
        Some(Item { value, etag, expires }) => BulkStateItem {
            key,
            data: value.into(),
            etag: etag.0,
            error: String::new(),
            metadata: told(expires),
        },
        None => BulkStateItem { key, ..BulkStateItem::default() },
    });
    Ok(GetBulkStateResponse { items: items.collect() })
}

/// Each item stands alone; the first that was not stored is the error.
pub(crate) async fn save_state(service: &Service, request: Request<SaveStateRequest>) -> Result<(), Status> {
    let SaveStateRequest { store_name, states } = request.into_inner();
    let items = states.into_iter().map(|item| upsert(item, &HashMap::new())).collect::<Result<_, _>>()?;
    Ok(super::save(&service.blocks, &store_name, items).await?)
}

pub(crate) async fn delete_state(
    service: &Service,
    request: Request<DeleteStateRequest>,
) -> Result<(), Status> {
    let DeleteStateRequest { store_name, key, etag, .. } = request.into_inner();
    let item = Removal { key, etag: text_of(etag) };
    Ok(super::delete(&service.blocks, &store_name, vec![item]).await?)
}

pub(crate) async fn delete_bulk_state(
    service: &Service,
    request: Request<DeleteBulkStateRequest>,
) -> Result<(), Status> {
    let DeleteBulkStateRequest { store_name, states } = request.into_inner();
    let items = states.into_iter().map(removal).collect();
    Ok(super::delete(&service.blocks, &store_name, items).await?)
}

/// All operations in order, or none.
pub(crate) async fn execute_state_transaction(
    service: &Service,
    request: Request<ExecuteStateTransactionRequest>,
) -> Result<(), Status> {
    let (headers, _, request) = request.into_parts();
    let ExecuteStateTransactionRequest { store_name, operations, metadata } = request;
    let operations = operations.into_iter().map(|operation| read_operation(operation, &metadata));
    let operations = operations.collect::<Result<_, _>>()?;
    let trace = Trace::of(headers.as_ref());
    Ok(super::transact(&service.blocks, &store_name, operations, trace).await?)
}

fn read_operation(
    operation: TransactionalStateOperation,
    metadata: &HashMap<String, String>,
) -> Result<Operation, ApiError> {
    let TransactionalStateOperation { operation_type, request } = operation;
    let item = request.unwrap_or_default();
    match operation_type.as_str() {
        "upsert" => Ok(Operation::Upsert(upsert(item, metadata)?)),
        "delete" => Ok(Operation::Delete(removal(item))),
        other => Err(unsupported(other)),
    }
}

/// The request's metadata comes before the item's. A wish that is not known is refused: one for safety must not
/// be passed over.
fn upsert(item: StateItem, request: &HashMap<String, String>) -> Result<Upsert, ApiError> {
    let StateItem { key, value, etag, metadata, options } = item;
    let metadata: Metadata = metadata.into_iter().collect();
    let mut merged = metadata.clone();
    merged.extend(request.iter().map(|(name, text)| (name.clone(), text.clone())));
    let options = options.unwrap_or_default();
    let unknown =
        |what| move |error: UnknownEnumValue| ApiError::malformed(format!("unrecognized {what}: {error}"));
    let concurrency = StateConcurrency::try_from(options.concurrency).map_err(unknown("concurrency"))?;
    StateConsistency::try_from(options.consistency).map_err(unknown("consistency"))?;
    Ok(Upsert {
        key,
        value: Value::Bytes(value.into()),
        etag: text_of(etag),
        is_first_write: concurrency == StateConcurrency::ConcurrencyFirstWrite,
        ttl: path::ttl(&merged)?,
        metadata,
        content_type: None,
    })
}

fn removal(item: StateItem) -> Removal {
    Removal { key: item.key, etag: text_of(item.etag) }
}

fn text_of(etag: Option<Etag>) -> Option<String> {
    etag.map(|etag| etag.value)
}

/// When it is gone, as metadata.
fn told(expires: Option<std::time::SystemTime>) -> HashMap<String, String> {
    let expires = expires.and_then(clock::rfc3339);
    expires.map(|expires| ("ttlExpireTime".to_owned(), expires)).into_iter().collect()
}
