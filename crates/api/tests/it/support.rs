//! An API on an engine of its own, and a way to call apps.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use floodway_api::{
    Caller, Components, CronBinding, DeliveryMetrics, JobsComponent, Outbox, Scopes, ServerOptions,
    StoreComponent, TopicsComponent, deliver, run_cron, run_jobs, serve, serve_grpc,
};
use floodway_blocks::invoke::{Body, Invoke, InvokeError, LocalFuture};
use floodway_embedded::{Durability, Engine, Limits, Options, StoreOptions, TopicsOptions};
use floodway_engines::env::Env;
use floodway_engines::file::{FileConfiguration, FileSecrets, Layout};
use floodway_engines::http::{HttpBinding, HttpOptions};
use floodway_kit::http::{Answer, send};
use floodway_policy::access::Permissions;
use floodway_policy::delivery::DeliveryPolicy;
use floodway_policy::retry::Backoff;
use floodway_policy::schedule::Schedule;
use floodway_policy::snapshot::{QueuePolicy, ResultsPolicy, TargetPolicy, TopicsPolicy};
use http::{Request, Response};
use hyper::client::conn::{http1, http2};
use hyper::rt::Executor;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, LocalOptions};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
/// Runs of one app at once.
pub(crate) const JOBS_IN_FLIGHT: u16 = 4;

/// A running API of the app `me`, with stores `plain` and `out` (with an outbox to `events/outbox`), topics
/// `events` and locks `locks`. Ends when it is dropped.
pub(crate) struct Api {
    pub(crate) address: SocketAddr,
    /// Of the same app, by gRPC.
    pub(crate) grpc: SocketAddr,
    /// Of the replicas that are there; another number stands for others.
    pub(crate) roster: Arc<AtomicU64>,
    /// What services can ask for, once it is there.
    components: Arc<OnceLock<Arc<Components>>>,
    shutdown: CancellationToken,
    thread: Option<JoinHandle<()>>,
    pub(crate) folder: tempfile::TempDir,
}

/// An API without apps.
pub(crate) fn api() -> Api {
    api_with(&[], ServerOptions::default(), Some("dead"))
}

/// An API that can call these apps and delivers to them.
pub(crate) fn api_for(apps: &[(&str, SocketAddr)]) -> Api {
    api_with(apps, ServerOptions::default(), Some("dead"))
}

pub(crate) fn api_with(
    apps: &[(&str, SocketAddr)],
    options: ServerOptions,
    dead_letter: Option<&str>,
) -> Api {
    start(apps, options, dead_letter, None, <_>::default())
}

/// An API whose app `me` is told by gRPC.
pub(crate) fn api_by_grpc(me: SocketAddr) -> Api {
    start_for(&[("me", me)], ServerOptions::default(), Some("dead"), None, <_>::default(), true)
}

/// An API whose app `me` asks targets by these policies.
pub(crate) fn api_guarded(apps: &[(&str, SocketAddr)], targets: Vec<TargetPolicy>) -> Api {
    start(apps, ServerOptions::default(), Some("dead"), None, (targets, Permissions::default()))
}

/// An API whose app `me` may do this.
pub(crate) fn api_permitted(apps: &[(&str, SocketAddr)], permissions: Permissions) -> Api {
    start(apps, ServerOptions::default(), None, None, (Vec::new(), permissions))
}

/// An API with the bindings `mail`, which asks this URL, and `tick`, ten times a second.
pub(crate) fn api_bound(url: &str, apps: &[(&str, SocketAddr)]) -> Api {
    start(apps, ServerOptions::default(), None, Some(url), <_>::default())
}

/// The same without apps, by these policies.
pub(crate) fn api_bound_by(url: &str, targets: Vec<TargetPolicy>) -> Api {
    start(&[], ServerOptions::default(), None, Some(url), (targets, Permissions::default()))
}

fn start(
    apps: &[(&str, SocketAddr)],
    options: ServerOptions,
    dead_letter: Option<&str>,
    mail: Option<&str>,
    rules: (Vec<TargetPolicy>, Permissions),
) -> Api {
    start_for(apps, options, dead_letter, mail, rules, false)
}

