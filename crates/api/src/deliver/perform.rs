//! Performs what `policy::delivery` decides for one message: posts it, waits, gives it up.

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use dapr::dapr::proto::runtime::v1::TopicEventRequest;
use floodway_blocks::invoke::InvokeError;
use floodway_blocks::subscription::Subscription;
use floodway_blocks::topics::{Position, Received, Settlement};
use floodway_policy::Rng;
use floodway_policy::delivery::{Action, Delivery, DeliveryPolicy, Event, Outcome, Reason};
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use serde::Deserialize;

use super::bulk::{Batches, Came};
use super::tally::Tally;
use super::{App, Reach, ReadError, read};
use crate::cloud_event::{self, grpc::outcome_of, grpc::to_grpc};
use crate::components::TopicsComponent;
use crate::resilience::inbound::Inbound;
use crate::tasks::Results;
use crate::to_app::callback::{self, Refusal};

/// Tells the app how often this message was tried, this time included; an addition to Dapr's API.
pub(super) const ATTEMPT: &str = "dapr-delivery-attempt";
pub(super) const CLOUD_EVENT: &str = "application/cloudevents+json";

/// How the messages of one subscription reach their app.
#[derive(Debug)]
pub(super) struct Post {
    app: App,
    topics: String,
    topic: String,
    reach: Reach,
    is_raw: bool,
    dead_letter: Option<String>,
    policy: DeliveryPolicy,
    /// Where several messages go in one request.
    batches: Option<Batches>,
    /// What stands before the app.
    inbound: Option<Arc<Inbound>>,
    /// Where answers are kept.
    results: Option<Results>,
    tally: Arc<Tally>,
}

/// A message as it goes to the app.
#[derive(Debug)]
pub(super) struct Letter {
    pub(super) position: Position,
    /// As it was published.
    pub(super) payload: Bytes,
    pub(super) envelope: Bytes,
    /// The envelope was made for a payload that had none.
    pub(super) is_raw: bool,
}

/// A message that is over.
#[derive(Debug)]
pub(super) struct Settled {
    pub(super) position: Position,
    pub(super) key: Option<Arc<str>>,
    pub(super) settlement: Settlement,
}

#[derive(Debug, Deserialize)]
struct Answer {
    #[serde(default, alias = "Status", alias = "STATUS")]
    status: Option<String>,
}

// === impl Post ===

impl Post {
    pub(super) fn new(
        app: &App,
        component: &TopicsComponent,
        subscription: &Subscription,
        (reach, tally): (Reach, Arc<Tally>),
    ) -> Self {
        let Subscription { topics, topic, dead_letter, is_raw, bulk, .. } = subscription.clone();
        let policy = &component.policy;
        let dead_letter = dead_letter.or_else(|| policy.dead_letter.clone());
        // A message in the dead-letter topic that is given up again must not go round in a circle.
        let dead_letter = dead_letter.filter(|dead_letter| *dead_letter != topic);
        let inbound = app.components.inbound(&topics).cloned();
        let results = Results::of(component, &topic);
        let batches = bulk.map(|bulk| Batches::new(bulk, policy.in_flight_max));
        Self {
            app: app.clone(),
            topics,
            topic,
            reach,
            is_raw,
            dead_letter,
            policy: policy.delivery,
            batches,
            inbound,
            results,
            tally,
        }
    }

    /// Delivers a message until it is over; `None` when the node ends first.
    pub(super) async fn deliver(self: Rc<Self>, message: Received) -> Option<Settled> {
        let clock = self.app.clock;
        let mut rng = Rng::new(message.position.0);
        let mut delivery = Delivery::new(self.policy, self.dead_letter.is_some(), self.app.expires(&message));
        let letter = self.letter(&message);
        let path = self.path(&letter.envelope);
        let mut event = Event::Offered;
        loop {
            event = match delivery.step(event, clock.now(), &mut rng) {
                Action::Deliver { attempt } => {
                    let outcome = self.attempt(path, &letter, attempt).await;
                    // What reached nobody was no attempt.
                    if !matches!(outcome, Outcome::Unreachable | Outcome::Unmatched) {
                        self.tally.count_attempt(attempt);
                    }
                    Event::Answered(outcome)
                }
                Action::WakeAt(time) => {
                    let pause = tokio::time::sleep(time.since(clock.now()));
                    self.app.shutdown.run_until_cancelled(pause).await?;
                    Event::Woke
                }
                Action::Done(reason) => return Some(self.settled(&message, reason, Settlement::Done)),
                Action::DeadLetter(reason) => {
                    let topic = self.dead_letter.clone().unwrap_or_default();
                    return Some(self.settled(&message, reason, Settlement::DeadLetter { topic }));
                }
            };
        }
    }

