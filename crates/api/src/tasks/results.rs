//! What workers answered, by the task's id: the `id` of its envelope, which a publisher may choose.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use floodway_blocks::invoke::Body;
use floodway_blocks::state::{Change, Effect, Precondition, Store};
use http::{Response, StatusCode};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::queue;
use crate::components::TopicsComponent;
use crate::error::{ApiError, respond};
use crate::publish;
use crate::server::Api;

/// The longest id whose result is kept.
const ID_MAX: usize = 1024;

/// Where the results of a queue are kept.
#[derive(Debug)]
pub(crate) struct Results {
    store: Arc<dyn Store>,
    keep: Duration,
    topics: String,
    queue: String,
}

#[derive(Debug, Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
}

impl Results {
    /// `None` where the topic is no queue, or one that keeps none.
    pub(crate) fn of(component: &TopicsComponent, topic: &str) -> Option<Self> {
        let policy = queue(component, topic)?.results.as_ref()?;
        let store = Arc::clone(component.results.get(&policy.store)?);
        let (topics, queue) = (component.policy.name.clone(), topic.to_owned());
        Some(Self { store, keep: policy.keep, topics, queue })
    }

    /// Keeps the answer to a task; says whether it is kept, or there is nothing to keep it by.
    pub(crate) async fn keep(&self, envelope: &[u8], answer: Bytes) -> bool {
        let Ok(Envelope { id }) = serde_json::from_slice(envelope) else { return true };
        if id.len() > ID_MAX {
            tracing::warn!(queue = self.queue, "the result of a task whose id is too long is not kept");
            return true;
        }
        let effect = Effect::Put { value: answer, ttl: Some(self.keep) };
        let change = Change { key: self.key(&id), effect, precondition: Precondition::None };
        let written = self.store.write_each(vec![change]).await;
        let failed = written.into_iter().find_map(Result::err);
        if let Some(error) = &failed {
            tracing::warn!(%error, queue = self.queue, "the result of a task could not be kept: it comes again");
        }
        failed.is_none()
    }

    /// No app's own key: those begin with the app's name.
    fn key(&self, id: &str) -> String {
        format!("$task||{}||{}||{id}", self.topics, self.queue)
    }
}

/// GET what a worker answered to a task: 404 until there is an answer.
pub(crate) async fn result(
    api: &Api,
    topics: &str,
    queue: &str,
    id: &str,
) -> Result<Response<Body>, ApiError> {
    let component = publish::find(api, topics, queue)?;
    let missing = |why: String| ApiError::new(StatusCode::NOT_FOUND, "ERR_TASK_NOT_FOUND", why);
    let results = Results::of(component, queue)
        .ok_or_else(|| missing(format!("{queue} in {topics} is no queue that keeps results")))?;
    let found = results.store.get(&results.key(id)).await.map_err(|error| {
        ApiError::failed("ERR_TASK_GET", &format!("the result of task {id} cannot be read"), &error)
    })?;
    let value = found.map(|item| item.value);
    let value = value.ok_or_else(|| missing(format!("there is no result of task {id} in {queue}")))?;
    let is_json = serde_json::from_slice::<IgnoredAny>(&value).is_ok();
    let content_type = if is_json { "application/json" } else { "application/octet-stream" };
    Ok(respond(StatusCode::OK, content_type, value))
}
