//! State over HTTP.

mod transaction;

use std::time::Duration;

use bytes::Bytes;
use floodway_blocks::invoke::Body;
use floodway_blocks::state::{Change, Effect, Etag, Item, Precondition, WriteError};
use http::header::{CONTENT_TYPE, ETAG, HeaderName, HeaderValue, IF_MATCH};
use http::{Response, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::clock;
use crate::components::StoreComponent;
use crate::error::{ApiError, answer, no_content};
use crate::path::{self, Metadata};
use crate::server::{Api, Call};

pub(crate) use self::transaction::transact;

const EXPIRES: HeaderName = HeaderName::from_static("metadata.ttlexpiretime");
/// Separates the app from the key, so a key cannot hold it.
const SEPARATOR: &str = "||";
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

/// GET one key: 200 with the value, 204 where there is none.
pub(crate) async fn read(api: &Api, store: &str, key: &str) -> Result<Response<Body>, ApiError> {
    let component = find(api, store)?;
    let key = full_key(api, store, key)?;
    let found = component.store.get(&key).await;
    let failed =
        |error| ApiError::failed("ERR_STATE_GET", &format!("fail to get {key} from {store}"), &error);
    let Some(item) = found.map_err(failed)? else { return Ok(no_content()) };
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
    let component = find(api, store)?;
    let body = api.body(call.request).await?;
    let items: Vec<SaveItem> = parse(&body)?;
    if items.is_empty() {
        return Ok(no_content());
    }
    let changes = items.into_iter().map(|item| upsert(api, store, item, &call.metadata));
    let changes = changes.collect::<Result<Vec<_>, _>>()?;
    let verdicts = component.store.write_each(changes).await;
    first_error("ERR_STATE_SAVE", &format!("failed saving state in state store {store}"), verdicts)
}

/// DELETE one key: 204 also where there was none.
pub(crate) async fn delete(
    api: &Api,
    store: &str,
    key: &str,
    call: &Call,
) -> Result<Response<Body>, ApiError> {
    let component = find(api, store)?;
    let etag = call.request.headers().get(IF_MATCH).and_then(|etag| etag.to_str().ok());
    let etag = etag.map(|etag| etag.trim_matches('"'));
    // A removal has no first write: without an etag there is nothing to compare.
    let precondition = precondition(etag, None);
    let change = Change { key: full_key(api, store, key)?, effect: Effect::Delete, precondition };
    let verdicts = component.store.write_each(vec![change]).await;
    first_error("ERR_STATE_DELETE", &format!("failed deleting state with key {key}"), verdicts)
}

/// POST keys: 200 with an item for each, in their order.
pub(crate) async fn bulk(api: &Api, store: &str, call: Call) -> Result<Response<Body>, ApiError> {
    let component = find(api, store)?;
    let body = api.body(call.request).await?;
    let BulkRequest { keys } = parse(&body)?;
    let full = keys.iter().map(|key| full_key(api, store, key)).collect::<Result<Vec<_>, _>>()?;
    let found = component.store.get_many(&full).await;
    let failed = |error| ApiError::failed("ERR_STATE_BULK_GET", "fail to bulk get", &error);
    let found = found.map_err(failed)?;
    let items: Vec<BulkItem<'_>> = keys.iter().zip(found).map(|(key, item)| bulk_item(key, item)).collect();
    Ok(answer(StatusCode::OK, &items))
}

fn upsert(api: &Api, store: &str, item: SaveItem, request: &Metadata) -> Result<Change, ApiError> {
    let mut metadata = item.metadata.clone().unwrap_or_default();
    metadata.extend(request.iter().map(|(name, value)| (name.clone(), value.clone())));
    let ttl: Option<Duration> = path::ttl(&metadata)?;
    let value = Bytes::copy_from_slice(value_of(&item).as_bytes());
    let options = item.options.unwrap_or_default();
    one_of("concurrency", options.concurrency.as_deref(), [FIRST_WRITE, "last-write"])?;
    one_of("consistency", options.consistency.as_deref(), ["eventual", "strong"])?;
    let precondition = precondition(item.etag.as_deref(), options.concurrency.as_deref());
    Ok(Change { key: full_key(api, store, &item.key)?, effect: Effect::Put { value, ttl }, precondition })
}

fn removal(api: &Api, store: &str, item: &SaveItem) -> Result<Change, ApiError> {
    let precondition = precondition(item.etag.as_deref(), None);
    Ok(Change { key: full_key(api, store, &item.key)?, effect: Effect::Delete, precondition })
}

/// The value as it was written: numbers keep their digits.
fn value_of(item: &SaveItem) -> &str {
    item.value.as_deref().map_or("null", RawValue::get)
}

/// A word that is not known is refused: a wish for safety must not be passed over. None is none.
fn one_of(what: &str, word: Option<&str>, known: [&str; 2]) -> Result<(), ApiError> {
    match word {
        None | Some("") => Ok(()),
        Some(word) if known.contains(&word) => Ok(()),
        Some(word) => Err(ApiError::malformed(format!("unrecognized {what} value {word}"))),
    }
}

fn precondition(etag: Option<&str>, concurrency: Option<&str>) -> Precondition {
    match etag.filter(|etag| !etag.is_empty()) {
        Some(etag) => Precondition::Matches(Etag(etag.to_owned())),
        None if concurrency == Some(FIRST_WRITE) => Precondition::Absent,
        None => Precondition::None,
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

fn full_key(api: &Api, store: &str, key: &str) -> Result<String, ApiError> {
    if key.is_empty() {
        return Err(ApiError::malformed("\"key\" is a required field"));
    }
    if key.contains(SEPARATOR) {
        let message = format!("input key/keyPrefix '{key}' can't contain '{SEPARATOR}'");
        let error = ApiError::malformed(message).rich("DAPR_STATE_ILLEGAL_KEY", &[]);
        return Err(error.about("state", store).in_field(key));
    }
    Ok(format!("{}{SEPARATOR}{key}", api.caller.app))
}

fn find<'a>(api: &'a Api, store: &str) -> Result<&'a StoreComponent, ApiError> {
    let known = [("appID", &*api.caller.app)];
    if api.components.stores.is_empty() {
        let message = format!("state store {store} is not configured");
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        let error = ApiError::new(status, "ERR_STATE_STORE_NOT_CONFIGURED", message);
        return Err(error.rich("DAPR_STATE_NOT_CONFIGURED", &known));
    }
    api.components.stores.get(store).ok_or_else(|| {
        let message = format!("state store {store} is not found");
        ApiError::new(StatusCode::BAD_REQUEST, "ERR_STATE_STORE_NOT_FOUND", message)
            .rich("DAPR_STATE_NOT_FOUND", &known)
    })
}

fn parse<'a, T: Deserialize<'a>>(body: &'a Bytes) -> Result<T, ApiError> {
    serde_json::from_slice(body)
        .map_err(|error| ApiError::malformed(format!("failed to read the body: {error}")))
}

fn first_error(
    code: &'static str,
    what: &str,
    verdicts: Vec<Result<(), WriteError>>,
) -> Result<Response<Body>, ApiError> {
    match verdicts.into_iter().find_map(Result::err) {
        None => Ok(no_content()),
        Some(error) => Err(ApiError::write(code, what, &error, StatusCode::CONFLICT)),
    }
}

fn insert_text(headers: &mut http::HeaderMap, name: HeaderName, text: &str) {
    let value = HeaderValue::from_str(text).expect("etags and times are plain text");
    headers.insert(name, value);
}
