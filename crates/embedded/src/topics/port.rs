//! The topics port.

use std::sync::Arc;

use floodway_blocks::topics::{Forget, KEY_MAX, Outgoing, Subscription, Topics};
use floodway_blocks::{Failure, PortFuture};

use super::subscription::OpenGroup;
use super::{Component, check_name};
use crate::commit::request::Request;
use crate::error::refused;
use crate::shared::Shared;

/// One topics component on the engine.
#[derive(Debug)]
pub(crate) struct EmbeddedTopics {
    pub(crate) core: Arc<Shared>,
    pub(crate) component: Arc<Component>,
}

impl Topics for EmbeddedTopics {
    fn publish<'a>(&'a self, topic: &'a str, messages: Vec<Outgoing>) -> PortFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            if messages.is_empty() {
                return Ok(());
            }
            let topic = self.core.registry.topic(&self.component, topic)?;
            check_sizes(&self.core, &topic.name, &messages)?;
            self.core.ask(|reply| Request::Publish { topic, messages, reply }).await?
        })
    }

    fn subscribe<'a>(
        &'a self,
        topic: &'a str,
        group: &'a str,
    ) -> PortFuture<'a, Result<Box<dyn Subscription>, Failure>> {
        Box::pin(async move {
            check_name("group", group)?;
            let topic = self.core.registry.topic(&self.component, topic)?;
            loop {
                let opened = if let Some(known) = topic.group(group).filter(|group| !group.is_over()) {
                    known
                } else {
                    let (topic, name) = (Arc::clone(&topic), group.to_owned());
                    self.core.ask(|reply| Request::Open { topic, name, reply }).await??
                };
                // It may have ended since: then there is another one.
                if let Some(open) = OpenGroup::new(Arc::clone(&self.core), opened) {
                    let subscription: Box<dyn Subscription> = Box::new(open);
                    return Ok(subscription);
                }
            }
        })
    }

    fn forget<'a>(&'a self, topic: &'a str, group: &'a str) -> PortFuture<'a, Result<Forget, Failure>> {
        Box::pin(async move {
            let Some(topic) = self.core.registry.known_topic(&self.component, topic) else {
                return Ok(Forget::Unknown);
            };
            let name = group.to_owned();
            self.core.ask(|reply| Request::Forget { topic, name, reply }).await?
        })
    }
}

fn check_sizes(core: &Shared, topic: &str, messages: &[Outgoing]) -> Result<(), Failure> {
    let limits = &core.limits;
    let total: usize = messages.iter().map(|message| message.payload.len()).sum();
    let largest = messages.iter().map(|message| message.payload.len()).max().unwrap_or(0);
    let why = if messages.iter().any(|message| longest_name(message) > KEY_MAX) {
        format!("a message's key or id is longer than {KEY_MAX} B")
    } else if largest > limits.value_bytes {
        format!("a message has {largest} B, more than the limit of {} B", limits.value_bytes)
    } else if total > limits.transaction_bytes {
        format!("the messages have {total} B, more than the limit of {} B", limits.transaction_bytes)
    } else if messages.len() > limits.transaction_changes {
        format!("{} messages at once, more than the limit of {}", messages.len(), limits.transaction_changes)
    } else {
        return Ok(());
    };
    Err(refused(format!("publish to topic {topic}"), why))
}

/// Bytes of the longest text about a message.
pub(crate) fn longest_name(Outgoing { key, once, .. }: &Outgoing) -> usize {
    let key = key.as_ref().map_or(0, |key| key.len());
    key.max(once.as_ref().map_or(0, |once| once.id.len()))
}
