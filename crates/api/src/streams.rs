//! Subscriptions by stream, between the port that takes them and the task that delivers an app's messages. The two
//! are on different threads.

use dapr::dapr::proto::runtime::v1::TopicEventRequest;
use floodway_blocks::subscription::Subscription;
use floodway_policy::delivery::Outcome;
use tokio::sync::{mpsc, oneshot};

use crate::error::ApiError;

/// A stream on which an app wants the messages of a topic.
#[derive(Debug)]
pub(crate) struct NewStream {
    pub(crate) subscription: Subscription,
    /// Where its messages go.
    pub(crate) events: mpsc::Sender<TopicEventRequest>,
    /// What became of them, by their ids. Its end is that of the stream.
    pub(crate) outcomes: mpsc::Receiver<(String, Outcome)>,
    /// Whether messages will come.
    pub(crate) opened: oneshot::Sender<Result<(), ApiError>>,
}

/// Streams of an app that wait to be served.
pub(crate) const WAITING_MAX: usize = 64;
