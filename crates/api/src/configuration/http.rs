//! Configuration over HTTP. Who subscribes gets a POST for each key that changes.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use floodway_blocks::configuration::{Changes, Item};
use floodway_blocks::invoke::Body;
use http::{Response, StatusCode};
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::ConfigurationError;
use crate::error::{ApiError, answer, no_content};
use crate::path;
use crate::server::{Api, Call};
use crate::to_app::{Tell, ToApp};

/// Subscriptions of one port.
const WATCHES_MAX: usize = 256;
/// Time for an app's answer to a change.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// A look that failed is made again after this time.
const FAILED_PAUSE: Duration = Duration::from_secs(2);

/// The subscriptions of a port, by their ids.
#[derive(Debug, Default)]
pub(crate) struct Watches {
    open: Rc<RefCell<BTreeMap<String, (String, CancellationToken)>>>,
    tasks: TaskTracker,
}

#[derive(Debug, Serialize)]
struct Shown<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    value: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    version: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metadata: &'a BTreeMap<String, String>,
}

#[derive(Debug, Serialize)]
struct Subscribed<'a> {
    id: &'a str,
}

#[derive(Debug, Serialize)]
struct Unsubscribed<'a> {
    ok: bool,
    #[serde(skip_serializing_if = "str::is_empty")]
    message: &'a str,
}

#[derive(Debug, Serialize)]
struct Event<'a> {
    id: &'a str,
    items: BTreeMap<&'a str, Shown<'a>>,
}

/// GET: 200 with the items there are, 204 where there are none.
pub(crate) async fn get(api: &Api, store: &str, call: &Call) -> Result<Response<Body>, ApiError> {
    let keys = path::values(call.request.uri(), "key");
    let items = super::get(&api.components, store, keys).await.map_err(|error| error_of(&error))?;
    if items.is_empty() {
        return Ok(no_content());
    }
    let items: BTreeMap<&str, Shown<'_>> =
        items.iter().map(|(key, item)| (key.as_str(), shown(item))).collect();
    Ok(answer(StatusCode::OK, &items))
}

/// GET: 200 with the id of the subscription.
pub(crate) async fn subscribe(api: &Api, store: &str, call: &Call) -> Result<Response<Body>, ApiError> {
    let keys = path::values(call.request.uri(), "key");
    if api.watches.open.borrow().len() >= WATCHES_MAX {
        let message = format!("the app has {WATCHES_MAX} subscriptions already: end one of them");
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        return Err(ApiError::new(status, "ERR_CONFIGURATION_SUBSCRIBE", message));
    }
    let changes = super::watch(&api.components, store, keys).await.map_err(|error| error_of(&error))?;
    let id = uuid::Uuid::new_v4().to_string();
    let app = ToApp::new(&api.caller.app, Rc::clone(&api.invoke), api.options.token.as_deref());
    api.watches.add(store, &id, changes, app);
    Ok(answer(StatusCode::OK, &Subscribed { id: &id }))
}

/// GET: 200 once the subscription is over.
pub(crate) fn unsubscribe(api: &Api, store: &str, id: &str) -> Result<Response<Body>, ApiError> {
    super::find(&api.components, store).map_err(|error| error_of(&error))?;
    let mut open = api.watches.open.borrow_mut();
    if open.get(id).is_some_and(|(of, _)| of == store)
        && let Some((_, token)) = open.remove(id)
    {
        token.cancel();
        return Ok(answer(StatusCode::OK, &Unsubscribed { ok: true, message: "" }));
    }
    let message =
        format!("failed to unsubscribe to configuration request {id}: there is no such subscription");
    Ok(answer(StatusCode::INTERNAL_SERVER_ERROR, &Unsubscribed { ok: false, message: &message }))
}

// === impl Watches ===

impl Watches {
    fn add(&self, store: &str, id: &str, changes: Box<dyn Changes>, app: ToApp) {
        let token = CancellationToken::new();
        self.open.borrow_mut().insert(id.to_owned(), (store.to_owned(), token.clone()));
        let (store, id) = (store.to_owned(), id.to_owned());
        self.tasks.spawn_local(async move {
            token.run_until_cancelled(follow(&store, &id, changes, app)).await;
        });
    }

    /// Ends all subscriptions.
    pub(crate) async fn close(&self) {
        let open = std::mem::take(&mut *self.open.borrow_mut());
        for (_, token) in open.into_values() {
            token.cancel();
        }
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Tells the app of each change, for as long as it is not ended.
async fn follow(store: &str, id: &str, mut changes: Box<dyn Changes>, app: ToApp) {
    loop {
        match changes.next().await {
            Ok(items) => tell(store, id, &items, &app).await,
            Err(error) => {
                tracing::warn!(%error, app = &*app.name, store, "could not look for changes of a configuration");
                tokio::time::sleep(FAILED_PAUSE).await;
            }
        }
    }
}

/// One POST for each key, each with all that has changed. What is gone has no value.
async fn tell(store: &str, id: &str, items: &BTreeMap<String, Option<Item>>, app: &ToApp) {
    let gone = Item::default();
    let shown = items.iter().map(|(key, item)| (key.as_str(), shown(item.as_ref().unwrap_or(&gone))));
    let event = Event { id, items: shown.collect() };
    let body = Bytes::from(serde_json::to_vec(&event).expect("our own events are JSON"));
    for key in items.keys() {
        let path = format!("/configuration/{}/{}", path::encoded(store), path::encoded(key));
        match app.tell(Tell::post(path, body.clone()), ANSWER_MAX).await {
            Ok(status) if status.is_success() => {}
            Ok(status) => {
                let status = status.as_u16();
                tracing::warn!(
                    app = &*app.name,
                    store,
                    key,
                    status,
                    "an app did not take a change of configuration"
                );
            }
            Err(error) => {
                tracing::warn!(%error, app = &*app.name, store, key, "a change of configuration did not arrive");
            }
        }
    }
}

fn shown(Item { value, version, metadata }: &Item) -> Shown<'_> {
    Shown { value, version, metadata }
}

pub(super) fn error_of(error: &ConfigurationError) -> ApiError {
    let (status, code) = match error {
        ConfigurationError::NotConfigured => {
            (StatusCode::INTERNAL_SERVER_ERROR, "ERR_CONFIGURATION_STORE_NOT_CONFIGURED")
        }
        ConfigurationError::NoStore(_) => (StatusCode::BAD_REQUEST, "ERR_CONFIGURATION_STORE_NOT_FOUND"),
        ConfigurationError::Failed { what, failure, .. } => {
            let code = if *what == "get" { "ERR_CONFIGURATION_GET" } else { "ERR_CONFIGURATION_SUBSCRIBE" };
            return ApiError::failed(code, &error.to_string(), failure);
        }
    };
    ApiError::new(status, code, error.to_string())
}
