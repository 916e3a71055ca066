//! Apps that serve Dapr's `AppCallback`, as its generated server has it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use dapr::dapr::proto::common::v1::{InvokeRequest, InvokeResponse};
use dapr::dapr::proto::runtime::v1::app_callback_alpha_server::{AppCallbackAlpha, AppCallbackAlphaServer};
use dapr::dapr::proto::runtime::v1::app_callback_server::{AppCallback, AppCallbackServer};
use dapr::dapr::proto::runtime::v1::topic_event_response::TopicEventResponseStatus;
use dapr::dapr::proto::runtime::v1::{
    BindingEventRequest, BindingEventResponse, JobEventRequest, JobEventResponse, ListInputBindingsResponse,
    ListTopicSubscriptionsResponse, TopicEventBulkRequest, TopicEventBulkResponse, TopicEventRequest,
    TopicEventResponse, TopicRoutes, TopicRule, TopicSubscription,
};
use floodway_kit::eventually_blocking;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

use crate::support::{Api, PATIENCE, api_by_grpc};

type Answer<T> = Result<Response<T>, Status>;

/// What an app was told, in order.
#[derive(Debug, Clone, Default)]
struct App {
    told: Arc<Mutex<Vec<String>>>,
    /// It knows jobs only by their older name.
    is_old: bool,
}

/// An app that serves until it is dropped, with its API.
struct Running {
    api: Option<Api>,
    told: Arc<Mutex<Vec<String>>>,
    end: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl App {
    fn note(&self, what: &str) -> usize {
        let mut told = self.told.lock().expect("no panic");
        told.push(what.to_owned());
        told.iter().filter(|other| *other == what).count()
    }

    fn run_job(&self, due: JobEventRequest) -> Answer<JobEventResponse> {
        let data = String::from_utf8(due.data.unwrap_or_default().value).expect("a text");
        let times = self.note(&format!("job {} {data}", due.name));
        match &*due.name {
            "unknown" => Err(Status::not_found("no such job")),
            "twice" if times == 1 => Err(Status::internal("not yet")),
            _ => Ok(Response::new(JobEventResponse {})),
        }
    }
}

#[tonic::async_trait]
impl AppCallback for App {
    async fn on_invoke(&self, _: Request<InvokeRequest>) -> Answer<InvokeResponse> {
        Err(Status::unimplemented("no calls"))
    }

    async fn list_topic_subscriptions(&self, _: Request<()>) -> Answer<ListTopicSubscriptionsResponse> {
        let to = |topic: &str, routes| TopicSubscription {
            pubsub_name: "events".to_owned(),
            topic: topic.to_owned(),
            routes,
            ..TopicSubscription::default()
        };
        let rule = TopicRule { r#match: "event.type == 'big'".to_owned(), path: "big".to_owned() };
        let routes = TopicRoutes { rules: vec![rule], default: "rest".to_owned() };
        let subscriptions =
            vec![to("plain", None), to("routed", Some(routes)), to("unknown", None), to("dead", None)];
        Ok(Response::new(ListTopicSubscriptionsResponse { subscriptions }))
    }

    async fn on_topic_event(&self, event: Request<TopicEventRequest>) -> Answer<TopicEventResponse> {
        let TopicEventRequest { topic, path, data, .. } = event.into_inner();
        let data = String::from_utf8(data).expect("a text");
        let times = self.note(&format!("{topic} {path:?} {data}"));
        if topic == "unknown" {
            return Err(Status::unimplemented("no such topic"));
        }
        let status = match (&*data, times) {
            ("again", 1) => TopicEventResponseStatus::Retry,
            ("fails", 1) => return Err(Status::unknown("a handler threw")),
            ("drop", _) if topic != "dead" => TopicEventResponseStatus::Drop,
            _ => TopicEventResponseStatus::Success,
        };
        Ok(Response::new(TopicEventResponse { status: status.into() }))
    }

    async fn list_input_bindings(&self, _: Request<()>) -> Answer<ListInputBindingsResponse> {
        Ok(Response::new(ListInputBindingsResponse::default()))
    }

    async fn on_binding_event(&self, _: Request<BindingEventRequest>) -> Answer<BindingEventResponse> {
        Err(Status::unimplemented("no bindings"))
    }

    async fn on_bulk_topic_event(&self, _: Request<TopicEventBulkRequest>) -> Answer<TopicEventBulkResponse> {
        Err(Status::unimplemented("one at a time"))
    }

    async fn on_job_event(&self, due: Request<JobEventRequest>) -> Answer<JobEventResponse> {
        if self.is_old {
            return Err(Status::unimplemented("it is older"));
        }
        self.run_job(due.into_inner())
    }
}

#[tonic::async_trait]
impl AppCallbackAlpha for App {
    async fn on_bulk_topic_event_alpha1(
        &self,
        _: Request<TopicEventBulkRequest>,
    ) -> Answer<TopicEventBulkResponse> {
        Err(Status::unimplemented("one at a time"))
    }

