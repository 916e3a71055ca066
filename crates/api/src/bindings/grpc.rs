//! Output bindings over gRPC.

use dapr::dapr::proto::runtime::v1::{InvokeBindingRequest, InvokeBindingResponse};
use floodway_blocks::bindings::{Invocation, Reply};
use tonic::{Request, Status};

use super::error_of;
use crate::grpc::Service;

pub(crate) async fn invoke_binding(
    service: &Service,
    request: Request<InvokeBindingRequest>,
) -> Result<InvokeBindingResponse, Status> {
    let InvokeBindingRequest { name, data, metadata, operation } = request.into_inner();
    let metadata = metadata.into_iter().collect();
    let invocation = Invocation { operation, data: data.into(), metadata };
    let reply = super::invoke(&service.blocks.components, &name, invocation).await;
    let Reply { data, metadata } = reply.map_err(|error| error_of(&name, &error))?;
    Ok(InvokeBindingResponse { data: data.into(), metadata: metadata.into_iter().collect() })
}
