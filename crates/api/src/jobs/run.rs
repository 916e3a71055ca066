//! Runs an app's jobs: each that is due is told to one of its replicas, and settled by what
//! `policy::job` makes of the answer.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use dapr::dapr::proto::runtime::v1::{JobEventRequest, JobEventResponse};
use floodway_blocks::Failure;
use floodway_blocks::invoke::{Invoke, InvokeError};
use floodway_blocks::jobs::{DueJob, DueJobs, Entry, Jobs, Version};
use floodway_policy::Rng;
use floodway_policy::calendar::Moment;
use floodway_policy::job::{Next, Outcome, unreachable_wait};
use floodway_policy::retry::Backoff;
use http::StatusCode;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::Code;

use super::JobData;
use super::stored::{Planned, Stored};
use crate::clock;
use crate::components::{Components, JobsComponent};
use crate::listen::log_panic;
use crate::path;
use crate::resilience::inbound::Inbound;
use crate::to_app::callback::{self, Refusal};
use crate::to_app::{Tell, TellError, ToApp};

/// How often an app that is not ready is looked at.
const READY_PAUSE: Duration = Duration::from_millis(20);
/// Waits between looks and settlements that failed.
const FAILED: Backoff = Backoff { initial: Duration::from_millis(50), max: Duration::from_secs(2) };
/// At the end, answers that are under way are waited for so long.
const GRACE: Duration = Duration::from_secs(5);

/// An app whose jobs are run.
#[derive(Debug, Clone)]
struct Runner {
    app: ToApp,
    jobs: Arc<dyn Jobs>,
    timeout: Duration,
    /// What stands before the app.
    inbound: Option<Arc<Inbound>>,
    is_by_grpc: bool,
    shutdown: CancellationToken,
}

/// How a try ended.
#[derive(Debug)]
enum Tried {
    /// The app was reached.
    Ended(Outcome),
    /// No replica took it: nothing was tried.
    Unreachable,
    /// The app is left alone for so long: nothing was tried.
    LeftAlone(Duration),
}

/// Runs an app's jobs until `shutdown`, as many at once as its component allows. One per app and node.
/// Must run in a `LocalSet`.
///
/// Runs that are under way when it ends, and not settled, come again.
pub async fn run_jobs(
    app: String,
    components: Arc<Components>,
    invoke: Rc<dyn Invoke>,
    token: Option<String>,
    shutdown: CancellationToken,
) {
    let Some(JobsComponent { jobs, timeout, in_flight_max }) = &components.jobs else { return };
    let (place, inbound) = (jobs.open(&app), components.runs().cloned());
    let is_by_grpc = components.by_grpc.contains(&app);
    let app = ToApp::new(&app, invoke, token.as_deref());
    let runner = Runner { app, jobs: Arc::clone(jobs), timeout: *timeout, inbound, is_by_grpc, shutdown };
    runner.run(place, usize::from((*in_flight_max).max(1))).await;
}

// === impl Runner ===

impl Runner {
    /// Takes jobs as there is room, and runs each in a task.
    async fn run(self, mut place: Box<dyn DueJobs>, window: usize) {
        let mut under_way = JoinSet::new();
        let (mut rng, mut failures) = (Rng::new(0), 0);
        loop {
            let room = window - under_way.len();
            tokio::select! {
                biased;
                () = self.shutdown.cancelled() => break,
                Some(ended) = under_way.join_next() => log_panic(ended),
                due = self.due(&mut *place, room), if room > 0 => match due {
                    Ok(due) => {
                        failures = 0;
                        for job in due {
                            under_way.spawn_local(self.clone().run_one(job));
                        }
                    }
                    Err(error) => {
                        failures += 1;
                        tracing::warn!(%error, app = &*self.app.name, "could not look for jobs that are due");
                        tokio::time::sleep(FAILED.wait(failures, &mut rng)).await;
                    }
                },
            }
        }
        let finish = async {
            while let Some(ended) = under_way.join_next().await {
                log_panic(ended);
            }
        };
        if tokio::time::timeout(GRACE, finish).await.is_err() {
            tracing::info!(app = &*self.app.name, "jobs under way will come again");
        }
    }

    /// What is due, once a replica can take it.
    async fn due(&self, place: &mut dyn DueJobs, most: usize) -> Result<Vec<DueJob>, Failure> {
        while !self.app.invoke.is_ready(&self.app.name) {
            tokio::time::sleep(READY_PAUSE).await;
        }
        place.due(most).await
    }

    /// Runs a job once and settles it. When the node ends first, it comes again.
    async fn run_one(self, job: DueJob) {
        let DueJob { name, entry, version } = job;
        let read = Stored::read(&entry.body).map_err(|error| error.to_string());
        let planned = read.and_then(|stored| Ok((stored.plan().map_err(|error| error.to_string())?, stored)));
        let (planned, stored) = match planned {
            Ok(planned) => planned,
            // It stays as it is: another version of the program may know more.
            Err(why) => return tracing::error!(app = &*self.app.name, name, why, "a job cannot be run"),
        };
        let Some((began, outcome)) = self.try_until_reached(&name, stored.spec.data.as_ref()).await else {
            return;
        };
        let next = next(&planned, stored, outcome, began);
        self.settle(&name, version, next).await;
    }

