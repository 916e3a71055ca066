//! What an app subscribes to, and what follows when its replicas are others than those that were asked: a new
//! version may subscribe to other topics, or take them elsewhere.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use floodway_blocks::subscription::Subscription;
use floodway_policy::delivery::SETTLING;
use floodway_policy::{Rng, Time};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{ASK, App, Opening, READY_PAUSE};
use crate::listen::log_panic;
use crate::subscription;

/// How often it is seen whether replicas have changed.
const LOOK_PAUSE: Duration = Duration::from_millis(100);
/// They are asked once they have been the same for so long: in a rollout one follows the other.
const STEADY: Duration = Duration::from_secs(1);

/// An app's replicas as they were last seen; shared by all that delivers to it.
#[derive(Debug)]
pub(super) struct Roster {
    seen: Cell<u64>,
    changed: Cell<Time>,
}

/// The subscriptions that are served, by topics component and topic.
#[derive(Debug, Default)]
struct Served {
    open: BTreeMap<(String, String), Serving>,
    tasks: JoinSet<()>,
}

/// One subscription that is served.
#[derive(Debug)]
struct Serving {
    subscription: Subscription,
    /// Ends it.
    end: CancellationToken,
    /// It has ended.
    over: CancellationToken,
}

// === impl Roster ===

impl Roster {
    pub(super) fn new() -> Rc<Self> {
        Rc::new(Self { seen: Cell::new(0), changed: Cell::new(Time::ZERO) })
    }

    /// When they were last seen to change.
    pub(super) fn changed(&self) -> Time {
        self.changed.get()
    }

    fn look(&self, app: &App) {
        let now = app.invoke.roster(&app.name);
        if self.seen.replace(now) != now {
            self.changed.set(app.clock.now());
        }
    }
}

// === impl App ===

impl App {
    /// Asks it what it subscribes to, and serves that, for as long as it is there.
    pub(super) async fn deliver_by_routes(&self) {
        let mut served = Served::default();
        let keep = async {
            loop {
                let (asked, subscriptions) = self.discover().await;
                served.change(self, subscription::with_declared(subscriptions, &self.components.declared));
                self.until_others(asked, served.open.is_empty()).await;
            }
        };
        // Never ends by itself.
        self.shutdown.run_until_cancelled(keep).await.unwrap_or(());
        while let Some(ended) = served.tasks.join_next().await {
            log_panic(ended);
        }
    }

    /// Asks the app for its subscriptions until it answers; also which replicas there were then.
    async fn discover(&self) -> (u64, Vec<Subscription>) {
        let mut rng = Rng::new(0);
        let mut failures = 0;
        loop {
            while !self.invoke.is_ready(&self.name) {
                tokio::time::sleep(READY_PAUSE).await;
            }
            self.roster.look(self);
            let asked = self.roster.seen.get();
            match self.ask().await {
                Ok(subscriptions) => return (asked, subscriptions),
                Err(why) => {
                    failures += 1;
                    tracing::warn!(app = &*self.name, why, "could not learn what an app subscribes to");
                    tokio::time::sleep(ASK.wait(failures, &mut rng)).await;
                }
            }
        }
    }

    /// Waits until the replicas are others than those that were asked, and change no more for a while. An app that
    /// named no subscriptions may have been asked too early: it is asked once more when it has had time.
    async fn until_others(&self, asked: u64, has_none: bool) {
        let was_early = has_none && self.clock.now().since(self.roster.changed()) < SETTLING;
        loop {
            tokio::time::sleep(LOOK_PAUSE).await;
            self.roster.look(self);
            let steady = self.clock.now().since(self.roster.changed());
            let is_other = self.roster.seen.get() != asked && steady >= STEADY;
            if self.invoke.is_ready(&self.name) && (is_other || (was_early && steady >= SETTLING)) {
                return;
            }
        }
    }
}

// === impl Served ===

impl Served {
    /// Serves these from now on. What has vanished or changed is ended; what has changed begins anew when it has
    /// ended, with the messages that it left.
    fn change(&mut self, app: &App, subscriptions: Vec<Subscription>) {
        app.components.remember(&app.name, subscriptions.clone());
        let opening = Rc::new(Opening { app: app.clone() });
        let mut before = std::mem::take(&mut self.open);
        for subscription in subscriptions {
            let place = (subscription.topics.clone(), subscription.topic.clone());
            let former = before.remove(&place);
            let serving = match former {
                Some(former) if former.subscription == subscription => former,
                former => self.serve(app, subscription, former, &opening),
            };
            self.open.insert(place, serving);
        }
        for ((topics, topic), gone) in before {
            tracing::info!(app = &*app.name, topics, topic, "an app subscribes to a topic no more");
            gone.end.cancel();
        }
        while let Some(ended) = self.tasks.try_join_next() {
            log_panic(ended);
        }
    }

    fn serve(
        &mut self,
        app: &App,
        subscription: Subscription,
        former: Option<Serving>,
        opening: &Rc<Opening>,
    ) -> Serving {
        let (end, over) = (app.shutdown.child_token(), CancellationToken::new());
        let serving = Serving { subscription: subscription.clone(), end: end.clone(), over: over.clone() };
        let (app, opening) = (App { shutdown: end, ..app.clone() }, Rc::clone(opening));
        self.tasks.spawn_local(async move {
            let _over = over.drop_guard();
            if let Some(former) = former {
                former.end.cancel();
                former.over.cancelled().await;
            }
            app.serve(subscription, opening).await;
        });
        serving
    }
}
