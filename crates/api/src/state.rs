//! State: what its operations mean, whatever protocol asks for them.

pub(crate) mod grpc;
pub(crate) mod http;
mod transaction;

use std::time::Duration;

use ::http::StatusCode;
use base64::DecodeError;
use bytes::Bytes;
use floodway_blocks::state::{Change, Effect, Etag, Item, Precondition, WriteError};
use serde_json::value::RawValue;

use crate::cloud_event;
use crate::components::StoreComponent;
use crate::error::ApiError;
use crate::path::Metadata;
use crate::server::Blocks;

pub(crate) use self::transaction::{Operation, transact};

/// Separates the app from the key, so a key cannot hold it.
const SEPARATOR: &str = "||";

/// A value that is to be stored under a key.
#[derive(Debug)]
pub(crate) struct Upsert {
    pub(crate) key: String,
    pub(crate) value: Value,
    pub(crate) etag: Option<String>,
    /// Without an etag, it is stored only where there is no value.
    pub(crate) is_first_write: bool,
    /// How long it lives; for ever where there is none.
    pub(crate) ttl: Option<Duration>,
    /// What is said of it alone, not of all that its request is about.
    pub(crate) metadata: Metadata,
    /// What the value is, for those who are told of it.
    pub(crate) content_type: Option<String>,
}

/// A value, as its protocol writes it.
#[derive(Debug)]
pub(crate) enum Value {
    /// JSON, with the digits of its numbers. None is `null`.
    Json(Option<Box<RawValue>>),
    /// Any bytes.
    Bytes(Bytes),
}

/// A key that is to be emptied.
#[derive(Debug)]
pub(crate) struct Removal {
    pub(crate) key: String,
    pub(crate) etag: Option<String>,
}

/// The value of a key, if there is one.
pub(crate) async fn read(blocks: &Blocks, store: &str, key: &str) -> Result<Option<Item>, ApiError> {
    let component = find(blocks, store)?;
    let key = full_key(blocks, store, key)?;
    let found = component.store.get(&key).await;
    found.map_err(|error| {
        ApiError::failed("ERR_STATE_GET", &format!("fail to get {key} from {store}"), &error)
    })
}

/// The values of keys, in their order.
pub(crate) async fn read_many(
    blocks: &Blocks,
    store: &str,
    keys: &[String],
) -> Result<Vec<Option<Item>>, ApiError> {
    let component = find(blocks, store)?;
    let full = keys.iter().map(|key| full_key(blocks, store, key)).collect::<Result<Vec<_>, _>>()?;
    let found = component.store.get_many(&full).await;
    found.map_err(|error| ApiError::failed("ERR_STATE_BULK_GET", "fail to bulk get", &error))
}

/// Stores values; each stands alone. The first that was not stored is the error.
pub(crate) async fn save(blocks: &Blocks, store: &str, items: Vec<Upsert>) -> Result<(), ApiError> {
    let component = find(blocks, store)?;
    let changes = items.into_iter().map(|item| upsert(blocks, store, item)).collect::<Result<_, _>>()?;
    let what = format!("failed saving state in state store {store}");
    write_each(component, changes, "ERR_STATE_SAVE", &what).await
}

/// Empties keys; each stands alone. It is no error where there was nothing.
pub(crate) async fn delete(blocks: &Blocks, store: &str, items: Vec<Removal>) -> Result<(), ApiError> {
    let component = find(blocks, store)?;
    let keys: Vec<_> = items.iter().map(|item| item.key.clone()).collect();
    let changes = items.into_iter().map(|item| removal(blocks, store, item)).collect::<Result<_, _>>()?;
    let what = format!("failed deleting state with key {}", keys.join(", "));
    write_each(component, changes, "ERR_STATE_DELETE", &what).await
}

async fn write_each(
    component: &StoreComponent,
    changes: Vec<Change>,
    code: &'static str,
    what: &str,
) -> Result<(), ApiError> {
    if changes.is_empty() {
        return Ok(());
    }
    let verdicts = component.store.write_each(changes).await;
    let failed = |error: WriteError| ApiError::write(code, what, &error, StatusCode::CONFLICT);
    verdicts.into_iter().find_map(Result::err).map_or(Ok(()), |error| Err(failed(error)))
}

fn upsert(blocks: &Blocks, store: &str, item: Upsert) -> Result<Change, ApiError> {
    let precondition = precondition(item.etag, item.is_first_write);
    let key = full_key(blocks, store, &item.key)?;
    let effect = Effect::Put { value: item.value.into_stored(), ttl: item.ttl };
    Ok(Change { key, effect, precondition })
}

/// A removal has no first write: without an etag there is nothing to compare.
fn removal(blocks: &Blocks, store: &str, item: Removal) -> Result<Change, ApiError> {
    let key = full_key(blocks, store, &item.key)?;
    Ok(Change { key, effect: Effect::Delete, precondition: precondition(item.etag, false) })
}

fn precondition(etag: Option<String>, is_first_write: bool) -> Precondition {
    match etag.filter(|etag| !etag.is_empty()) {
        Some(etag) => Precondition::Matches(Etag(etag)),
        None if is_first_write => Precondition::Absent,
        None => Precondition::None,
    }
}

fn full_key(blocks: &Blocks, store: &str, key: &str) -> Result<String, ApiError> {
    if key.is_empty() {
        return Err(ApiError::malformed("\"key\" is a required field"));
    }
    if key.contains(SEPARATOR) {
        let message = format!("input key/keyPrefix '{key}' can't contain '{SEPARATOR}'");
        let error = ApiError::malformed(message).rich("DAPR_STATE_ILLEGAL_KEY", &[]);
        return Err(error.about("state", store).in_field(key));
    }
    Ok(format!("{}{SEPARATOR}{key}", blocks.caller.app))
}

fn find<'a>(blocks: &'a Blocks, store: &str) -> Result<&'a StoreComponent, ApiError> {
    let known = [("appID", &*blocks.caller.app)];
    if blocks.components.stores.is_empty() {
        let message = format!("state store {store} is not configured");
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        let error = ApiError::new(status, "ERR_STATE_STORE_NOT_CONFIGURED", message);
        return Err(error.rich("DAPR_STATE_NOT_CONFIGURED", &known));
    }
    blocks.components.stores.get(store).ok_or_else(|| {
        let message = format!("state store {store} is not found");
        ApiError::new(StatusCode::BAD_REQUEST, "ERR_STATE_STORE_NOT_FOUND", message)
            .rich("DAPR_STATE_NOT_FOUND", &known)
    })
}

// === impl Value ===

impl Value {
    /// As it is stored: JSON as it was written.
    fn into_stored(self) -> Bytes {
        match self {
            Self::Json(json) => Bytes::copy_from_slice(text_of(json.as_deref()).as_bytes()),
            Self::Bytes(bytes) => bytes,
        }
    }

    /// What it stands for, as a payload of this type.
    fn payload(&self, content_type: &str) -> Result<Bytes, DecodeError> {
        match self {
            Self::Json(json) => {
                let json = json.as_deref().unwrap_or(RawValue::NULL);
                Ok(cloud_event::payload_of(json, content_type)?.into_owned().into())
            }
            Self::Bytes(bytes) => Ok(bytes.clone()),
        }
    }
}

fn text_of(json: Option<&RawValue>) -> &str {
    json.map_or("null", RawValue::get)
}
