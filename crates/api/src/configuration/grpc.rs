//! Configuration over gRPC. Who subscribes has a stream of what changes.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dapr::dapr::proto::common::v1::ConfigurationItem;
use dapr::dapr::proto::runtime::v1::{
    GetConfigurationRequest, GetConfigurationResponse, SubscribeConfigurationRequest,
    SubscribeConfigurationResponse, UnsubscribeConfigurationRequest, UnsubscribeConfigurationResponse,
};
use floodway_blocks::configuration::{Changes, Item};
use futures_util::stream;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::codegen::BoxStream;
use tonic::{Request, Status};

use super::http::error_of;
use crate::grpc::Service;

/// The streams of one port, by their ids.
#[derive(Debug, Clone, Default)]
pub(crate) struct Open(Arc<Mutex<BTreeMap<String, CancellationToken>>>);

/// One stream. It is forgotten when it ends.
struct Watch {
    id: String,
    changes: Box<dyn Changes>,
    is_over: CancellationToken,
    has_begun: bool,
    _forget: Forget,
}

struct Forget {
    open: Open,
    id: String,
    _over: DropGuard,
}

pub(crate) async fn get_configuration(
    service: &Service,
    request: Request<GetConfigurationRequest>,
) -> Result<GetConfigurationResponse, Status> {
    let GetConfigurationRequest { store_name, keys, .. } = request.into_inner();
    let items = super::get(&service.blocks.components, &store_name, keys).await;
    let items = items.map_err(|error| error_of(&error))?;
    Ok(GetConfigurationResponse { items: items.into_iter().map(|(key, item)| (key, shown(item))).collect() })
}

/// The first message has the id, each further one what has changed since. What is gone comes without a value.
pub(crate) async fn subscribe_configuration(
    service: &Service,
    request: Request<SubscribeConfigurationRequest>,
) -> Result<BoxStream<SubscribeConfigurationResponse>, Status> {
    let SubscribeConfigurationRequest { store_name, keys, .. } = request.into_inner();
    let changes = super::watch(&service.blocks.components, &store_name, keys).await;
    let changes = changes.map_err(|error| error_of(&error))?;
    let (id, is_over) = (uuid::Uuid::new_v4().to_string(), CancellationToken::new());
    let open = service.watches.clone();
    open.all().insert(id.clone(), is_over.clone());
    let forget = Forget { open, id: id.clone(), _over: is_over.clone().drop_guard() };
    let watch = Watch { id, changes, is_over, has_begun: false, _forget: forget };
    Ok(Box::pin(stream::unfold(watch, next)))
}

async fn next(mut watch: Watch) -> Option<(Result<SubscribeConfigurationResponse, Status>, Watch)> {
    let id = watch.id.clone();
    if !watch.has_begun {
        watch.has_begun = true;
        return Some((Ok(SubscribeConfigurationResponse { id, items: HashMap::new() }), watch));
    }
    let is_over = watch.is_over.clone();
    let changed = is_over.run_until_cancelled(watch.changes.next()).await?;
    let told = changed.map_err(|failure| Status::internal(failure.to_string())).map(|items| {
        let items = items.into_iter().map(|(key, item)| (key, item.map(shown).unwrap_or_default()));
        SubscribeConfigurationResponse { id, items: items.collect() }
    });
    if told.is_err() {
        watch.is_over.cancel();
    }
    Some((told, watch))
}

pub(crate) async fn unsubscribe_configuration(
    service: &Service,
    request: Request<UnsubscribeConfigurationRequest>,
) -> Result<UnsubscribeConfigurationResponse, Status> {
    let UnsubscribeConfigurationRequest { id, .. } = request.into_inner();
    let open = service.watches.all().remove(&id);
    if let Some(is_over) = open {
        is_over.cancel();
        return Ok(UnsubscribeConfigurationResponse { ok: true, message: String::new() });
    }
    let message = format!("there is no subscription {id}");
    Ok(UnsubscribeConfigurationResponse { ok: false, message })
}

fn shown(item: Item) -> ConfigurationItem {
    let Item { value, version, metadata } = item;
    ConfigurationItem { value, version, metadata: metadata.into_iter().collect() }
}

// === impl Open ===

impl Open {
    fn all(&self) -> MutexGuard<'_, BTreeMap<String, CancellationToken>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Forget {
    fn drop(&mut self) {
        self.open.all().remove(&self.id);
    }
}
