//! Task queues: topics of a component whose messages are tasks. One app works off each queue, one of its replicas
//! each task at a time, those of a higher priority first; what it answers is kept where the queue says.

mod lanes;
mod results;

use std::borrow::Cow;

use floodway_blocks::Failure;
use floodway_blocks::topics::Subscription;
use floodway_policy::snapshot::QueuePolicy;

use self::lanes::{Lanes, PRIORITY_MAX, lane};
pub(crate) use self::results::{Results, result};
use crate::components::{Components, TopicsComponent};
use crate::error::ApiError;
use crate::path::{self, Metadata};

/// The group of the one app that works off a queue.
const WORKERS: &str = "workers";

fn queue<'a>(component: &'a TopicsComponent, topic: &str) -> Option<&'a QueuePolicy> {
    component.policy.queues.iter().find(|queue| queue.name == topic)
}

/// Where a message goes: into the lane of its priority where the topic is a queue.
pub(crate) fn lane_for<'a>(
    component: &TopicsComponent,
    topic: &'a str,
    metadata: &Metadata,
) -> Result<Cow<'a, str>, ApiError> {
    if queue(component, topic).is_none() {
        return Ok(Cow::Borrowed(topic));
    }
    let Some(text) = path::property(metadata, "priority") else { return Ok(Cow::Borrowed(topic)) };
    match text.parse() {
        Ok(priority) if priority <= PRIORITY_MAX => Ok(lane(topic, priority)),
        _ => Err(ApiError::malformed(format!("priority `{text}` is no number from 0 to {PRIORITY_MAX}"))),
    }
}

/// The component as it delivers a topic: a queue has its own policy.
pub(crate) fn component_for<'a>(component: &'a TopicsComponent, topic: &str) -> Cow<'a, TopicsComponent> {
    let Some(queue) = queue(component, topic) else { return Cow::Borrowed(component) };
    let mut own = component.clone();
    own.policy.delivery = queue.delivery;
    own.policy.dead_letter.clone_from(&queue.dead_letter);
    own.policy.in_flight_max = queue.in_flight_max;
    Cow::Owned(own)
}

/// Opens an app's place in a topic, or in the lanes of a queue.
pub(crate) async fn subscribe(
    component: &TopicsComponent,
    topic: &str,
    app: &str,
) -> Result<Box<dyn Subscription>, Failure> {
    if queue(component, topic).is_none() {
        return component.topics.subscribe(topic, app).await;
    }
    let mut lanes = Vec::new();
    for priority in 0..=PRIORITY_MAX {
        lanes.push(component.topics.subscribe(&lane(topic, priority), WORKERS).await?);
    }
    Ok(Box::new(Lanes::new(lanes)))
}

/// An app's right to work off a queue, while it is held. Any number of apps may take a topic that is none.
#[derive(Debug)]
pub(crate) struct Worker<'a> {
    components: &'a Components,
    queue: Option<(String, String)>,
}

impl<'a> Worker<'a> {
    /// `Err` names the app that works it off already.
    pub(crate) fn claim(
        components: &'a Components,
        component: &TopicsComponent,
        topic: &str,
        app: &str,
    ) -> Result<Self, String> {
        let queue = queue(component, topic).map(|queue| (component.policy.name.clone(), queue.name.clone()));
        if let Some(queue) = &queue {
            components.claim(queue.clone(), app)?;
        }
        Ok(Self { components, queue })
    }
}

impl Drop for Worker<'_> {
    fn drop(&mut self) {
        if let Some(queue) = &self.queue {
            self.components.let_go(queue);
        }
    }
}
