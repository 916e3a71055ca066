//! Subscriptions by stream: events go out, and what became of each comes in.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use dapr::dapr::proto::runtime::v1::subscribe_topic_events_request_alpha1::SubscribeTopicEventsRequestType as Said;
use dapr::dapr::proto::runtime::v1::subscribe_topic_events_response_alpha1::SubscribeTopicEventsResponseType as Told;
use dapr::dapr::proto::runtime::v1::{
    SubscribeTopicEventsRequestAlpha1, SubscribeTopicEventsRequestInitialAlpha1,
    SubscribeTopicEventsRequestProcessedAlpha1, SubscribeTopicEventsResponseAlpha1,
    SubscribeTopicEventsResponseInitialAlpha1, TopicEventRequest,
};
use floodway_blocks::subscription::{Routes, Subscription};
use floodway_policy::delivery::Outcome;
use futures_util::Stream;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::PollSender;
use tonic::codegen::BoxStream;
use tonic::{Request, Status, Streaming};

use super::Service;
use crate::cloud_event::grpc::outcome_of;
use crate::path::{self, Metadata};
use crate::publish;
use crate::streams::NewStream;

/// Events that wait for a slow client, and outcomes that wait for us.
const UNDER_WAY: usize = 64;

type Incoming = Streaming<SubscribeTopicEventsRequestAlpha1>;
type Answer = Result<SubscribeTopicEventsResponseAlpha1, Status>;

/// The events of a stream, which is also what hears what becomes of them: both end together.
struct Events {
    incoming: Incoming,
    outcomes: PollSender<(String, Outcome)>,
    outgoing: mpsc::Receiver<TopicEventRequest>,
    has_begun: bool,
}

pub(super) async fn subscribe(
    service: &Service,
    request: Request<Incoming>,
) -> Result<BoxStream<SubscribeTopicEventsResponseAlpha1>, Status> {
    let mut incoming = request.into_inner();
    let first = incoming.message().await?.and_then(|message| message.subscribe_topic_events_request_type);
    let Some(Said::InitialRequest(initial)) = first else {
        return Err(Status::invalid_argument("the first message says nothing of what is subscribed to"));
    };
    let subscription = subscription(initial);
    publish::find(&service.blocks, &subscription.topics, &subscription.topic)?;
    let nobody = || Status::failed_precondition("no messages are delivered to this app");
    let streams = service.blocks.components.streams_of(&service.blocks.caller.app).ok_or_else(nobody)?;
    let (events_sent, events) = mpsc::channel(UNDER_WAY);
    let (outcomes, heard) = mpsc::channel(UNDER_WAY);
    let (opened, is_open) = oneshot::channel();
    let new = NewStream { subscription, events: events_sent, outcomes: heard, opened };
    streams.send(new).await.map_err(|error| Status::unavailable(error.to_string()))?;
    is_open.await.map_err(|error| Status::unavailable(error.to_string()))??;
    let outcomes = PollSender::new(outcomes);
    Ok(Box::pin(Events { incoming, outcomes, outgoing: events, has_begun: false }))
}

fn subscription(initial: SubscribeTopicEventsRequestInitialAlpha1) -> Subscription {
    let SubscribeTopicEventsRequestInitialAlpha1 { pubsub_name, topic, metadata, dead_letter_topic } =
        initial;
    let metadata: Metadata = metadata.into_iter().collect();
    Subscription {
        topics: pubsub_name,
        topic,
        routes: Routes::default(),
        dead_letter: dead_letter_topic.filter(|topic| !topic.is_empty()),
        is_raw: path::is_on(&metadata, "rawPayload"),
        bulk: None,
    }
}

fn outcome(processed: SubscribeTopicEventsRequestProcessedAlpha1) -> (String, Outcome) {
    (processed.id, outcome_of(processed.status.unwrap_or_default()))
}

// === impl Events ===

impl Stream for Events {
    type Item = Answer;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Answer>> {
        let events = &mut *self;
        if !events.has_begun {
            events.has_begun = true;
            return Poll::Ready(Some(Ok(told(Told::InitialResponse(
                SubscribeTopicEventsResponseInitialAlpha1 {},
            )))));
        }
        if let Poll::Ready(ended) = events.poll_hear(cx) {
            events.outcomes.close();
            return Poll::Ready(ended.map(Err));
        }
        let event = events.outgoing.poll_recv(cx);
        event.map(|event| event.map(|event| Ok(told(Told::EventMessage(event)))))
    }
}

impl Events {
    /// Hands on what the client says; ready when it says no more.
    fn poll_hear(&mut self, cx: &mut Context<'_>) -> Poll<Option<Status>> {
        loop {
            // Room first, so that what is read can be handed on.
            if ready!(self.outcomes.poll_reserve(cx)).is_err() {
                return Poll::Ready(None);
            }
            let said = match ready!(Pin::new(&mut self.incoming).poll_next(cx)) {
                Some(Ok(message)) => message.subscribe_topic_events_request_type,
                Some(Err(status)) => return Poll::Ready(Some(status)),
                None => return Poll::Ready(None),
            };
            let Some(Said::EventProcessed(processed)) = said else {
                return Poll::Ready(Some(Status::invalid_argument("a stream begins once")));
            };
            if self.outcomes.send_item(outcome(processed)).is_err() {
                return Poll::Ready(None);
            }
        }
    }
}

fn told(what: Told) -> SubscribeTopicEventsResponseAlpha1 {
    SubscribeTopicEventsResponseAlpha1 { subscribe_topic_events_response_type: Some(what) }
}
