//! Messages to the streams that an app has opened: each message to one of them, the one with the fewest under way.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use dapr::dapr::proto::runtime::v1::TopicEventRequest;
use floodway_policy::delivery::Outcome;
use http::StatusCode;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{App, Reach};
use crate::error::ApiError;
use crate::listen::log_panic;
use crate::streams::NewStream;

/// The streams of one app on one topic.
#[derive(Debug)]
pub(super) struct Streams {
    open: RefCell<Vec<Rc<Stream>>>,
    /// The last one has ended.
    over: CancellationToken,
}

#[derive(Debug)]
struct Stream {
    events: mpsc::Sender<TopicEventRequest>,
    /// Who waits for what becomes of a message, by its id.
    waiting: RefCell<HashMap<String, oneshot::Sender<Outcome>>>,
}

/// Serves an app's streams until the node ends.
pub(super) async fn serve(app: App, mut new: mpsc::Receiver<NewStream>) {
    let mut topics: BTreeMap<(String, String), Rc<Streams>> = BTreeMap::new();
    let mut tasks = JoinSet::new();
    loop {
        let stream = tokio::select! {
            stream = new.recv() => stream,
            Some(ended) = tasks.join_next() => {
                log_panic(ended);
                continue;
            }
            () = app.shutdown.cancelled() => None,
        };
        let Some(NewStream { subscription, events, outcomes, opened }) = stream else { break };
        let place = (subscription.topics.clone(), subscription.topic.clone());
        let others = app.components.subscriptions_of(&app.name);
        if others.iter().any(|other| (&other.topics, &other.topic) == (&place.0, &place.1)) {
            let message = format!("{} takes the messages of {} in {} by a route", app.name, place.1, place.0);
            tell(opened, Err(ApiError::new(StatusCode::CONFLICT, "ERR_PUBSUB_SUBSCRIBED", message)));
            continue;
        }
        topics.retain(|_, streams| !streams.over.is_cancelled());
        let streams = topics.entry(place).or_insert_with(|| {
            let streams = Rc::new(Streams { open: RefCell::default(), over: app.shutdown.child_token() });
            let app = App { shutdown: streams.over.clone(), ..app.clone() };
            let reach = Reach::Streams(Rc::clone(&streams));
            tasks.spawn_local(async move { app.open_and_pump(&subscription, reach).await });
            streams
        });
        let stream = Rc::new(Stream { events, waiting: RefCell::default() });
        streams.open.borrow_mut().push(Rc::clone(&stream));
        tasks.spawn_local(listen(Rc::clone(streams), stream, outcomes));
        tell(opened, Ok(()));
    }
    while let Some(ended) = tasks.join_next().await {
        log_panic(ended);
    }
}

fn tell(opened: oneshot::Sender<Result<(), ApiError>>, outcome: Result<(), ApiError>) {
    if opened.send(outcome).is_err() {
        tracing::debug!("whoever opened a stream has left");
    }
}

/// Hears what becomes of a stream's messages until it ends. What it had under way goes to others.
async fn listen(streams: Rc<Streams>, stream: Rc<Stream>, mut outcomes: mpsc::Receiver<(String, Outcome)>) {
    let hear = async {
        while let Some((id, outcome)) = outcomes.recv().await {
            let waiting = stream.waiting.borrow_mut().remove(&id);
            if waiting.is_none_or(|waiting| waiting.send(outcome).is_err()) {
                tracing::debug!(id, "a message was answered that nobody waits for");
            }
        }
    };
    streams.over.run_until_cancelled(hear).await;
    streams.open.borrow_mut().retain(|other| !Rc::ptr_eq(other, &stream));
    stream.waiting.borrow_mut().clear();
    if streams.open.borrow().is_empty() {
        streams.over.cancel();
    }
}

// === impl Streams ===

impl Streams {
    /// Sends a message on one of the streams and waits for what becomes of it.
    pub(super) async fn deliver(&self, event: TopicEventRequest) -> Outcome {
        let Some(stream) = self.pick(&event.id) else { return Outcome::Unreachable };
        let (answer, answered) = oneshot::channel();
        stream.waiting.borrow_mut().insert(event.id.clone(), answer);
        if stream.events.send(event).await.is_err() {
            return Outcome::Unreachable;
        }
        // One that ends with the message under way has not refused it.
        answered.await.unwrap_or(Outcome::Unreachable)
    }

    /// The one with the fewest messages under way, but none with one of the same id: its answers could not be told
    /// apart.
    fn pick(&self, id: &str) -> Option<Rc<Stream>> {
        let open = self.open.borrow();
        let free = open.iter().filter(|stream| stream.is_free(id));
        free.min_by_key(|stream| stream.waiting.borrow().len()).cloned()
    }
}

impl Stream {
    fn is_free(&self, id: &str) -> bool {
        self.waiting.borrow().get(id).is_none_or(oneshot::Sender::is_closed)
    }
}
