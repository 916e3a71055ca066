//! Performs what `policy::delivery` decides for one message: posts it, waits, gives it up.

use std::rc::Rc;

use bytes::Bytes;
use floodway_blocks::invoke::InvokeError;
use floodway_blocks::subscription::Subscription;
use floodway_blocks::topics::{Position, Received, Settlement};
use floodway_policy::Rng;
use floodway_policy::delivery::{Action, Delivery, DeliveryPolicy, Event, Outcome, Reason};
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use serde::Deserialize;

use super::{App, Reach, ReadError, read};
use crate::cloud_event::{self, grpc::to_grpc};
use crate::components::TopicsComponent;

/// Tells the app how often this message was tried, this time included; an addition to Dapr's API.
const ATTEMPT: HeaderName = HeaderName::from_static("dapr-delivery-attempt");
const CLOUD_EVENT: HeaderValue = HeaderValue::from_static("application/cloudevents+json");

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
}

/// A message that is over.
#[derive(Debug)]
pub(super) struct Settled {
    pub(super) position: Position,
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
        reach: Reach,
    ) -> Self {
        let Subscription { topics, topic, dead_letter, is_raw, .. } = subscription.clone();
        let dead_letter = dead_letter.or_else(|| component.policy.dead_letter.clone());
        // A message in the dead-letter topic that is given up again must not go round in a circle.
        let dead_letter = dead_letter.filter(|dead_letter| *dead_letter != topic);
        Self {
            app: app.clone(),
            topics,
            topic,
            reach,
            is_raw,
            dead_letter,
            policy: component.policy.delivery,
        }
    }

    /// Delivers a message until it is over; `None` when the node ends first.
    pub(super) async fn deliver(self: Rc<Self>, message: Received) -> Option<Settled> {
        let clock = self.app.clock;
        let mut rng = Rng::new(message.position.0);
        let mut delivery = Delivery::new(self.policy, self.dead_letter.is_some(), self.app.expires(&message));
        let payload = self.payload(&message);
        let path = self.path(&payload);
        let mut event = Event::Offered;
        loop {
            event = match delivery.step(event, clock.now(), &mut rng) {
                Action::Deliver { attempt } => {
                    Event::Answered(self.attempt(path, payload.clone(), attempt).await)
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
        if reason != Reason::Consumed {
            let (app, topic, position) = (&*self.app.name, &self.topic, message.position.0);
            tracing::warn!(app, topic, position, ?reason, ?settlement, "a message was not consumed");
        }
        Settled { position: message.position, settlement }
    }

    fn payload(&self, message: &Received) -> Bytes {
        if self.is_raw {
            return cloud_event::wrap_raw(&message.payload, &self.topics, &self.topic, &self.app.name);
        }
        message.payload.clone()
    }

    /// Where a message goes by a request: `None` where no rule takes it.
    fn path(&self, payload: &[u8]) -> Option<&str> {
        match &self.reach {
            Reach::Routes(routes) => routes.path_of(payload),
            Reach::Streams(_) => None,
        }
    }

    /// One attempt, within its time.
    async fn attempt(&self, path: Option<&str>, payload: Bytes, attempt: u32) -> Outcome {
        let outcome = async {
            match (&self.reach, path) {
                (Reach::Routes(_), Some(path)) => self.post(path, payload, attempt).await,
                (Reach::Routes(_), None) => Outcome::Unmatched,
                (Reach::Streams(streams), _) => {
                    let Some(event) = to_grpc(&payload) else {
                        tracing::warn!(topic = self.topic, "a message that is no envelope cannot be sent");
                        return Outcome::Failed;
                    };
                    streams.deliver(event).await
                }
            }
        };
        tokio::time::timeout(self.policy.timeout, outcome).await.unwrap_or(Outcome::Failed)
    }

    async fn post(&self, route: &str, payload: Bytes, attempt: u32) -> Outcome {
        let mut request = self.app.request("POST", route, payload);
        request.headers_mut().insert(CONTENT_TYPE, CLOUD_EVENT);
        request.headers_mut().insert(ATTEMPT, HeaderValue::from(attempt));
        match self.app.invoke.invoke(&self.app.name, request).await {
            Ok(response) => {
                let status = response.status();
                self.outcome(status, read(response).await)
            }
            Err(InvokeError::NoEndpoint { .. } | InvokeError::Unreachable { .. }) => Outcome::Unreachable,
            Err(error) => {
                tracing::debug!(%error, topic = self.topic, "a delivery failed");
                Outcome::Failed
            }
        }
    }

    /// A success that breaks off may have meant something else: the message comes again. One that is too
    /// long to be a status is none.
    fn outcome(&self, status: StatusCode, body: Result<Bytes, ReadError>) -> Outcome {
        match body {
            Ok(body) => outcome(status, &body),
            Err(error @ ReadError::Broken(_)) if status.is_success() => {
                tracing::debug!(%error, topic = self.topic, "a delivery failed");
                Outcome::Failed
            }
            Err(ReadError::TooLong | ReadError::Broken(_)) => outcome(status, b""),
        }
    }
}

/// What an app's answer means: any success without a status it knows is a success, but a status that is
/// not known wants the message again.
fn outcome(status: StatusCode, body: &[u8]) -> Outcome {
    if status == StatusCode::NOT_FOUND {
        return Outcome::NotFound;
    }
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
        assert_eq!(of(404, ""), Outcome::NotFound);
        assert_eq!(of(500, r#"{"status":"SUCCESS"}"#), Outcome::Failed);
    }
}
