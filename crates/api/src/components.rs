//! What the system file offers to services, by the names it uses.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use floodway_blocks::bindings::OutputBinding;
use floodway_blocks::configuration::Configuration;
use floodway_blocks::jobs::Jobs;
use floodway_blocks::lock::Locks;
use floodway_blocks::secrets::Secrets;
use floodway_blocks::state::Store;
use floodway_blocks::subscription::Subscription;
use floodway_blocks::topics::Topics;
use floodway_policy::access::Permissions;
use floodway_policy::operation::OperationPolicy;
use floodway_policy::snapshot::{TargetName, TargetPolicy, TopicsPolicy};
use tokio::sync::{mpsc, watch};

use crate::bindings::cron::CronBinding;
use crate::clock;
use crate::deliver::Shares;
use crate::deliver::tally::{DeliveryMetrics, Tally};
use crate::resilience::Ward;
use crate::resilience::inbound::Inbound;
use crate::resilience::ports::Guarded;
use crate::streams::{self, NewStream};

/// All components of a system, or those of it that an app may use: both share what apps have said.
#[derive(Debug, Default, Clone)]
pub struct Components {
    /// State stores.
    pub stores: BTreeMap<String, StoreComponent>,
    /// Topics.
    pub topics: BTreeMap<String, TopicsComponent>,
    /// Locks.
    pub locks: BTreeMap<String, Arc<dyn Locks>>,
    /// Secrets.
    pub secrets: BTreeMap<String, Arc<dyn Secrets>>,
    /// Configuration.
    pub configuration: BTreeMap<String, Arc<dyn Configuration>>,
    /// Output bindings.
    pub bindings: BTreeMap<String, Arc<dyn OutputBinding>>,
    /// Bindings to the node's clock.
    pub cron: Vec<CronBinding>,
    /// What is due at a time; `None` where nothing keeps it.
    pub jobs: Option<JobsComponent>,
    /// How what apps ask for is tried; the first that fits counts. It holds only in what
    /// [`Components::for_app`] returns.
    pub targets: Vec<TargetPolicy>,
    /// What apps may do.
    pub permissions: Arc<Permissions>,
    /// Apps that serve Dapr's `AppCallback`: they are asked and told by gRPC.
    pub by_grpc: BTreeSet<String>,
    /// Subscriptions that apps need not ask for.
    pub declared: Vec<DeclaredSubscription>,
    /// What stands before services that this app calls.
    calls: BTreeMap<String, Arc<Ward>>,
    /// What stands before this app, by the topics that bring it messages.
    deliveries: BTreeMap<String, Arc<Inbound>>,
    /// The same where its jobs are run.
    runs: Option<Arc<Inbound>>,
    /// The same by the bindings that tell it of something.
    events: BTreeMap<String, Arc<Ward>>,
    said: Arc<Said>,
}

/// What apps have said.
#[derive(Debug, Default)]
struct Said {
    /// What each app has subscribed to, once it has said so.
    subscriptions: Mutex<BTreeMap<String, Vec<Subscription>>>,
    subscribed: watch::Sender<BTreeSet<String>>,
    /// Where each app's streams are served.
    streams: Mutex<BTreeMap<String, mpsc::Sender<NewStream>>>,
    /// Which app works off each queue, by how many subscriptions: the names of component and queue.
    workers: Mutex<BTreeMap<(String, String), (String, usize)>>,
    /// Places for deliveries.
    shares: Shares,
    /// What each app has added to its metadata.
    extended: Mutex<BTreeMap<String, BTreeMap<String, String>>>,
    /// What was counted of deliveries, by app, topics and topic.
    tallies: Mutex<BTreeMap<[String; 3], Arc<Tally>>>,
}

/// A subscription that the node's documents declare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredSubscription {
    /// What is subscribed to.
    pub subscription: Subscription,
    /// The apps that it is for; none for all.
    pub apps: Vec<String>,
}

/// Differs from replica to replica, so that their waits do.
fn seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::process::id())
}

