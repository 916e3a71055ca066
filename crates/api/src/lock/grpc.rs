//! Locks over gRPC.

use dapr::dapr::proto::runtime::v1::{TryLockRequest, TryLockResponse, UnlockRequest, UnlockResponse};
use floodway_blocks::lock::TryLock;
use tonic::{Request, Status};

use super::Claim;
use crate::grpc::Service;

/// Metadata that asks to wait for a lock that is held, as `waitInSeconds` does over HTTP.
const WAIT: &str = "wait-in-seconds";

/// `success` is false where somebody else holds it.
pub(crate) async fn try_lock(
    service: &Service,
    request: Request<TryLockRequest>,
) -> Result<TryLockResponse, Status> {
    let wait = request.metadata().get(WAIT).map_or(Some(0.0), |wait| wait.to_str().ok()?.parse().ok());
    let wait = wait.ok_or_else(|| Status::invalid_argument(format!("{WAIT} is no number of seconds")))?;
    let TryLockRequest { store_name, resource_id, lock_owner, expiry_in_seconds } = request.into_inner();
    let claim = Claim { resource: resource_id, owner: lock_owner };
    let tried = super::lock(&service.blocks, &store_name, &claim, expiry_in_seconds, wait).await?;
    Ok(TryLockResponse { success: matches!(tried, TryLock::Granted(_)) })
}

pub(crate) async fn unlock(
    service: &Service,
    request: Request<UnlockRequest>,
) -> Result<UnlockResponse, Status> {
    let UnlockRequest { store_name, resource_id, lock_owner } = request.into_inner();
    let claim = Claim { resource: resource_id, owner: lock_owner };
    let unlocked = super::unlock(&service.blocks, &store_name, &claim).await?;
    Ok(UnlockResponse { status: super::status_of(unlocked).into() })
}
