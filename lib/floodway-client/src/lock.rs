//! Locks: leases with an owner and a time to live.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::client::segment;
use crate::{Client, Error};

/// A lock that was granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// Grows with every grant of the lock. Floodway always gives one; Dapr has none.
    pub fencing_token: Option<u64>,
}

/// What became of an unlock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unlocked {
    /// Given back.
    Done,
    /// Nobody held it; it may have expired.
    NotHeld,
    /// Another owner holds it.
    NotOwner,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LockRequest<'a> {
    resource_id: &'a str,
    lock_owner: &'a str,
    expiry_in_seconds: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    wait_in_seconds: Option<f64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LockAnswer {
    success: bool,
    fencing_token: Option<u64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UnlockRequest<'a> {
    resource_id: &'a str,
    lock_owner: &'a str,
}

#[derive(Deserialize)]
struct UnlockAnswer {
    status: u8,
}

impl Client {
    /// Takes a lock if it is free; `None` when someone holds it, the same owner included. The time to
    /// live counts in whole seconds, rounded up.
    pub async fn try_lock(
        &self,
        store: &str,
        resource: &str,
        owner: &str,
        ttl: Duration,
    ) -> Result<Option<Grant>, Error> {
        self.ask_for_lock(store, &lock_request(resource, owner, ttl, None)).await
    }

    /// The same, but waits for its turn up to `wait` (at most an hour) while someone holds it; `None` when that was
    /// not enough. An addition to Dapr's API.
    pub async fn lock(
        &self,
        store: &str,
        resource: &str,
        owner: &str,
        ttl: Duration,
        wait: Duration,
    ) -> Result<Option<Grant>, Error> {
        self.ask_for_lock(store, &lock_request(resource, owner, ttl, Some(wait.as_secs_f64()))).await
    }

    async fn ask_for_lock(&self, store: &str, request: &LockRequest<'_>) -> Result<Option<Grant>, Error> {
        let path = format!("/v1.0-alpha1/lock/{}", segment(store));
        let body = self.post_json(path.clone(), request).await?;
        let answer: LockAnswer =
            serde_json::from_slice(&body).map_err(|source| Error::Unreadable { path, source })?;
        Ok(answer.success.then_some(Grant { fencing_token: answer.fencing_token }))
    }

    /// Holds a lock for `ttl` from now on; anything but [`Unlocked::Done`] says why it is not held. An addition to
    /// Dapr's API.
    pub async fn renew(
        &self,
        store: &str,
        resource: &str,
        owner: &str,
        ttl: Duration,
    ) -> Result<Unlocked, Error> {
        let path = format!("/v1.0-floodway/lock/{}/renew", segment(store));
        let body = self.post_json(path.clone(), &lock_request(resource, owner, ttl, None)).await?;
        let answer: UnlockAnswer =
            serde_json::from_slice(&body).map_err(|source| Error::Unreadable { path, source })?;
        unlocked(answer.status)
    }

    /// Gives a lock back.
    pub async fn unlock(&self, store: &str, resource: &str, owner: &str) -> Result<Unlocked, Error> {
        let path = format!("/v1.0-alpha1/unlock/{}", segment(store));
        let request = UnlockRequest { resource_id: resource, lock_owner: owner };
        let body = self.post_json(path.clone(), &request).await?;
        let answer: UnlockAnswer =
            serde_json::from_slice(&body).map_err(|source| Error::Unreadable { path, source })?;
        unlocked(answer.status)
    }
}

fn lock_request<'a>(
    resource_id: &'a str,
    lock_owner: &'a str,
    ttl: Duration,
    wait_in_seconds: Option<f64>,
) -> LockRequest<'a> {
    let expiry_in_seconds = ttl.as_secs() + u64::from(ttl.subsec_nanos() > 0);
    LockRequest { resource_id, lock_owner, expiry_in_seconds, wait_in_seconds }
}

/// The numbers of Dapr's `UnlockResponse.Status`.
fn unlocked(status: u8) -> Result<Unlocked, Error> {
    match status {
        0 => Ok(Unlocked::Done),
        1 => Ok(Unlocked::NotHeld),
        2 => Ok(Unlocked::NotOwner),
        _ => Err(Error::Refused {
            status: http::StatusCode::INTERNAL_SERVER_ERROR,
            code: "ERR_UNLOCK".to_owned(),
            message: format!("the unlock ended with status {status}"),
        }),
    }
}
