//! Secrets over gRPC.

use dapr::dapr::proto::runtime::v1::{
    GetBulkSecretRequest, GetBulkSecretResponse, GetSecretRequest, GetSecretResponse, SecretResponse,
};
use floodway_blocks::secrets::Secret;
use tonic::{Request, Status};

use super::error_of;
use crate::grpc::Service;

pub(crate) async fn get_secret(
    service: &Service,
    request: Request<GetSecretRequest>,
) -> Result<GetSecretResponse, Status> {
    let GetSecretRequest { store_name, key, .. } = request.into_inner();
    let found = super::get(&service.blocks.components, &store_name, &key).await;
    let Secret(texts) = found.map_err(|error| error_of(&error))?;
    Ok(GetSecretResponse { data: texts.into_iter().collect() })
}

pub(crate) async fn get_bulk_secret(
    service: &Service,
    request: Request<GetBulkSecretRequest>,
) -> Result<GetBulkSecretResponse, Status> {
    let store = request.into_inner().store_name;
    let all = super::all(&service.blocks.components, &store).await.map_err(|error| error_of(&error))?;
    let shown = |Secret(texts): Secret| SecretResponse { secrets: texts.into_iter().collect() };
    Ok(GetBulkSecretResponse { data: all.into_iter().map(|(name, secret)| (name, shown(secret))).collect() })
}
