//! Metadata over gRPC.

use dapr::dapr::proto::runtime::v1::{
    GetMetadataRequest, GetMetadataResponse, PubsubSubscription, PubsubSubscriptionRule,
    PubsubSubscriptionRules, PubsubSubscriptionType, RegisteredComponents, SetMetadataRequest,
};
use floodway_blocks::subscription::Subscription;
use tonic::{Request, Status};

use super::{Component, RUNTIME_VERSION};
use crate::grpc::Service;

pub(crate) async fn get_metadata(
    service: &Service,
    _request: Request<GetMetadataRequest>,
) -> Result<GetMetadataResponse, Status> {
    let blocks = &*service.blocks;
    let subscriptions = blocks.components.subscriptions_of(&blocks.caller.app);
    Ok(GetMetadataResponse {
        id: blocks.caller.app.clone(),
        registered_components: super::components(blocks).into_iter().map(component).collect(),
        extended_metadata: super::extended(blocks).into_iter().collect(),
        subscriptions: subscriptions.into_iter().map(subscription).collect(),
        runtime_version: RUNTIME_VERSION.to_owned(),
        ..GetMetadataResponse::default()
    })
}

pub(crate) async fn set_metadata(
    service: &Service,
    request: Request<SetMetadataRequest>,
) -> Result<(), Status> {
    let SetMetadataRequest { key, value } = request.into_inner();
    Ok(super::set(&service.blocks, &key, &value)?)
}

fn component(component: Component<'_>) -> RegisteredComponents {
    let Component { name, kind, version, capabilities } = component;
    RegisteredComponents {
        name: name.to_owned(),
        r#type: kind.to_owned(),
        version: version.to_owned(),
        capabilities: capabilities.iter().map(|&capability| capability.to_owned()).collect(),
    }
}

fn subscription(subscription: Subscription) -> PubsubSubscription {
    let rules = super::rules(&subscription);
    let rules = rules
        .map(|(matches, path)| PubsubSubscriptionRule { r#match: matches.to_owned(), path: path.to_owned() });
    let rules = Some(PubsubSubscriptionRules { rules: rules.collect() });
    PubsubSubscription {
        pubsub_name: subscription.topics,
        topic: subscription.topic,
        rules,
        dead_letter_topic: subscription.dead_letter.unwrap_or_default(),
        r#type: PubsubSubscriptionType::Programmatic.into(),
        ..PubsubSubscription::default()
    }
}
