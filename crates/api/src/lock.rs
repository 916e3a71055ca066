//! Locks: what they mean, whatever protocol asks for them.

pub(crate) mod grpc;
pub(crate) mod http;

use std::sync::Arc;
use std::time::Duration;

use ::http::StatusCode;
use floodway_blocks::lock::{Locks, Renewal, TryLock, Unlock};

use crate::error::ApiError;
use crate::server::Blocks;

/// Who asks for which lock.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) resource: String,
    pub(crate) owner: String,
}

/// The longest time that somebody may wait for a lock.
const WAIT_MAX: Duration = Duration::from_hours(1);

/// Takes a lock for so many seconds, if it is free, or once it is within `wait_in_seconds`.
pub(crate) async fn lock(
    blocks: &Blocks,
    store: &str,
    claim: &Claim,
    expiry_in_seconds: i32,
    wait_in_seconds: f64,
) -> Result<TryLock, ApiError> {
    let locks = find(blocks, store)?;
    claim.check()?;
    let (ttl, name) = (ttl(expiry_in_seconds)?, claim.full(blocks));
    let wait = Duration::try_from_secs_f64(wait_in_seconds).ok().filter(|wait| *wait <= WAIT_MAX);
    let wrong = || ApiError::malformed(format!("waitInSeconds is not between 0 and {}", WAIT_MAX.as_secs()));
    let tried = match wait.ok_or_else(wrong)? {
        Duration::ZERO => locks.try_lock(&name, &claim.owner, ttl).await,
        wait => locks.lock(&name, &claim.owner, ttl, wait).await,
    };
    tried.map_err(|error| ApiError::failed("ERR_TRY_LOCK", "failed to try acquiring lock", &error))
}

/// Holds a lock for so many seconds from now on.
pub(crate) async fn renew(
    blocks: &Blocks,
    store: &str,
    claim: &Claim,
    expiry_in_seconds: i32,
) -> Result<Renewal, ApiError> {
    let locks = find(blocks, store)?;
    claim.check()?;
    let renewed = locks.renew(&claim.full(blocks), &claim.owner, ttl(expiry_in_seconds)?).await;
    renewed.map_err(|error| ApiError::failed("ERR_RENEW_LOCK", "failed to renew lock", &error))
}

fn ttl(expiry_in_seconds: i32) -> Result<Duration, ApiError> {
    let seconds = u64::try_from(expiry_in_seconds).ok().filter(|&seconds| seconds > 0);
    seconds.map(Duration::from_secs).ok_or_else(|| ApiError::malformed("ExpiryInSeconds is not positive"))
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
