//! Publishing over gRPC.

use dapr::dapr::proto::runtime::v1::{
    BulkPublishRequest, BulkPublishRequestEntry, BulkPublishResponse, BulkPublishResponseFailedEntry,
    PublishEventRequest,
};
use tonic::{Request, Status};

use super::{Batch, Entry};
use crate::cloud_event::{Draft, Trace};
use crate::grpc::Service;
use crate::path::Metadata;

/// Answers once the message is durable.
pub(crate) async fn publish_event(
    service: &Service,
    request: Request<PublishEventRequest>,
) -> Result<(), Status> {
    let (headers, _, request) = request.into_parts();
    let PublishEventRequest { pubsub_name, topic, data, data_content_type, metadata } = request;
    let metadata: Metadata = metadata.into_iter().collect();
    let draft = Draft {
        payload: data.into(),
        content_type: &data_content_type,
        app: &service.blocks.caller.app,
        topics: &pubsub_name,
        topic: &topic,
        metadata: &metadata,
        trace: Trace::of(headers.as_ref()),
    };
    Ok(super::publish(&service.blocks, &draft).await?)
}

/// Answers once all are durable, or with those that are not: all of them.
pub(crate) async fn bulk_publish_event(
    service: &Service,
    request: Request<BulkPublishRequest>,
) -> Result<BulkPublishResponse, Status> {
    let (headers, _, request) = request.into_parts();
    let BulkPublishRequest { pubsub_name, topic, entries, metadata } = request;
    let metadata = metadata.into_iter().collect();
    let trace = Trace::of(headers.as_ref());
    let batch = Batch { topics: &pubsub_name, topic: &topic, metadata: &metadata, trace };
    let entries: Vec<_> = entries.into_iter().map(Entry::from).collect();
    let published = super::publish_all(&service.blocks, &batch, &entries).await?;
    let failed_entries = match published {
        Ok(()) => Vec::new(),
        Err(error) => entries
            .into_iter()
            .map(|entry| BulkPublishResponseFailedEntry { entry_id: entry.id, error: error.message.clone() })
            .collect(),
    };
    Ok(BulkPublishResponse { failed_entries })
}

impl From<BulkPublishRequestEntry> for Entry {
    fn from(entry: BulkPublishRequestEntry) -> Self {
        let BulkPublishRequestEntry { entry_id, event, content_type, metadata } = entry;
        Self {
            id: entry_id,
            payload: Ok(event.into()),
            content_type,
            metadata: metadata.into_iter().collect(),
        }
    }
}
