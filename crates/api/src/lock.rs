//! Locks over HTTP.

use std::sync::Arc;
use std::time::Duration;

use floodway_blocks::invoke::Body;
use floodway_blocks::lock::{Locks, TryLock, Unlock};
use http::{Response, StatusCode};
use serde::{Deserialize, Serialize};

use crate::error::{ApiError, answer};
use crate::server::{Api, Call};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct LockRequest {
    #[serde(default, alias = "resource_id")]
    resource_id: String,
    #[serde(default, alias = "lock_owner")]
    lock_owner: String,
    #[serde(default, alias = "expiry_in_seconds")]
    expiry_in_seconds: i32,
}

/// `fencingToken` is an addition: it grows with every grant, and a store can refuse an older one.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct LockAnswer {
    success: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    fencing_token: Option<u64>,
}

#[derive(Debug, Serialize)]
struct UnlockAnswer {
    status: u8,
}

/// POST: 200 with `success`, also where somebody else holds it.
pub(crate) async fn lock(api: &Api, store: &str, call: Call) -> Result<Response<Body>, ApiError> {
    let locks = find(api, store)?;
    let request = read(api, call).await?;
    let seconds = u64::try_from(request.expiry_in_seconds).ok().filter(|&seconds| seconds > 0);
    let wrong = || ApiError::malformed("ExpiryInSeconds is not positive");
    let ttl = Duration::from_secs(seconds.ok_or_else(wrong)?);
    let resource = resource(api, &request);
    let tried = locks.try_lock(&resource, &request.lock_owner, ttl).await;
    let tried =
        tried.map_err(|error| ApiError::failed("ERR_TRY_LOCK", "failed to try acquiring lock", &error))?;
    let fencing_token = match tried {
        TryLock::Granted(token) => Some(token.0),
        TryLock::Held => None,
    };
    Ok(answer(StatusCode::OK, &LockAnswer { success: fencing_token.is_some(), fencing_token }))
}

/// POST: 200 with a number: 0 done, 1 no such lock, 2 another's.
pub(crate) async fn unlock(api: &Api, store: &str, call: Call) -> Result<Response<Body>, ApiError> {
    let locks = find(api, store)?;
    let request = read(api, call).await?;
    let unlocked = locks.unlock(&resource(api, &request), &request.lock_owner).await;
    let unlocked =
        unlocked.map_err(|error| ApiError::failed("ERR_UNLOCK", "failed to release lock", &error))?;
    let status = match unlocked {
        Unlock::Done => 0,
        Unlock::NotHeld => 1,
        Unlock::NotOwner => 2,
    };
    Ok(answer(StatusCode::OK, &UnlockAnswer { status }))
}

async fn read(api: &Api, call: Call) -> Result<LockRequest, ApiError> {
    let body = api.body(call.request).await?;
    let unreadable = |error| ApiError::malformed(format!("failed to read the body: {error}"));
    let request: LockRequest = serde_json::from_slice(&body).map_err(unreadable)?;
    if request.resource_id.is_empty() {
        return Err(ApiError::malformed("ResourceId is empty"));
    }
    if request.lock_owner.is_empty() {
        return Err(ApiError::malformed("LockOwner is empty"));
    }
    Ok(request)
}

fn resource(api: &Api, request: &LockRequest) -> String {
    format!("lock||{}||{}", api.caller.app, request.resource_id)
}

fn find<'a>(api: &'a Api, store: &str) -> Result<&'a Arc<dyn Locks>, ApiError> {
    if api.components.locks.is_empty() {
        let message = "lock store is not configured";
        return Err(ApiError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "ERR_LOCK_STORE_NOT_CONFIGURED",
            message,
        ));
    }
    api.components.locks.get(store).ok_or_else(|| {
        let message = format!("lock store {store} not found");
        ApiError::new(StatusCode::BAD_REQUEST, "ERR_LOCK_STORE_NOT_FOUND", message)
    })
}
