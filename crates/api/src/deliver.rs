//! Deliveries of messages to an app: one task per subscription, as many messages at once as its window
//! allows. What happens to each message is decided by `policy::delivery`; `perform` does it.

mod bulk;
mod perform;
mod shares;
mod streams;
pub(crate) mod tally;
mod watch;

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dapr::dapr::proto::runtime::v1::ListTopicSubscriptionsResponse;
use floodway_blocks::invoke::{Body, BodyError, Invoke};
use floodway_blocks::subscription::{Routes, Subscription};
use floodway_blocks::topics::{Position, Received, Settlement, Subscription as Group};
use floodway_policy::delivery::turns::{Bounds, Turns};
use floodway_policy::retry::Backoff;
use floodway_policy::{Rng, Time};
use http::header::{HOST, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::components::{Components, TopicsComponent};
use crate::listen::log_panic;
use crate::server::API_TOKEN;
use crate::subscription;
use crate::tasks::{self, Worker};
use crate::to_app::{ToApp, callback};
use perform::{Post, Settled};
use shares::Share;
pub(crate) use shares::Shares;
use streams::Streams;
use tally::Held;
use watch::Roster;

/// An app's answer to a delivery or a question is read up to this size.
pub(crate) const ANSWER_MAX: usize = 1 << 20;
/// How often an app that is not ready is looked at.
const READY_PAUSE: Duration = Duration::from_millis(20);
/// Waits between questions that failed.
const ASK: Backoff = Backoff { initial: Duration::from_millis(200), max: Duration::from_secs(5) };
/// Waits between settlements that failed.
const SETTLE: Backoff = Backoff { initial: Duration::from_millis(50), max: Duration::from_secs(2) };
/// Messages of a subscription that wait in memory for one of their key.
const WAITING_MAX: usize = 1024;
/// Their bytes.
const WAITING_BYTES_MAX: usize = 8 << 20;
/// How often the age of the oldest message is told.
const LOOK: Duration = Duration::from_secs(1);
/// At the end, answers that are under way are waited for so long.
const GRACE: Duration = Duration::from_secs(5);

/// One app, as its messages reach it.
#[derive(Debug, Clone)]
struct App {
    name: Rc<str>,
    components: Arc<Components>,
    invoke: Rc<dyn Invoke>,
    token: Option<HeaderValue>,
    clock: Clock,
    shutdown: CancellationToken,
    roster: Rc<Roster>,
}

/// Shared by the subscriptions of an app that are being opened; its end says that all are.
#[derive(Debug)]
struct Opening {
    app: App,
}

impl Drop for Opening {
    fn drop(&mut self) {
        self.app.components.note_subscribed(&self.app.name);
    }
}

/// Delivers an app's messages until `shutdown`: waits until a replica is ready, asks what it subscribes
/// to, serves each subscription, and asks again when its replicas are others. One per app and node. Must run in a `LocalSet`.
///
/// Messages that are under way when it ends, and not settled, come again.
pub async fn deliver(
    app: String,
    components: Arc<Components>,
    invoke: Rc<dyn Invoke>,
    token: Option<String>,
    shutdown: CancellationToken,
) {
    let token = token.and_then(|token| secret(&app, &token));
    let app = App {
        name: app.into(),
        components,
        invoke,
        token,
        clock: Clock::start(),
        shutdown,
        roster: Roster::new(),
    };
    let streams = streams::serve(app.clone(), app.components.serve_streams(&app.name));
    tokio::join!(streams, app.deliver_by_routes());
}

/// How messages reach an app.
#[derive(Debug)]
enum Reach {
    /// By a request to one of its replicas.
    Routes(Routes),
    /// By gRPC; a path is a word in the message.
    Calls(Routes),
    /// On one of the streams that it has opened.
    Streams(Rc<Streams>),
}

/// The token as a header that no log shows.
pub(crate) fn secret(app: &str, token: &str) -> Option<HeaderValue> {
    let value = HeaderValue::from_str(token).inspect_err(|error| {
        tracing::error!(%error, app, "the API token cannot stand in a header: deliveries go without it");
    });
    let mut value = value.ok()?;
    value.set_sensitive(true);
    Some(value)
}

// === impl App ===

impl App {
    async fn ask(&self) -> Result<Vec<Subscription>, String> {
        if self.is_by_grpc() {
            return self.ask_by_grpc().await;
        }
        let request = self.request("GET", "/dapr/subscribe", Bytes::new());
        let response = self.invoke.invoke(&self.name, request).await.map_err(|error| error.to_string())?;
        match response.status() {
            StatusCode::NOT_FOUND => return Ok(Vec::new()),
            status if !status.is_success() => return Err(format!("it answered {status}")),
            _ => {}
        }
        let body = read(response).await.map_err(|error| error.to_string())?;
        subscription::read(&self.name, &body).map_err(|error| format!("its answer cannot be read: {error}"))
    }

    async fn ask_by_grpc(&self) -> Result<Vec<Subscription>, String> {
        let answered: Result<ListTopicSubscriptionsResponse, _> =
            self.to_app().call(callback::LIST_TOPICS, ()).await;
        match answered {
            Ok(answer) => Ok(subscription::by_grpc(&self.name, answer.subscriptions)),
            Err(refusal) if refusal.is_unknown() => Ok(Vec::new()),
            Err(refusal) => Err(refusal.to_string()),
        }
    }

    fn is_by_grpc(&self) -> bool {
        self.components.by_grpc.contains(&*self.name)
    }

    fn to_app(&self) -> ToApp {
        ToApp { name: Rc::clone(&self.name), invoke: Rc::clone(&self.invoke), token: self.token.clone() }
    }

    async fn serve(self, subscription: Subscription, opening: Rc<Opening>) {
        let Some(component) = self.components.topics.get(&subscription.topics) else {
            let topics = subscription.topics;
            return tracing::error!(
                app = &*self.name,
                topics,
                "an app subscribes to topics that the system file does not name"
            );
        };
        let component = &*tasks::component_for(component, &subscription.topic);
        let Some(_worker) = self.claim(component, &subscription) else { return };
        let opened = self.shutdown.run_until_cancelled(self.open(component, &subscription)).await;
        drop(opening);
        if let Some(group) = opened {
            let routes = subscription.routes.clone();
            let reach = if self.is_by_grpc() { Reach::Calls(routes) } else { Reach::Routes(routes) };
            self.pump(group, component, &subscription, reach).await;
        }
    }

    /// The same for streams, whose topics were found before.
    async fn open_and_pump(&self, subscription: &Subscription, reach: Reach) {
        let Some(component) = self.components.topics.get(&subscription.topics) else { return };
        let component = &*tasks::component_for(component, &subscription.topic);
        let Some(_worker) = self.claim(component, subscription) else { return };
        let opened = self.shutdown.run_until_cancelled(self.open(component, subscription)).await;
        if let Some(group) = opened {
            self.pump(group, component, subscription, reach).await;
        }
    }

    /// The right to take a topic's messages; of a queue one app alone has it.
    fn claim(&self, component: &TopicsComponent, subscription: &Subscription) -> Option<Worker<'_>> {
        let claimed = Worker::claim(&self.components, component, &subscription.topic, &self.name);
        let said = claimed.inspect_err(|worker| {
            let (app, queue) = (&*self.name, &subscription.topic);
            tracing::error!(app, queue, worker, "a second app subscribes to a task queue: it gets no tasks");
        });
        said.ok()
    }

    async fn open(&self, component: &TopicsComponent, subscription: &Subscription) -> Box<dyn Group> {
        let mut rng = Rng::new(0);
        let mut failures = 0;
        loop {
            match tasks::subscribe(component, &subscription.topic, &self.name).await {
                Ok(group) => return group,
                Err(error) => {
                    failures += 1;
                    tracing::warn!(%error, app = &*self.name, topic = subscription.topic, "could not subscribe");
                    tokio::time::sleep(ASK.wait(failures, &mut rng)).await;
                }
            }
        }
    }

    /// Takes messages as there is room, delivers each in a task when it is its turn, settles what has ended.
    async fn pump(
        &self,
        mut group: Box<dyn Group>,
        component: &TopicsComponent,
        subscription: &Subscription,
        reach: Reach,
    ) {
        let mut turns = Turns::new(Bounds {
            in_flight_max: usize::from(component.policy.in_flight_max),
            waiting_max: WAITING_MAX,
            waiting_bytes_max: WAITING_BYTES_MAX,
        });
        let tally = self.components.tally([&self.name, &subscription.topics, &subscription.topic]);
        let mut held = Held::new(Arc::clone(&tally));
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let post = Rc::new(Post::new(self, component, subscription, (reach, tally)));
        let mut under_way: JoinSet<Option<Settled>> = JoinSet::new();
        let mut share = Share::new(self.components.shares());
        loop {
            // Before the look, so that what is freed after it is not missed.
            let freed = share.freed();
            let (wanted, left) = (turns.room(), share.room(turns.under_way()));
            let room = wanted.min(left);
            tokio::select! {
                biased;
                () = self.shutdown.cancelled() => break,
                _ = looks.tick() => held.tell_oldest(),
                Some(ended) = under_way.join_next() => {
                    if let Some(Settled { position, key, .. }) = self.settle_ended(&*group, ended).await {
                        held.settle(position);
                        if let Some(next) = turns.ended(key.as_ref()) {
                            under_way.spawn_local(Rc::clone(&post).deliver(next));
                        }
                    }
                }
                () = freed, if wanted > left => {}
                received = group.receive(room.max(1)), if room > 0 => match received {
                    Ok(messages) => for message in messages {
                        held.receive(&message);
                        let (key, bytes) = (message.key.clone(), message.payload.len());
                        if let Some(message) = turns.offer(key, bytes, message) {
                            under_way.spawn_local(Rc::clone(&post).deliver(message));
                        }
                    },
                    Err(error) => {
                        tracing::warn!(%error, topic = subscription.topic, "could not receive messages");
                        tokio::time::sleep(SETTLE.max).await;
                    }
                },
            }
        }
        let finish = async {
            while let Some(ended) = under_way.join_next().await {
                self.settle_ended(&*group, ended).await;
            }
        };
        if tokio::time::timeout(GRACE, finish).await.is_err() {
            tracing::info!(topic = subscription.topic, "messages under way will come again");
        }
    }

    /// Settles a message that is over; `None` if it is not: then it comes again.
    async fn settle_ended(
        &self,
        group: &dyn Group,
        ended: Result<Option<Settled>, tokio::task::JoinError>,
    ) -> Option<Settled> {
        let settled = ended.unwrap_or_else(|error| {
            log_panic(Err(error));
            None
        })?;
        self.settle(group, settled.position, settled.settlement.clone()).await;
        Some(settled)
    }

    /// Settles until it is settled, or until the end: then the message comes again.
    async fn settle(&self, group: &dyn Group, position: Position, settlement: Settlement) {
        let mut rng = Rng::new(position.0);
        let mut failures = 0;
        while let Err(error) = group.settle(position, settlement.clone()).await {
            if self.shutdown.is_cancelled() {
                return;
            }
            failures += 1;
            tracing::warn!(%error, app = &*self.name, "could not settle a message");
            tokio::time::sleep(SETTLE.wait(failures, &mut rng)).await;
        }
    }

    fn request(&self, method: &str, path: &str, body: Bytes) -> Request<Body> {
        let mut request = Request::new(Body::full(body));
        *request.method_mut() = method.parse().expect("a method");
        *request.uri_mut() = path.parse().expect("routes were checked when they were read");
        let host = HeaderValue::from_str(&self.name).expect("service names are plain");
        request.headers_mut().insert(HOST, host);
        if let Some(token) = &self.token {
            request.headers_mut().insert(API_TOKEN, token.clone());
        }
        request
    }

    fn expires(&self, message: &Received) -> Time {
        message.expires.map_or(Time::NEVER, |moment| self.clock.of_wall(moment))
    }
}

/// Why an answer's body is not there.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error("the answer is longer than {ANSWER_MAX} B")]
    TooLong,
    #[error("the answer broke off: {0}")]
    Broken(#[source] BodyError),
}

pub(crate) async fn read(response: Response<Body>) -> Result<Bytes, ReadError> {
    match Limited::new(response.into_body(), ANSWER_MAX).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(ReadError::TooLong),
        Err(error) => Err(ReadError::Broken(error)),
    }
}
