//! Cron as an input binding: services that want it are told of each time of its schedule. A time that goes
//! by while the node or the service is down is not told later; a job would be.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use floodway_blocks::invoke::Invoke;
use floodway_policy::Rng;
use floodway_policy::calendar::{Moment, Zone};
use floodway_policy::operation::{Answer, Event, Failed};
use floodway_policy::retry::Backoff;
use floodway_policy::schedule::Schedule;
use http::header::{HeaderName, HeaderValue};
use http::{Method, StatusCode};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::components::Components;
use crate::listen::log_panic;
use crate::path;
use crate::resilience::Ward;
use crate::to_app::{Tell, TellError, ToApp};
use crate::zone::zone;

/// A binding of the system file to the node's clock.
#[derive(Debug, Clone)]
pub struct CronBinding {
    /// Its name.
    pub name: String,
    /// When services are told.
    pub schedule: Schedule,
    /// The path at which they are; the name where it is `None`.
    pub route: Option<String>,
}

/// Time for a service's answer.
const ANSWER_MAX: Duration = Duration::from_mins(1);
/// How often an app that is not ready is looked at.
const READY_PAUSE: Duration = Duration::from_millis(20);
/// Waits between questions that failed.
const ASK: Backoff = Backoff { initial: Duration::from_millis(200), max: Duration::from_secs(5) };
/// The clock of the machine may be set: it is looked at this often.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Tells an app of the times of all cron bindings that it wants, until `shutdown`. One per app and node.
/// Must run in a `LocalSet`.
pub async fn run_cron(
    app: String,
    components: Arc<Components>,
    invoke: Rc<dyn Invoke>,
    token: Option<String>,
    shutdown: CancellationToken,
) {
    let app = ToApp::new(&app, invoke, token.as_deref());
    let mut tasks = JoinSet::new();
    for binding in &components.cron {
        let Some(zone) = zone(binding.schedule.zone()) else {
            let (name, zone) = (&binding.name, binding.schedule.zone());
            tracing::error!(name, zone, "there is no such time zone: the binding is not served");
            continue;
        };
        let ward = components.event_ward(&binding.name).cloned();
        let (app, binding, shutdown) = (app.clone(), binding.clone(), shutdown.clone());
        tasks.spawn_local(async move {
            shutdown.run_until_cancelled(serve(app, binding, zone, ward)).await;
        });
    }
    while let Some(ended) = tasks.join_next().await {
        log_panic(ended);
    }
}

async fn serve(app: ToApp, binding: CronBinding, zone: Box<dyn Zone>, ward: Option<Arc<Ward>>) {
    let path = path_of(&binding);
    if !wants(&app, &path).await {
        return;
    }
    tracing::info!(app = &*app.name, binding = binding.name, "the service is told of the binding's times");
    let mut last = clock::moment();
    while let Some(next) = binding.schedule.next(last, last.max(clock::moment()), &*zone) {
        wait_until(next).await;
        tell(&app, &binding, &path, ward.as_deref()).await;
        last = next;
    }
}

fn path_of(binding: &CronBinding) -> String {
    match &binding.route {
        Some(route) => {
            let segments = route.split('/').filter(|segment| !segment.is_empty());
            let segments: Vec<String> = segments.map(|segment| path::encoded(segment).to_string()).collect();
            format!("/{}", segments.join("/"))
        }
        None => format!("/{}", path::encoded(&binding.name)),
    }
}

/// Asks a service whether it wants a binding: as in Dapr, a 2xx or a 405 means yes.
async fn wants(app: &ToApp, path: &str) -> bool {
    let (mut rng, mut failures) = (Rng::new(0), 0);
    loop {
        while !app.invoke.is_ready(&app.name) {
            tokio::time::sleep(READY_PAUSE).await;
        }
        let probe = Tell { method: Method::OPTIONS, ..Tell::post(path.to_owned(), Bytes::new()) };
        match app.tell(probe, ANSWER_MAX).await {
            Ok(status) if status.is_server_error() => {
                tracing::warn!(
                    app = &*app.name,
                    path,
                    status = status.as_u16(),
                    "could not ask for a binding"
                );
            }
            Ok(status) => return status.is_success() || status == StatusCode::METHOD_NOT_ALLOWED,
            Err(error) => tracing::debug!(%error, app = &*app.name, path, "could not ask for a binding"),
        }
        failures += 1;
        tokio::time::sleep(ASK.wait(failures, &mut rng)).await;
    }
}

async fn wait_until(moment: Moment) {
    loop {
        let left = moment.since(clock::moment());
        if left.is_zero() {
            return;
        }
        tokio::time::sleep(left.min(LOOK_EVERY)).await;
    }
}

async fn tell(app: &ToApp, binding: &CronBinding, path: &str, ward: Option<&Ward>) {
    let mut tell = Tell::post(path.to_owned(), Bytes::new());
    let zone = binding.schedule.zone().unwrap_or("UTC");
    let now = clock::rfc3339(clock::wall()).unwrap_or_default();
    for (name, value) in [("timezone", zone), ("readtimeutc", now.as_str())] {
        if let Ok(value) = HeaderValue::from_str(value) {
            tell.headers.push((HeaderName::from_static(name), value));
        }
    }
    let name = &binding.name;
    let told = match ward {
        Some(ward) => ward.run(|| app.tell(tell.clone(), ANSWER_MAX), judge).await,
        None => Ok(app.tell(tell, ANSWER_MAX).await),
    };
    let told = match told {
        Ok(told) => told,
        Err(why) => return tracing::warn!(app = &*app.name, name, ?why, "a binding's event was not taken"),
    };
    match told {
        Ok(status) if status.is_success() => {}
        Ok(status) => {
            tracing::warn!(
                app = &*app.name,
                name,
                status = status.as_u16(),
                "a binding's event was not taken"
            );
        }
        Err(TellError::Unreachable(app)) => {
            tracing::debug!(app = &*app, name, "nobody was there for an event");
        }
        Err(error) => tracing::warn!(%error, app = &*app.name, name, "a binding's event did not arrive"),
    }
}

/// What a try came to, for the policy of the binding.
fn judge(told: Option<&Result<StatusCode, TellError>>) -> Event {
    let answer = match told {
        Some(Ok(status)) if status.is_success() => return Event::Succeeded,
        Some(Ok(status)) => Answer::Http(status.as_u16()),
        Some(Err(TellError::Unreachable(_))) => Answer::Unreached,
        Some(Err(TellError::Failed(_))) | None => Answer::None,
    };
    Event::Failed(Failed { answer, repeatable: true })
}