fn start_for(
    apps: &[(&str, SocketAddr)],
    options: ServerOptions,
    dead_letter: Option<&str>,
    mail: Option<&str>,
    (targets, permissions): (Vec<TargetPolicy>, Permissions),
    is_by_grpc: bool,
) -> Api {
    let folder = tempfile::tempdir().expect("a folder");
    let (listener, address) = listen();
    let (grpc_listener, grpc) = listen();
    let shutdown = CancellationToken::new();
    outside(folder.path());
    let roster = Arc::new(AtomicU64::new(1));
    let known = Arc::new(OnceLock::new());
    let apps: BTreeMap<String, SocketAddr> =
        apps.iter().map(|(name, at)| ((*name).to_owned(), *at)).collect();
    let run = {
        let known = Arc::clone(&known);
        let (shutdown, data, roster) = (shutdown.clone(), folder.path().to_owned(), Arc::clone(&roster));
        let (dead_letter, mail) = (dead_letter.map(str::to_owned), mail.map(str::to_owned));
        move || {
            let engine = engine(&data);
            let mut components = components(&engine, &data, dead_letter);
            if is_by_grpc {
                components.by_grpc.insert("me".to_owned());
            }
            if let Some(mail) = mail {
                bind(&mut components, mail);
            }
            components.targets = targets;
            components.permissions = Arc::new(permissions);
            let own = Arc::new(components.for_app("me", &Scopes::new()));
            let components = Arc::new(components);
            known.set(Arc::clone(&components)).expect("set once");
            let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
            runtime.expect("a runtime").block_on(async move {
                let invoke: Rc<dyn Invoke> =
                    Rc::new(Apps { addresses: apps.clone(), roster, by_http2: is_by_grpc });
                let mut tasks = JoinSet::new();
                let listener = TcpListener::from_std(listener).expect("a listener");
                let grpc_listener = TcpListener::from_std(grpc_listener).expect("a listener");
                let caller = Caller { app: "me".to_owned() };
                tasks.spawn_local(serve(
                    listener,
                    caller.clone(),
                    Arc::clone(&own),
                    Rc::clone(&invoke),
                    options.clone(),
                    shutdown.clone(),
                ));
                tasks.spawn_local(serve_grpc(
                    grpc_listener,
                    caller,
                    own,
                    Rc::clone(&invoke),
                    options,
                    shutdown.clone(),
                ));
                for app in apps.into_keys() {
                    let components = Arc::new(components.for_app(&app, &Scopes::new()));
                    let invoke = Rc::clone(&invoke);
                    let job = (app.clone(), Arc::clone(&components), Rc::clone(&invoke), shutdown.clone());
                    let cron = job.clone();
                    tasks.spawn_local(run_cron(cron.0, cron.1, cron.2, None, cron.3));
                    tasks.spawn_local(run_jobs(job.0, job.1, job.2, None, job.3));
                    tasks.spawn_local(deliver(app, components, invoke, None, shutdown.clone()));
                }
                tasks.join_all().await;
            });
            engine.close().expect("a clean end");
        }
    };
    Api { address, grpc, roster, components: known, shutdown, thread: Some(thread::spawn(run)), folder }
}

fn listen() -> (std::net::TcpListener, SocketAddr) {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.set_nonblocking(true).expect("a socket");
    let address = listener.local_addr().expect("an address");
    (listener, address)
}

fn engine(folder: &std::path::Path) -> Engine {
    let store = |name: &str| StoreOptions { name: name.to_owned(), durability: Durability::Fsync };
    let options = Options {
        stores: vec![store("plain"), store("out")],
        topics: vec![TopicsOptions { name: "events".to_owned(), durability: Durability::Fsync }],
        locks: vec!["locks".to_owned()],
        jobs: vec!["jobs".to_owned()],
        limits: Limits::default(),
    };
    Engine::open(folder, options).expect("an engine").0
}

fn bind(components: &mut Components, url: String) {
    let schedule = Schedule::parse("@every 100ms").expect("a schedule");
    components.cron.push(CronBinding { name: "tick".to_owned(), schedule, route: None });
    let options = HttpOptions {
        url,
        errs_unless_2xx: true,
        response_timeout: PATIENCE,
        response_bytes: 1 << 20,
        token: None,
    };
    let mail = HttpBinding::new(options).expect("a URL");
    components.bindings.insert("mail".to_owned(), Arc::new(mail));
}