    fn settled(&self, message: &Received, reason: Reason, settlement: Settlement) -> Settled {
        self.tally.count_end(reason, settlement != Settlement::Done);
        if reason != Reason::Consumed {
            let (app, topic, position) = (&*self.app.name, &self.topic, message.position.0);
            tracing::warn!(app, topic, position, ?reason, ?settlement, "a message was not consumed");
        }
        Settled { position: message.position, key: message.key.clone(), settlement }
    }

    fn letter(&self, message: &Received) -> Letter {
        let payload = message.payload.clone();
        let envelope = if self.is_raw {
            cloud_event::wrap_raw(&payload, &self.topics, &self.topic, &self.app.name)
        } else {
            payload.clone()
        };
        Letter { position: message.position, payload, envelope, is_raw: self.is_raw }
    }

    /// Where a message goes by a request: `None` where no rule takes it.
    fn path(&self, payload: &[u8]) -> Option<&str> {
        match &self.reach {
            Reach::Routes(routes) | Reach::Calls(routes) => routes.path_of(payload),
            Reach::Streams(_) => None,
        }
    }

    /// One attempt.
    async fn attempt(&self, path: Option<&str>, letter: &Letter, attempt: u32) -> Outcome {
        match (&self.reach, path, &self.batches) {
            (Reach::Routes(_) | Reach::Calls(_), None, _) => Outcome::Unmatched,
            (Reach::Calls(_), Some(path), _) => self.call_one(path, letter, attempt).await,
            (Reach::Routes(_), Some(path), None) => self.post_one(path, letter, attempt).await,
            (Reach::Routes(_), Some(path), Some(batches)) => {
                let to = (&*self.topics, &*self.topic);
                let send = async |body| self.post(path, "application/json", body, None).await;
                batches.deliver((path, letter, attempt), to, &self.app.shutdown, send).await
            }
            (Reach::Streams(streams), _, _) => {
                let Some(event) = self.event(letter, attempt) else { return Outcome::Failed };
                let answered = tokio::time::timeout(self.policy.timeout, streams.deliver(event)).await;
                answered.unwrap_or(Outcome::Failed)
            }
        }
    }

    /// An envelope as gRPC has it.
    fn event(&self, letter: &Letter, attempt: u32) -> Option<TopicEventRequest> {
        let event = to_grpc(&letter.envelope, attempt);
        if event.is_none() {
            tracing::warn!(topic = self.topic, "a message that is no envelope cannot be sent");
        }
        event
    }

    async fn call_one(&self, path: &str, letter: &Letter, attempt: u32) -> Outcome {
        let Some(mut event) = self.event(letter, attempt) else { return Outcome::Failed };
        path.clone_into(&mut event.path);
        // The app looks for what it subscribed to; a dead letter's envelope names where it was published.
        self.topics.clone_into(&mut event.pubsub_name);
        self.topic.clone_into(&mut event.topic);
        let app = self.app.to_app();
        let call = app.call(callback::ON_TOPIC, event);
        match tokio::time::timeout(self.policy.timeout, call).await {
            Ok(Ok(answer)) => match (outcome_of(answer), &self.results) {
                // Its answer has no room for a result: there is none to read, but the task is known to be done.
                (Outcome::Success, Some(results)) if !results.keep(&letter.envelope, Bytes::new()).await => {
                    Outcome::Failed
                }
                (outcome, _) => outcome,
            },
            Ok(Err(Refusal::Call(InvokeError::NoEndpoint { .. } | InvokeError::Unreachable { .. }))) => {
                Outcome::Unreachable
            }
            Ok(Err(refusal)) if refusal.is_unknown() => Outcome::NotFound,
            Ok(Err(refusal)) => {
                tracing::debug!(why = %refusal, topic = self.topic, "a delivery failed");
                Outcome::Failed
            }
            Err(_elapsed) => Outcome::Failed,
        }
    }