/// Whom components are for: by the names of the sections of the system file, and of the component.
pub type Scopes = BTreeMap<(&'static str, String), BTreeSet<String>>;

/// The most keys that an app may add to its metadata.
pub(crate) const EXTENSIONS_MAX: usize = 64;

/// A state store.
#[derive(Debug, Clone)]
pub struct StoreComponent {
    /// Its engine.
    pub store: Arc<dyn Store>,
    /// Where transactions publish what they write.
    pub outbox: Option<Outbox>,
}

/// A store's outbox. Its topics are of the same engine as the store.
#[derive(Debug, Clone)]
pub struct Outbox {
    /// The topics component.
    pub topics: String,
    /// The topic in it.
    pub topic: String,
}

/// A topics component.
#[derive(Debug, Clone)]
pub struct TopicsComponent {
    /// Its engine.
    pub topics: Arc<dyn Topics>,
    /// How it delivers.
    pub policy: TopicsPolicy,
    /// The stores where its queues keep results, by their names.
    pub results: BTreeMap<String, Arc<dyn Store>>,
}

/// Where jobs are kept, and how they are run.
#[derive(Debug, Clone)]
pub struct JobsComponent {
    /// Its engine.
    pub jobs: Arc<dyn Jobs>,
    /// Time for an app's answer to one run.
    pub timeout: Duration,
    /// Runs of one app under way at once; at least 1.
    pub in_flight_max: u16,
}

impl JobsComponent {
    /// On an engine, with 60 s for an answer and 64 runs of an app at once.
    pub const fn new(jobs: Arc<dyn Jobs>) -> Self {
        Self { jobs, timeout: Duration::from_mins(1), in_flight_max: 64 }
    }
}

impl Components {
    /// The same, without what is not for this app.
    pub fn for_app(&self, app: &str, scopes: &Scopes) -> Self {
        let is_for = |section: &'static str, name: &str| {
            scopes.get(&(section, name.to_owned())).is_none_or(|apps| apps.contains(app))
        };
        let mut own = self.clone();
        own.stores.retain(|name, _| is_for("stores", name));
        own.topics.retain(|name, _| is_for("topics", name));
        own.locks.retain(|name, _| is_for("locks", name));
        own.configuration.retain(|name, _| is_for("configuration", name));
        own.secrets.retain(|name, _| is_for("secrets", name));
        own.bindings.retain(|name, _| is_for("bindings", name));
        own.cron.retain(|binding| is_for("bindings", &binding.name));
        own.declared.retain(|declared| declared.apps.is_empty() || declared.apps.iter().any(|it| it == app));
        own.guard(app);
        own
    }

    /// Puts what its policy says before each target of an app.
    fn guard(&mut self, app: &str) {
        let targets = mem::take(&mut self.targets);
        let is_for = |it: &&TargetPolicy| it.services.is_empty() || it.services.iter().any(|it| it == app);
        let ward = |target: &TargetName, name: &str| {
            let found = targets.iter().filter(is_for).find(|it| it.target == *target)?;
            let is_one = found.policy != OperationPolicy::default();
            is_one.then(|| Arc::new(Ward::new(name, found.policy.clone(), seed())))
        };
        let outbound =
            |section: &'static str, name: &String| ward(&TargetName::Outbound(section, name.clone()), name);
        for (name, component) in &mut self.stores {
            if let Some(ward) = outbound("stores", name) {
                component.store = Arc::new(Guarded::new(Arc::clone(&component.store), ward));
            }
        }
        let inbound = |section: &'static str, name: &String| {
            targets.iter().filter(is_for).find(|it| it.target == TargetName::Inbound(section, name.clone()))
        };
        for (name, component) in &mut self.topics {
            if let Some(TargetPolicy { policy, .. }) = inbound("topics", name) {
                component.policy.delivery = component.policy.delivery.under(policy);
                self.deliveries.insert(name.clone(), Arc::new(Inbound::new(name, policy, seed())));
            }
            if let Some(ward) = outbound("topics", name) {
                component.topics = Arc::new(Guarded::new(Arc::clone(&component.topics), ward));
            }
        }
        for (name, locks) in &mut self.locks {
            if let Some(ward) = outbound("locks", name) {
                *locks = Arc::new(Guarded::new(Arc::clone(locks), ward));
            }
        }
        for (name, secrets) in &mut self.secrets {
            if let Some(ward) = outbound("secrets", name) {
                *secrets = Arc::new(Guarded::new(Arc::clone(secrets), ward));
            }
        }
        for (name, configuration) in &mut self.configuration {
            if let Some(ward) = outbound("configuration", name) {
                *configuration = Arc::new(Guarded::new(Arc::clone(configuration), ward));
            }
        }
        for (name, binding) in &mut self.bindings {
            if let Some(ward) = outbound("bindings", name) {
                *binding = Arc::new(Guarded::new(Arc::clone(binding), ward));
            }
        }
        self.runs =
            inbound("jobs", &"jobs".to_owned()).map(|it| Arc::new(Inbound::new("jobs", &it.policy, seed())));
        for CronBinding { name, .. } in &self.cron {
            if let Some(ward) = ward(&TargetName::Inbound("bindings", name.clone()), name) {
                self.events.insert(name.clone(), ward);
            }
        }
        for target in &targets {
            if let TargetName::Service(name) = &target.target
                && let Some(ward) = ward(&target.target, name)
            {
                self.calls.entry(name.clone()).or_insert(ward);
            }
        }
    }

    /// What stands before the app where these topics bring it messages, if anything does.
    pub(crate) fn inbound(&self, topics: &str) -> Option<&Arc<Inbound>> {
        self.deliveries.get(topics)
    }

    /// What stands before the app where its jobs are run, if anything does.
    pub(crate) const fn runs(&self) -> Option<&Arc<Inbound>> {
        self.runs.as_ref()
    }

    /// What stands before the app where this binding tells it of something, if anything does.
    pub(crate) fn event_ward(&self, binding: &str) -> Option<&Arc<Ward>> {
        self.events.get(binding)
    }

    /// What stands before a service that the app calls, if anything does.
    pub(crate) fn call_ward(&self, service: &str) -> Option<&Ward> {
        self.calls.get(service).map(Arc::as_ref)
    }

    /// The apps whose subscriptions are all open, now and whenever there are more: what is published
    /// from then on passes none of them by.
    pub fn subscribed(&self) -> watch::Receiver<BTreeSet<String>> {
        self.said.subscribed.subscribe()
    }

    /// What was counted of each subscription that there was since the node was started.
    pub fn deliveries(&self) -> Vec<DeliveryMetrics> {
        let tallies = self.said.tallies.lock().unwrap_or_else(PoisonError::into_inner);
        let now = clock::wall();
        let read =
            |(place, tally): (&[String; 3], &Arc<Tally>)| tally.read(place.each_ref().map(|it| &**it), now);
        tallies.iter().map(read).collect()
    }

    /// The counts of a subscription, by app, topics and topic.
    pub(crate) fn tally(&self, place: [&str; 3]) -> Arc<Tally> {
        let mut tallies = self.said.tallies.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(tallies.entry(place.map(str::to_owned)).or_default())
    }

    pub(crate) fn note_subscribed(&self, app: &str) {
        self.said.subscribed.send_modify(|apps| {
            apps.insert(app.to_owned());
        });
    }

    pub(crate) fn remember(&self, app: &str, subscriptions: Vec<Subscription>) {
        let mut all = self.said.subscriptions.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(app.to_owned(), subscriptions);
    }

    pub(crate) fn subscriptions_of(&self, app: &str) -> Vec<Subscription> {
        let all = self.said.subscriptions.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(app).cloned().unwrap_or_default()
    }

    /// From now on, an app's streams are served by whoever has this.
    pub(crate) fn serve_streams(&self, app: &str) -> mpsc::Receiver<NewStream> {
        let (streams, new) = mpsc::channel(streams::WAITING_MAX);
        self.said.streams.lock().unwrap_or_else(PoisonError::into_inner).insert(app.to_owned(), streams);
        new
    }

    /// What the deliveries of all apps share.
    pub(crate) fn shares(&self) -> &Shares {
        &self.said.shares
    }

    /// Makes an app the one that works off a queue, unless another is; who is that, if so.
    pub(crate) fn claim(&self, queue: (String, String), app: &str) -> Result<(), String> {
        let mut workers = self.said.workers.lock().unwrap_or_else(PoisonError::into_inner);
        let (worker, times) = workers.entry(queue).or_insert_with(|| (app.to_owned(), 0));
        if worker != app {
            return Err(worker.clone());
        }
        *times += 1;
        Ok(())
    }

    /// Ends what [`Components::claim`] began.
    pub(crate) fn let_go(&self, queue: &(String, String)) {
        let mut workers = self.said.workers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, times)) = workers.get_mut(queue) {
            *times -= 1;
            if *times == 0 {
                workers.remove(queue);
            }
        }
    }

    /// Where an app's streams are served, if they are.
    pub(crate) fn streams_of(&self, app: &str) -> Option<mpsc::Sender<NewStream>> {
        self.said.streams.lock().unwrap_or_else(PoisonError::into_inner).get(app).cloned()
    }

    /// Sets a key of an app's metadata; says no where there is no room for another.
    pub(crate) fn extend(&self, app: &str, key: &str, text: &str) -> bool {
        let mut all = self.said.extended.lock().unwrap_or_else(PoisonError::into_inner);
        let extended = all.entry(app.to_owned()).or_default();
        let has_room = extended.len() < EXTENSIONS_MAX || extended.contains_key(key);
        if has_room {
            extended.insert(key.to_owned(), text.to_owned());
        }
        has_room
    }

    pub(crate) fn extended_of(&self, app: &str) -> BTreeMap<String, String> {
        let all = self.said.extended.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(app).cloned().unwrap_or_default()
    }
}