    /// Tries until a replica takes it; `None` when the node ends first.
    async fn try_until_reached(&self, name: &str, data: Option<&JobData>) -> Option<(Moment, Outcome)> {
        let (mut rng, mut tries) = (Rng::new(0), 0);
        loop {
            let began = clock::moment();
            match self.attempt_unless_left_alone(name, data).await {
                Tried::Ended(outcome) => return Some((began, outcome)),
                Tried::Unreachable => {
                    tries += 1;
                    let pause = tokio::time::sleep(unreachable_wait(tries, &mut rng));
                    self.shutdown.run_until_cancelled(pause).await?;
                }
                Tried::LeftAlone(left) => {
                    let pause = tokio::time::sleep(left.max(unreachable_wait(1, &mut rng)));
                    self.shutdown.run_until_cancelled(pause).await?;
                }
            }
        }
    }

    async fn attempt_unless_left_alone(&self, name: &str, data: Option<&JobData>) -> Tried {
        let attempt = self.attempt(name, data);
        let Some(inbound) = &self.inbound else { return attempt.await };
        let is_well = |tried: &Tried| matches!(tried, Tried::Ended(Outcome::Done | Outcome::NotFound));
        inbound.deliver(attempt, is_well).await.unwrap_or_else(Tried::LeftAlone)
    }

    async fn attempt(&self, name: &str, data: Option<&JobData>) -> Tried {
        let tried = if self.is_by_grpc { self.call(name, data).await } else { self.post(name, data).await };
        let app = &*self.app.name;
        match tried {
            Ok(outcome) => Tried::Ended(outcome),
            Err(TellError::Unreachable(_)) => Tried::Unreachable,
            Err(TellError::Failed(why)) => {
                tracing::warn!(app, name, why, "a job failed");
                Tried::Ended(Outcome::Failed)
            }
        }
    }

    async fn post(&self, name: &str, data: Option<&JobData>) -> Result<Outcome, TellError> {
        let body = data.map(JobData::body).unwrap_or_default();
        let tell = Tell::post(format!("/job/{}", path::encoded(name)), body);
        match self.app.tell(tell, self.timeout).await? {
            StatusCode::NOT_FOUND => Ok(self.not_found(name)),
            status if status.is_success() => Ok(Outcome::Done),
            status => Err(TellError::Failed(format!("it answered {status}"))),
        }
    }

    async fn call(&self, name: &str, data: Option<&JobData>) -> Result<Outcome, TellError> {
        let due = JobEventRequest {
            name: name.to_owned(),
            data: data.map(JobData::any),
            method: format!("job/{name}"),
            ..JobEventRequest::default()
        };
        let methods = [callback::ON_JOB, callback::ON_JOB_ALPHA];
        let call = self.app.call_by_either::<_, JobEventResponse>(methods, due);
        match tokio::time::timeout(self.timeout, call).await {
            Ok(Ok(JobEventResponse {})) => Ok(Outcome::Done),
            Ok(Err(Refusal::Status(status))) if status.code() == Code::NotFound => Ok(self.not_found(name)),
            Ok(Err(Refusal::Call(InvokeError::NoEndpoint { .. } | InvokeError::Unreachable { .. }))) => {
                Err(TellError::Unreachable(Rc::clone(&self.app.name)))
            }
            Ok(Err(refusal)) => Err(TellError::Failed(refusal.to_string())),
            Err(_elapsed) => Err(TellError::Failed(format!("it did not answer within {:?}", self.timeout))),
        }
    }

    fn not_found(&self, name: &str) -> Outcome {
        tracing::warn!(app = &*self.app.name, name, "the app does not know a job that was due");
        Outcome::NotFound
    }

    /// Settles until it is settled, or until the end: then the job comes again.
    async fn settle(&self, name: &str, version: Version, next: Option<Entry>) {
        let (mut rng, mut failures) = (Rng::new(version.0), 0);
        while let Err(error) = self.jobs.settle(&self.app.name, name, version, next.clone()).await {
            if self.shutdown.is_cancelled() {
                return;
            }
            failures += 1;
            tracing::warn!(%error, app = &*self.app.name, name, "could not settle a job");
            tokio::time::sleep(FAILED.wait(failures, &mut rng)).await;
        }
    }
}

/// What is kept of a job after a try; `None` if it is over.
fn next(planned: &Planned, stored: Stored, outcome: Outcome, began: Moment) -> Option<Entry> {
    let Planned { plan, zone } = planned;
    match plan.after(stored.run()?, outcome, began, clock::moment(), &**zone) {
        Next::Again(run) => stored.before(run).entry(),
        Next::Over => None,
    }
}
