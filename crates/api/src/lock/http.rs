//! Locks over HTTP.

use ::http::{Response, StatusCode};
use floodway_blocks::invoke::Body;
use floodway_blocks::lock::{Renewal, TryLock};
use serde::{Deserialize, Serialize};

use super::Claim;
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
    /// An addition: who finds the lock held waits for its turn that long.
    #[serde(default)]
    wait_in_seconds: f64,
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
    super::find(api, store)?;
    let request = read(api, call).await?;
    let LockRequest { expiry_in_seconds, wait_in_seconds, .. } = request;
    let locked = super::lock(api, store, &request.into(), expiry_in_seconds, wait_in_seconds).await?;
    let fencing_token = match locked {
        TryLock::Granted(token) => Some(token.0),
        TryLock::Held => None,
    };
    Ok(answer(StatusCode::OK, &LockAnswer { success: fencing_token.is_some(), fencing_token }))
}

/// POST: 200 with a number: 0 done, 1 no such lock, 2 another's.
pub(crate) async fn unlock(api: &Api, store: &str, call: Call) -> Result<Response<Body>, ApiError> {
    super::find(api, store)?;
    let request = read(api, call).await?;
    let unlocked = super::unlock(api, store, &request.into()).await?;
    Ok(answer(StatusCode::OK, &UnlockAnswer { status: super::status_of(unlocked) }))
}

/// POST, an addition: 200 with a number, as for an unlock.
pub(crate) async fn renew(api: &Api, store: &str, call: Call) -> Result<Response<Body>, ApiError> {
    super::find(api, store)?;
    let request = read(api, call).await?;
    let seconds = request.expiry_in_seconds;
    let status = match super::renew(api, store, &request.into(), seconds).await? {
        Renewal::Done => 0,
        Renewal::NotHeld => 1,
        Renewal::NotOwner => 2,
    };
    Ok(answer(StatusCode::OK, &UnlockAnswer { status }))
}

async fn read(api: &Api, call: Call) -> Result<LockRequest, ApiError> {
    let body = api.body(call.request).await?;
    serde_json::from_slice(&body)
        .map_err(|error| ApiError::malformed(format!("failed to read the body: {error}")))
}

impl From<LockRequest> for Claim {
    fn from(LockRequest { resource_id, lock_owner, .. }: LockRequest) -> Self {
        Self { resource: resource_id, owner: lock_owner }
    }
}