    async fn on_job_event_alpha1(&self, due: Request<JobEventRequest>) -> Answer<JobEventResponse> {
        self.run_job(due.into_inner())
    }
}

impl Running {
    fn start(is_old: bool) -> Self {
        let app = App { is_old, ..App::default() };
        let (told, end) = (Arc::clone(&app.told), CancellationToken::new());
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        listener.set_nonblocking(true).expect("a socket");
        let address: SocketAddr = listener.local_addr().expect("an address");
        let until = end.clone();
        let serve = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
                let server = Server::builder()
                    .add_service(AppCallbackServer::new(app.clone()))
                    .add_service(AppCallbackAlphaServer::new(app));
                let serving = server.serve_with_incoming(TcpListenerStream::new(listener));
                until.run_until_cancelled(serving).await.transpose().expect("it serves");
            });
        };
        let thread = Some(thread::spawn(serve));
        Self { api: Some(api_by_grpc(address)), told, end, thread }
    }

    fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> u16 {
        self.api.as_ref().expect("until the end").send_with(method, path, headers, body).status
    }

    fn publish(&self, topic: &str, query: &str, text: &str) {
        let path = format!("/v1.0/publish/events/{topic}{query}");
        assert_eq!(self.send("POST", &path, &[("content-type", "text/plain")], text), 204);
    }

    fn told(&self, what: &str) -> usize {
        self.told.lock().expect("no panic").iter().filter(|told| *told == what).count()
    }

    fn wait_for(&self, what: &str, times: usize) {
        eventually_blocking(PATIENCE, what, || self.told(what) >= times);
        assert_eq!(self.told(what), times, "{what}");
    }

    fn schedule(&self, name: &str, body: &str) {
        let headers = [("content-type", "application/json")];
        assert_eq!(self.send("POST", &format!("/v1.0/jobs/{name}"), &headers, body), 204);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.api.take());
        self.end.cancel();
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(thread::panicking() || ended.is_none_or(|ended| ended.is_ok()), "the app panicked");
    }
}

/// Waits until the app has said what it subscribes to: what is published before is not for it.
fn app_with_topics() -> Running {
    let app = Running::start(false);
    let api = app.api.as_ref().expect("just begun");
    eventually_blocking(PATIENCE, "it is asked", || {
        api.send("GET", "/v1.0/metadata", "").text().contains("\"dead\"")
    });
    eventually_blocking(PATIENCE, "messages arrive", || {
        for topic in ["plain", "routed", "unknown", "dead"] {
            app.publish(topic, "", "first");
        }
        ["plain \"\" first", "routed \"rest\" first", "unknown \"\" first", "dead \"\" first"]
            .iter()
            .all(|what| app.told(what) > 0)
    });
    app
}

#[test]
fn messages_are_told_with_the_path_of_their_rule() {
    let app = app_with_topics();
    app.publish("plain", "", "one");
    app.wait_for("plain \"\" one", 1);
    app.publish("routed", "?metadata.cloudevent.type=big", "two");
    app.wait_for("routed \"big\" two", 1);
    app.publish("routed", "", "three");
    app.wait_for("routed \"rest\" three", 1);
}

#[test]
fn a_message_comes_again_where_the_app_asks_or_fails() {
    let app = app_with_topics();
    for text in ["again", "fails"] {
        app.publish("plain", "", text);
        app.wait_for(&format!("plain \"\" {text}"), 2);
    }
}

#[test]
fn what_is_dropped_or_of_an_unknown_topic_is_a_dead_letter_at_once() {
    let app = app_with_topics();
    for (topic, text) in [("plain", "drop"), ("unknown", "lost")] {
        app.publish(topic, "", text);
        app.wait_for(&format!("dead \"\" {text}"), 1);
        assert_eq!(app.told(&format!("{topic} \"\" {text}")), 1);
    }
}

#[test]
fn jobs_are_told_by_either_name() {
    for is_old in [false, true] {
        let app = Running::start(is_old);
        app.schedule("soon", r#"{"dueTime":"0s","data":"x"}"#);
        app.wait_for("job soon \"x\"", 1);
        let again = r#"{"dueTime":"0s","failurePolicy":{"constant":{"interval":"0.02s","maxRetries":3}}}"#;
        app.schedule("twice", again);
        app.wait_for("job twice ", 2);
        app.schedule("unknown", again);
        app.wait_for("job unknown ", 1);
        let api = app.api.as_ref().expect("until the end");
        eventually_blocking(PATIENCE, "it is over", || api.get("/v1.0/jobs/unknown").status == 500);
        assert_eq!(app.told("job unknown "), 1);
    }
}
