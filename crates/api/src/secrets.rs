//! Secrets: what the operations mean, and their HTTP face. Nothing of a secret is logged.

pub(crate) mod grpc;

use std::collections::BTreeMap;

use floodway_blocks::Failure;
use floodway_blocks::invoke::Body;
use floodway_blocks::secrets::{Secret, Secrets};
use http::{Response, StatusCode};

use crate::components::Components;
use crate::error::{ApiError, answer};
use crate::server::Api;

/// Why a secret was not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecretError {
    #[error("secret store is not configured")]
    NotConfigured,
    #[error("failed finding secret store with key {0}")]
    NoStore(String),
    #[error("access denied by policy to get {name:?} from {store:?}")]
    Denied { store: String, name: String },
    #[error("failed getting secret with key {name} from secret store {store}: secret {name} not found")]
    NotFound { store: String, name: String },
    #[error("failed getting secrets from secret store {store}")]
    Failed {
        store: String,
        #[source]
        failure: Failure,
    },
}

/// Reads a secret.
pub(crate) async fn get(components: &Components, store: &str, name: &str) -> Result<Secret, SecretError> {
    let secrets = find(components, store)?;
    if !may_read(components, store, name) {
        return Err(SecretError::Denied { store: store.to_owned(), name: name.to_owned() });
    }
    let found = secrets.get(name).await;
    let found = found.map_err(|failure| SecretError::Failed { store: store.to_owned(), failure })?;
    found.ok_or_else(|| SecretError::NotFound { store: store.to_owned(), name: name.to_owned() })
}

fn may_read(components: &Components, store: &str, name: &str) -> bool {
    let scope = components.permissions.secrets.iter().find(|scope| scope.component == store);
    scope.is_none_or(|scope| scope.allows(name))
}

/// Reads all secrets of a store that the app may read.
pub(crate) async fn all(
    components: &Components,
    store: &str,
) -> Result<BTreeMap<String, Secret>, SecretError> {
    let found = find(components, store)?.all().await;
    let mut all = found.map_err(|failure| SecretError::Failed { store: store.to_owned(), failure })?;
    all.retain(|name, _| may_read(components, store, name));
    Ok(all)
}

fn find<'a>(components: &'a Components, store: &str) -> Result<&'a dyn Secrets, SecretError> {
    if components.secrets.is_empty() {
        return Err(SecretError::NotConfigured);
    }
    let found = components.secrets.get(store);
    found.map(|secrets| &**secrets).ok_or_else(|| SecretError::NoStore(store.to_owned()))
}

/// GET one: 200 with its texts by key.
pub(crate) async fn http_get(api: &Api, store: &str, name: &str) -> Result<Response<Body>, ApiError> {
    let Secret(texts) = get(&api.components, store, name).await.map_err(|error| error_of(&error))?;
    Ok(answer(StatusCode::OK, &texts))
}

/// GET all: 200 with their texts by name and key.
pub(crate) async fn http_all(api: &Api, store: &str) -> Result<Response<Body>, ApiError> {
    let all = all(&api.components, store).await.map_err(|error| error_of(&error))?;
    let texts: BTreeMap<String, BTreeMap<String, String>> =
        all.into_iter().map(|(name, Secret(texts))| (name, texts)).collect();
    Ok(answer(StatusCode::OK, &texts))
}

/// As Dapr answers: a store that is not there is a 401.
fn error_of(error: &SecretError) -> ApiError {
    let (status, code) = match error {
        SecretError::NotConfigured => (StatusCode::INTERNAL_SERVER_ERROR, "ERR_SECRET_STORES_NOT_CONFIGURED"),
        SecretError::NoStore(_) => (StatusCode::UNAUTHORIZED, "ERR_SECRET_STORE_NOT_FOUND"),
        SecretError::Denied { .. } => (StatusCode::FORBIDDEN, "ERR_PERMISSION_DENIED"),
        SecretError::NotFound { .. } => (StatusCode::INTERNAL_SERVER_ERROR, "ERR_SECRET_GET"),
        SecretError::Failed { failure, .. } => {
            return ApiError::failed("ERR_SECRET_GET", &error.to_string(), failure);
        }
    };
    ApiError::new(status, code, error.to_string())
}
