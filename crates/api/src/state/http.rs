//! State over HTTP.

use ::http::header::{CONTENT_TYPE, ETAG, HeaderName, HeaderValue, IF_MATCH};
use ::http::{HeaderMap, Response, StatusCode};
use bytes::Bytes;
use floodway_blocks::invoke::Body;
use floodway_blocks::state::Item;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::transaction::unsupported;
use super::{Operation, Removal, Upsert, Value};
use crate::clock;
use crate::cloud_event::Trace;
use crate::error::{ApiError, answer, no_content};
use crate::path::{self, Metadata};
use crate::server::{Api, Call};

const EXPIRES: HeaderName = HeaderName::from_static("metadata.ttlexpiretime");
const FIRST_WRITE: &str = "first-write";

#[derive(Debug, Deserialize)]
struct SaveItem {
    key: String,
    #[serde(default)]
    value: Option<Box<RawValue>>,
    #[serde(default)]
    etag: Option<String>,
    #[serde(default)]
    metadata: Option<Metadata>,
    #[serde(default)]
    options: Option<Options>,
    #[serde(default, rename = "contentType")]
    content_type: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Options {
    #[serde(default)]
    concurrency: Option<String>,
    #[serde(default)]
    consistency: Option<String>,
}

#[derive(Debug, Deserialize)]
struct BulkRequest {
    #[serde(default)]
    keys: Vec<String>,
}

#[derive(Debug, Serialize)]
struct BulkItem<'a> {
    key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    etag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Metadata>,
}

#[derive(Debug, Deserialize)]
struct TransactionRequest {
    #[serde(default)]
    operations: Vec<RequestedOperation>,
    #[serde(default)]
    metadata: Option<Metadata>,
}

#[derive(Debug, Deserialize)]
struct RequestedOperation {
    operation: String,
    request: SaveItem,
}

/// GET one key: 200 with the value, 204 where there is none.
pub(crate) async fn read(api: &Api, store: &str, key: &str) -> Result<Response<Body>, ApiError> {
    let Some(item) = super::read(api, store, key).await? else { return Ok(no_content()) };
    let mut response = Response::new(Body::full(item.value));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    insert_text(headers, ETAG, &item.etag.0);
    if let Some(expires) = item.expires.and_then(clock::rfc3339) {
        insert_text(headers, EXPIRES, &expires);
    }
    Ok(response)
}

/// POST an array of items: each stands alone; 204 when all were stored.
pub(crate) async fn save(api: &Api, store: &str, call: Call) -> Result<Response<Body>, ApiError> {
    super::find(api, store)?;
    let body = api.body(call.request).await?;
    let items: Vec<SaveItem> = parse(&body)?;
    let items = items.into_iter().map(|item| upsert(item, &call.metadata)).collect::<Result<_, _>>()?;
    super::save(api, store, items).await?;
    Ok(no_content())
}

/// DELETE one key: 204 also where there was none.
pub(crate) async fn delete(
    api: &Api,
    store: &str,
    key: &str,
    call: &Call,
) -> Result<Response<Body>, ApiError> {
    let etag = call.request.headers().get(IF_MATCH).and_then(|etag| etag.to_str().ok());
    let etag = etag.map(|etag| etag.trim_matches('"').to_owned());
    super::delete(api, store, vec![Removal { key: key.to_owned(), etag }]).await?;
    Ok(no_content())
}

/// POST keys: 200 with an item for each, in their order.
pub(crate) async fn bulk(api: &Api, store: &str, call: Call) -> Result<Response<Body>, ApiError> {
    super::find(api, store)?;
    let body = api.body(call.request).await?;
    let BulkRequest { keys } = parse(&body)?;
    let found = super::read_many(api, store, &keys).await?;
    let items: Vec<BulkItem<'_>> = keys.iter().zip(found).map(|(key, item)| bulk_item(key, item)).collect();
    Ok(answer(StatusCode::OK, &items))
}

/// POST operations: all in order, or none; with an outbox their messages too.
pub(crate) async fn transact(api: &Api, store: &str, call: Call) -> Result<Response<Body>, ApiError> {
    super::find(api, store)?;
    let headers = call.request.headers().clone();
    let body = api.body(call.request).await?;
    let request: TransactionRequest = parse(&body)?;
    let mut metadata = request.metadata.unwrap_or_default();
    metadata.extend(call.metadata);
    let operations = request.operations.into_iter().map(|operation| read_operation(operation, &metadata));
    let operations = operations.collect::<Result<_, _>>()?;
    super::transact(api, store, operations, Trace::of(&headers)).await?;
    Ok(no_content())
}

fn read_operation(requested: RequestedOperation, metadata: &Metadata) -> Result<Operation, ApiError> {
    let RequestedOperation { operation, request } = requested;
    match operation.as_str() {
        "upsert" => Ok(Operation::Upsert(upsert(request, metadata)?)),
        "delete" => Ok(Operation::Delete(Removal { key: request.key, etag: request.etag })),
        other => Err(unsupported(other)),
    }
}

/// The request's metadata comes before the item's.
fn upsert(item: SaveItem, request: &Metadata) -> Result<Upsert, ApiError> {
    let metadata = item.metadata.unwrap_or_default();
    let mut merged = metadata.clone();
    merged.extend(request.iter().map(|(name, value)| (name.clone(), value.clone())));
    let ttl = path::ttl(&merged)?;
    let options = item.options.unwrap_or_default();
    one_of("concurrency", options.concurrency.as_deref(), [FIRST_WRITE, "last-write"])?;
    one_of("consistency", options.consistency.as_deref(), ["eventual", "strong"])?;
    Ok(Upsert {
        key: item.key,
        value: Value::Json(item.value),
        etag: item.etag,
        is_first_write: options.concurrency.as_deref() == Some(FIRST_WRITE),
        ttl,
        metadata,
        content_type: item.content_type,
    })
}

/// A word that is not known is refused: a wish for safety must not be passed over. None is none.
fn one_of(what: &str, word: Option<&str>, known: [&str; 2]) -> Result<(), ApiError> {
    match word {
        None | Some("") => Ok(()),
        Some(word) if known.contains(&word) => Ok(()),
        Some(word) => Err(ApiError::malformed(format!("unrecognized {what} value {word}"))),
    }
}

fn bulk_item(key: &str, item: Option<Item>) -> BulkItem<'_> {
    let Some(item) = item else { return BulkItem { key, data: None, etag: None, metadata: None } };
    let expires = item.expires.and_then(clock::rfc3339);
    BulkItem {
        key,
        data: Some(raw(&item.value)),
        etag: Some(item.etag.0),
        metadata: expires.map(|expires| Metadata::from([("ttlExpireTime".to_owned(), expires)])),
    }
}

/// A stored value as JSON; one that is none (it did not come over HTTP) as a JSON text.
fn raw(value: &Bytes) -> Box<RawValue> {
    let text = String::from_utf8_lossy(value);
    let quoted = || serde_json::value::to_raw_value(&*text).expect("a text is JSON");
    RawValue::from_string(text.clone().into_owned()).unwrap_or_else(|_| quoted())
}

fn parse<'a, T: Deserialize<'a>>(body: &'a Bytes) -> Result<T, ApiError> {
    serde_json::from_slice(body)
        .map_err(|error| ApiError::malformed(format!("failed to read the body: {error}")))
}

fn insert_text(headers: &mut HeaderMap, name: HeaderName, text: &str) {
    let value = HeaderValue::from_str(text).expect("etags and times are plain text");
    headers.insert(name, value);
}
