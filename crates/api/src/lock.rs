//! Locks: what they mean, whatever protocol asks for them.

pub(crate) mod grpc;
pub(crate) mod http;

use std::sync::Arc;
use std::time::Duration;

use ::http::StatusCode;
use floodway_blocks::lock::{Locks, TryLock, Unlock};

use crate::error::ApiError;
use crate::server::Blocks;

/// Who asks for which lock.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) resource: String,
    pub(crate) owner: String,
}

/// Takes a lock for so many seconds, if it is free.
pub(crate) async fn try_lock(
    blocks: &Blocks,
    store: &str,
    claim: &Claim,
    expiry_in_seconds: i32,
) -> Result<TryLock, ApiError> {
    let locks = find(blocks, store)?;
    claim.check()?;
    let seconds = u64::try_from(expiry_in_seconds).ok().filter(|&seconds| seconds > 0);
    let wrong = || ApiError::malformed("ExpiryInSeconds is not positive");
    let ttl = Duration::from_secs(seconds.ok_or_else(wrong)?);
    let tried = locks.try_lock(&claim.full(blocks), &claim.owner, ttl).await;
    tried.map_err(|error| ApiError::failed("ERR_TRY_LOCK", "failed to try acquiring lock", &error))
}

/// Gives a lock back.
pub(crate) async fn unlock(blocks: &Blocks, store: &str, claim: &Claim) -> Result<Unlock, ApiError> {
    let locks = find(blocks, store)?;
    claim.check()?;
    let unlocked = locks.unlock(&claim.full(blocks), &claim.owner).await;
    unlocked.map_err(|error| ApiError::failed("ERR_UNLOCK", "failed to release lock", &error))
}

/// The number that says what became of an unlock.
pub(crate) const fn status_of(unlocked: Unlock) -> u8 {
    match unlocked {
        Unlock::Done => 0,
        Unlock::NotHeld => 1,
        Unlock::NotOwner => 2,
    }
}

// === impl Claim ===

impl Claim {
    fn check(&self) -> Result<(), ApiError> {
        if self.resource.is_empty() {
            return Err(ApiError::malformed("ResourceId is empty"));
        }
        if self.owner.is_empty() {
            return Err(ApiError::malformed("LockOwner is empty"));
        }
        Ok(())
    }

    fn full(&self, blocks: &Blocks) -> String {
        format!("lock||{}||{}", blocks.caller.app, self.resource)
    }
}

fn find<'a>(blocks: &'a Blocks, store: &str) -> Result<&'a Arc<dyn Locks>, ApiError> {
    if blocks.components.locks.is_empty() {
        let message = "lock store is not configured";
        return Err(ApiError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "ERR_LOCK_STORE_NOT_CONFIGURED",
            message,
        ));
    }
    blocks.components.locks.get(store).ok_or_else(|| {
        let message = format!("lock store {store} not found");
        ApiError::new(StatusCode::BAD_REQUEST, "ERR_LOCK_STORE_NOT_FOUND", message)
    })
}
