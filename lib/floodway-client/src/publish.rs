//! Publishing to a topic.

use serde::Serialize;

use crate::client::segment;
use crate::{Client, Error};

impl Client {
    /// Publishes `data` as JSON; the API wraps it in a `CloudEvent`. A success means that the message is
    /// durable at the component's level.
    pub async fn publish(&self, pubsub: &str, topic: &str, data: &impl Serialize) -> Result<(), Error> {
        let path = format!("/v1.0/publish/{}/{}", segment(pubsub), segment(topic));
        self.post_json(path, data).await.map(drop)
    }
}
