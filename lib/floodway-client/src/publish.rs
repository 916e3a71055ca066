//! Publishing to a topic.

use serde::Serialize;

use crate::client::segment;
use crate::{Client, Error};

impl Client {
    /// Publishes `data` as JSON; the API wraps it in a `CloudEvent`. A success means that the message is
    /// durable at the component's level.
    pub async fn publish(&self, pubsub: &str, topic: &str, data: &impl Serialize) -> Result<(), Error> {
        // A topic may hold slashes, which stay as they are.
        let topic: Vec<String> = topic.split('/').map(|part| segment(part).to_string()).collect();
        let path = format!("/v1.0/publish/{}/{}", segment(pubsub), topic.join("/"));
        self.post_json(path, data).await.map(drop)
    }
}