    async fn post_one(&self, path: &str, letter: &Letter, attempt: u32) -> Outcome {
        match self.post(path, CLOUD_EVENT, letter.envelope.clone(), Some(attempt)).await {
            Came::Answer(status, body) => match (outcome(status, &body), &self.results) {
                (Outcome::Success, Some(results)) if !results.keep(&letter.envelope, body).await => {
                    Outcome::Failed
                }
                (outcome, _) => outcome,
            },
            Came::Nothing(outcome) => outcome,
        }
    }

    /// Posts a body and reads the answer, within an attempt's time.
    async fn post(&self, path: &str, content_type: &'static str, body: Bytes, attempt: Option<u32>) -> Came {
        let mut request = self.app.request("POST", path, body);
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        if let Some(attempt) = attempt {
            headers.insert(HeaderName::from_static(ATTEMPT), HeaderValue::from(attempt));
        }
        let whole = async {
            match self.app.invoke.invoke(&self.app.name, request).await {
                Ok(response) => {
                    let status = response.status();
                    self.came(status, read(response).await)
                }
                Err(InvokeError::NoEndpoint { .. } | InvokeError::Unreachable { .. }) => {
                    Came::Nothing(Outcome::Unreachable)
                }
                Err(error) => {
                    tracing::debug!(%error, topic = self.topic, "a delivery failed");
                    Came::Nothing(Outcome::Failed)
                }
            }
        };
        let whole = async {
            let answered = tokio::time::timeout(self.policy.timeout, whole).await;
            answered.unwrap_or(Came::Nothing(Outcome::Failed))
        };
        let Some(inbound) = &self.inbound else { return whole.await };
        match inbound.deliver(whole, is_well).await {
            Ok(Came::Answer(status, _)) if is_failure(status) && !inbound.retries(status) => {
                Came::Nothing(Outcome::Final)
            }
            Ok(came) => came,
            Err(left) => Came::Nothing(Outcome::LeftAlone(left)),
        }
    }

    /// A success that breaks off may have meant something else: the message comes again. One that is too
    /// long to be a status is none.
    fn came(&self, status: StatusCode, body: Result<Bytes, ReadError>) -> Came {
        match body {
            _ if status == StatusCode::NOT_FOUND => {
                Came::Nothing(Outcome::of_missing_route(self.app.roster.changed(), self.app.clock.now()))
            }
            Ok(body) => Came::Answer(status, body),
            Err(error @ ReadError::Broken(_)) if status.is_success() => {
                tracing::debug!(%error, topic = self.topic, "a delivery failed");
                Came::Nothing(Outcome::Failed)
            }
            Err(ReadError::TooLong | ReadError::Broken(_)) => Came::Answer(status, Bytes::new()),
        }
    }
}

/// Whether the app does what it should, whatever it thinks of a message.
fn is_well(came: &Came) -> bool {
    matches!(came, Came::Answer(status, _) if !is_failure(*status))
}

/// A missing route is the subscription's fault, not the app's.
fn is_failure(status: StatusCode) -> bool {
    !status.is_success() && status != StatusCode::NOT_FOUND
}

/// What an app's answer means: any success without a status it knows is a success, but a status that is
/// not known wants the message again.
fn outcome(status: StatusCode, body: &[u8]) -> Outcome {
    if !status.is_success() {
        return Outcome::Failed;
    }
    let answer: Option<Answer> = serde_json::from_slice(body).unwrap_or(None);
    match answer.and_then(|answer| answer.status).as_deref() {
        None | Some("" | "SUCCESS") => Outcome::Success,
        Some("DROP") => Outcome::Drop,
        Some(_) => Outcome::Retry,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_an_answer_as_dapr_does() {
        let of =
            |status, body: &str| outcome(StatusCode::from_u16(status).expect("a status"), body.as_bytes());
        for body in [
            "",
            "null",
            "no json",
            "{}",
            r#"{"status":""}"#,
            r#"{"status":"SUCCESS"}"#,
            r#"{"success":true}"#,
        ] {
            assert_eq!(of(200, body), Outcome::Success, "{body}");
        }
        assert_eq!(of(200, r#"{"status":"RETRY"}"#), Outcome::Retry);
        assert_eq!(of(200, r#"{"Status":"RETRY"}"#), Outcome::Retry);
        assert_eq!(of(200, r#"{"status":"WHAT"}"#), Outcome::Retry);
        assert_eq!(of(204, r#"{"status":"DROP"}"#), Outcome::Drop);
        assert_eq!(of(500, r#"{"status":"SUCCESS"}"#), Outcome::Failed);
    }
}