/// The files of the secrets `vault` and the configuration `features`.
fn outside(folder: &std::path::Path) {
    std::fs::write(folder.join("secrets.json"), r#"{"key":"k","db":{"user":"u"}}"#).expect("written");
    std::fs::write(folder.join("features.json"), r#"{"a":"1","b":{"value":"2","version":"v2"}}"#)
        .expect("written");
}

fn components(engine: &Engine, data: &std::path::Path, dead_letter: Option<String>) -> Components {
    let store = |name: &str, outbox| StoreComponent { store: engine.store(name).expect("a store"), outbox };
    let outbox = Outbox { topics: "events".to_owned(), topic: "outbox".to_owned() };
    let backoff = Backoff { initial: Duration::from_millis(10), max: Duration::from_millis(20) };
    let delivery = DeliveryPolicy { attempts: 3, backoff, timeout: Duration::from_millis(400) };
    let results = Some(ResultsPolicy { store: "plain".to_owned(), keep: PATIENCE * 100 });
    let name = "emails".to_owned();
    let queue = QueuePolicy { name, delivery, dead_letter: dead_letter.clone(), in_flight_max: 1, results };
    let policy = TopicsPolicy {
        name: "events".to_owned(),
        delivery: DeliveryPolicy { attempts: 3, backoff, timeout: Duration::from_secs(5) },
        dead_letter,
        in_flight_max: 8,
        dedup: Duration::from_mins(5),
        queues: vec![queue],
    };
    let mut components = Components::default();
    components.stores.insert("plain".to_owned(), store("plain", None));
    components.stores.insert("out".to_owned(), store("out", Some(outbox)));
    let results = BTreeMap::from([("plain".to_owned(), engine.store("plain").expect("a store"))]);
    let topics = TopicsComponent { topics: engine.topics("events").expect("topics"), policy, results };
    components.topics.insert("events".to_owned(), topics);
    components.locks.insert("locks".to_owned(), engine.locks("locks").expect("locks"));
    let layout = Layout { separator: ":".to_owned(), is_multi_valued: false };
    let vault = FileSecrets::open(data.join("secrets.json"), layout).expect("a file");
    components.secrets.insert("vault".to_owned(), Arc::new(vault));
    let variables = [("SHOP_KEY".to_owned(), "v".to_owned())].into_iter();
    components.secrets.insert("env".to_owned(), Arc::new(Env::new("SHOP_", variables)));
    let features = FileConfiguration::open(data.join("features.json")).expect("a file");
    components.configuration.insert("features".to_owned(), Arc::new(features));
    let jobs = engine.jobs("jobs").expect("jobs");
    components.jobs = Some(JobsComponent { jobs, timeout: PATIENCE, in_flight_max: JOBS_IN_FLIGHT });
    components
}

impl Api {
    /// A request with a JSON body.
    pub(crate) fn send(&self, method: &str, path: &str, body: &str) -> Answer {
        self.send_with(method, path, &[("content-type", "application/json")], body)
    }

    pub(crate) fn send_with(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        send(self.address, method, path, headers, body.as_bytes()).expect("an answer")
    }

    /// What was counted of the deliveries of a topic of `events` to an app.
    pub(crate) fn deliveries(&self, app: &str, topic: &str) -> DeliveryMetrics {
        let all = self.components.get().map(|components| components.deliveries()).unwrap_or_default();
        all.into_iter().find(|it| it.app == app && it.topic == topic).unwrap_or_default()
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send("GET", path, "")
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        self.shutdown.cancel();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
            && !thread::panicking()
        {
            panic!("the API panicked");
        }
    }
}

/// The status and the code of an error answer.
pub(crate) fn error_of(answer: &Answer) -> (u16, String) {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    assert!(body["message"].is_string(), "{}", answer.text());
    (answer.status, body["errorCode"].as_str().unwrap_or_default().to_owned())
}

/// Whether an error answer has the rich shape.
pub(crate) fn is_rich(answer: &Answer) -> bool {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    body["details"][0]["domain"] == "dapr.io" && body["details"][0]["reason"].is_string()
}

/// Calls apps at fixed addresses, a connection per call.
#[derive(Debug)]
struct Apps {
    addresses: BTreeMap<String, SocketAddr>,
    roster: Arc<AtomicU64>,
    by_http2: bool,
}

impl Invoke for Apps {
    fn knows(&self, service: &str) -> bool {
        self.addresses.contains_key(service)
    }

    fn is_ready(&self, service: &str) -> bool {
        self.knows(service)
    }

    fn roster(&self, _service: &str) -> u64 {
        self.roster.load(Ordering::Relaxed)
    }

    fn invoke<'a>(
        &'a self,
        service: &'a str,
        request: Request<Body>,
    ) -> LocalFuture<'a, Result<Response<Body>, InvokeError>> {
        Box::pin(async move {
            let named = || service.to_owned();
            let address = self
                .addresses
                .get(service)
                .ok_or_else(|| InvokeError::UnknownService { service: named() })?;
            let unreachable = |detail| InvokeError::Unreachable { service: named(), detail };
            let stream = TcpStream::connect(address).await.map_err(|error| unreachable(error.to_string()))?;
            let broken =
                |error: hyper::Error| InvokeError::Broken { service: named(), detail: error.to_string() };
            if self.by_http2 {
                return by_http2(stream, request).await.map_err(broken);
            }
            let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
            let mut connections = JoinSet::new();
            connections.spawn_local(connection);
            let response = sender.send_request(request).await.map_err(broken)?;
            connections.detach_all();
            Ok(response.map(Body::new))
        })
    }
}

async fn by_http2(stream: TcpStream, mut request: Request<Body>) -> hyper::Result<Response<Body>> {
    // HTTP/2 says in the request whom it is for.
    let path = request.uri().path_and_query().expect("a path").as_str();
    *request.uri_mut() = format!("http://app{path}").parse().expect("a URI");
    let executor = LocalExecutor;
    let (mut sender, connection) = http2::handshake(executor, TokioIo::new(stream)).await?;
    let mut connections = JoinSet::new();
    connections.spawn_local(connection);
    let response = sender.send_request(request).await?;
    connections.detach_all();
    Ok(response.map(Body::new))
}

/// Runs the tasks of connections where they are made.
#[derive(Debug, Clone)]
struct LocalExecutor;

impl<F: Future<Output: 'static> + 'static> Executor<F> for LocalExecutor {
    fn execute(&self, task: F) {
        let mut tasks = JoinSet::new();
        tasks.spawn_local(task);
        tasks.detach_all();
    }
}
