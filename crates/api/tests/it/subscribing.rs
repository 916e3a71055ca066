//! Subscriptions by stream.

use std::time::Duration;

use dapr::dapr::proto::runtime::v1::dapr_client::DaprClient;
use dapr::dapr::proto::runtime::v1::subscribe_topic_events_request_alpha1::SubscribeTopicEventsRequestType as Say;
use dapr::dapr::proto::runtime::v1::subscribe_topic_events_response_alpha1::SubscribeTopicEventsResponseType as Told;
use dapr::dapr::proto::runtime::v1::topic_event_response::TopicEventResponseStatus as Status;
use dapr::dapr::proto::runtime::v1::{
    PublishEventRequest, SubscribeTopicEventsRequestAlpha1, SubscribeTopicEventsRequestInitialAlpha1,
    SubscribeTopicEventsRequestProcessedAlpha1, SubscribeTopicEventsResponseAlpha1, TopicEventRequest,
    TopicEventResponse,
};
use floodway_kit::Upstream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Code, Streaming};

use crate::grpc::talk;
use crate::support::{Api, PATIENCE, api_for};

/// One stream of a client.
struct Subscriber {
    say: mpsc::Sender<SubscribeTopicEventsRequestAlpha1>,
    heard: Streaming<SubscribeTopicEventsResponseAlpha1>,
}

impl Subscriber {
    async fn open(client: &mut DaprClient<Channel>, topic: &str) -> Result<Self, tonic::Status> {
        let (say, said) = mpsc::channel(8);
        let initial = SubscribeTopicEventsRequestInitialAlpha1 {
            pubsub_name: "events".to_owned(),
            topic: topic.to_owned(),
            ..SubscribeTopicEventsRequestInitialAlpha1::default()
        };
        say.send(request(Say::InitialRequest(initial))).await.expect("room");
        let heard = client.subscribe_topic_events_alpha1(ReceiverStream::new(said)).await?.into_inner();
        let mut subscriber = Self { say, heard };
        assert!(matches!(subscriber.hear().await, Some(Told::InitialResponse(_))));
        Ok(subscriber)
    }

    async fn hear(&mut self) -> Option<Told> {
        let message = timeout(PATIENCE, self.heard.message()).await.expect("in time").expect("no error");
        message.and_then(|message| message.subscribe_topic_events_response_type)
    }

    async fn event(&mut self) -> TopicEventRequest {
        match self.hear().await {
            Some(Told::EventMessage(event)) => event,
            other => panic!("no event: {other:?}"),
        }
    }

    async fn is_silent(&mut self) -> bool {
        timeout(Duration::from_millis(200), self.heard.message()).await.is_err()
    }

    async fn answer(&self, event: &TopicEventRequest, status: Status) {
        let status = Some(TopicEventResponse { status: status.into() });
        let processed = SubscribeTopicEventsRequestProcessedAlpha1 { id: event.id.clone(), status };
        self.say.send(request(Say::EventProcessed(processed))).await.expect("a stream");
    }
}

fn request(say: Say) -> SubscribeTopicEventsRequestAlpha1 {
    SubscribeTopicEventsRequestAlpha1 { subscribe_topic_events_request_type: Some(say) }
}

async fn publish(client: &mut DaprClient<Channel>, topic: &str, text: &str) {
    let event = PublishEventRequest {
        pubsub_name: "events".to_owned(),
        topic: topic.to_owned(),
        data: text.as_bytes().to_vec(),
        data_content_type: "text/plain".to_owned(),
        ..PublishEventRequest::default()
    };
    client.publish_event(event).await.expect("published");
}

/// An API whose app has no route for messages.
fn api() -> (Api, Upstream) {
    let app = Upstream::always(404, "");
    (api_for(&[("me", app.address())]), app)
}

#[test]
fn a_stream_gets_messages_until_it_has_answered_each() {
    let (api, _app) = api();
    talk(&api, |mut client| async move {
        let mut subscriber = Subscriber::open(&mut client, "a").await.expect("a stream");
        publish(&mut client, "a", "one").await;
        publish(&mut client, "a", "two").await;
        let (one, two) = (subscriber.event().await, subscriber.event().await);
        assert_eq!((&*one.data, &*two.data), (&b"one"[..], &b"two"[..]), "several are under way");
        assert_eq!((&*one.topic, &*one.pubsub_name, &*one.source), ("a", "events", "me"));
        subscriber.answer(&two, Status::Success).await;
        subscriber.answer(&one, Status::Retry).await;
        let again = subscriber.event().await;
        assert_eq!((again.id.as_str(), &*again.data), (&*one.id, &b"one"[..]));
        subscriber.answer(&again, Status::Success).await;
        assert!(subscriber.is_silent().await);
    });
}

#[test]
fn what_is_dropped_goes_to_the_dead_letters() {
    let (api, _app) = api();
    talk(&api, |mut client| async move {
        let mut dead = Subscriber::open(&mut client, "dead").await.expect("a stream");
        let mut subscriber = Subscriber::open(&mut client, "a").await.expect("a stream");
        publish(&mut client, "a", "bad").await;
        let bad = subscriber.event().await;
        subscriber.answer(&bad, Status::Drop).await;
        let letter = dead.event().await;
        assert_eq!((&*letter.data, &*letter.id), (&b"bad"[..], &*bad.id));
        dead.answer(&letter, Status::Success).await;
    });
}

#[test]
fn streams_share_a_topic_and_one_that_ends_leaves_its_messages_to_the_other() {
    let (api, _app) = api();
    talk(&api, |mut client| async move {
        let mut one = Subscriber::open(&mut client, "a").await.expect("a stream");
        let mut other = Subscriber::open(&mut client, "a").await.expect("a stream");
        publish(&mut client, "a", "x").await;
        publish(&mut client, "a", "y").await;
        let (first, second) = (one.event().await, other.event().await);
        assert_ne!(first.id, second.id, "each message goes to one of them");
        drop(one);
        let left = other.event().await;
        assert_eq!(left.id, first.id);
        other.answer(&left, Status::Success).await;
        other.answer(&second, Status::Success).await;
        drop(other);
        // Nobody listens: what is published now waits for the next stream.
        publish(&mut client, "a", "z").await;
        let mut late = Subscriber::open(&mut client, "a").await.expect("a stream");
        // What was answered as the last one ended may come again.
        loop {
            let event = late.event().await;
            late.answer(&event, Status::Success).await;
            if event.data == b"z" {
                break;
            }
            assert!([&first.id, &second.id].contains(&&event.id), "{event:?}");
        }
    });
}

#[test]
fn a_stream_says_what_it_wants_first() {
    let (api, _app) = api();
    talk(&api, |mut client| async move {
        let unknown = SubscribeTopicEventsRequestInitialAlpha1 {
            pubsub_name: "none".to_owned(),
            topic: "a".to_owned(),
            ..SubscribeTopicEventsRequestInitialAlpha1::default()
        };
        let processed = SubscribeTopicEventsRequestProcessedAlpha1::default();
        for (first, code) in [
            (Say::InitialRequest(unknown), Code::NotFound),
            (Say::EventProcessed(processed), Code::InvalidArgument),
        ] {
            let said = tokio_stream::iter([request(first)]);
            let refused = client.subscribe_topic_events_alpha1(said).await.expect_err("refused");
            assert_eq!(refused.code(), code, "{refused}");
        }
    });
}
