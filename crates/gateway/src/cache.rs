//! The HTTP cache of the routes that have one. What is done with a request is decided by
//! `policy::http_cache`; here it is looked up, sent on, stored and served.
//!
//! ```text
//! look up ─▶ decide ─▶ serve
//!              ├─────▶ serve, and refresh beside
//!              └─────▶ wait for who asks the same ─▶ look up again
//!                  └─▶ ask the service ─▶ 304: freshen and serve
//!                                      ├▶ failed: serve stale, if it may be
//!                                      └▶ relay, and store what passes
//! ```

mod fetch;
mod flights;
mod head;
mod hit;
mod serve;
mod store;
mod tally;
mod tee;

use std::rc::Rc;
use std::sync::Arc;

use floodway_policy::Time;
use floodway_policy::http_cache::{
    Asked, CachePolicy, CacheStatus, Forwarded, Verdict, decide, invalidates, is_safe, local_target,
};
use floodway_policy::snapshot::{CallPolicy, RoutePolicy};
use http::header::{CONTENT_LOCATION, HeaderMap, IF_MATCH, IF_UNMODIFIED_SINCE, LOCATION, RANGE, UPGRADE};
use http::{Method, Request, Response, StatusCode, request};
use http_body::Body as _;
use tokio::time::timeout_at;

use crate::body::{RequestBody, ResponseBody};
use crate::head::strip_hop_by_hop;
use crate::perform::{Standing, perform};
use crate::respond::Problem;
use crate::worker::Worker;
use fetch::Fetch;
use flights::{Landing, Lead, Place};
use head::Head;
use serve::Served;
use store::{Cached, Found, Key};

pub(crate) use hit::Hit;
pub(crate) use store::Store;
pub(crate) use tally::TallyPlace;
pub(crate) use tee::Tee;

pub use store::{Purge, PurgeBy};
pub use tally::CacheCounts;

/// A request to a route with a cache.
#[derive(Debug, Clone)]
struct Asking {
    worker: Rc<Worker>,
    policy: CachePolicy,
    call: CallPolicy,
    standing: Standing,
    key: Key,
    head: Rc<request::Parts>,
}

/// Whether a request to this route is more than to be passed on: it can be answered from the store, or
/// change what is stored.
pub(crate) fn concerns(worker: &Worker, route: &RoutePolicy, method: &str) -> bool {
    route.cache.is_some() || (worker.snapshot.cache_bytes_max.is_some() && !is_safe(method))
}

/// Answers a request from the store, or sends it on and stores what comes back. `balance` is for the
/// choice of the endpoint.
pub(crate) async fn answer(
    worker: &Rc<Worker>,
    policy: CachePolicy,
    call: CallPolicy,
    standing: Standing,
    request: Request<RequestBody>,
) -> Result<Response<ResponseBody>, Problem> {
    let Some(key) = Key::of(&request).filter(|_| is_eligible(&request)) else {
        return pass(worker, call, standing, request).await;
    };
    let (head, _empty) = request.into_parts();
    let asking = Asking { worker: Rc::clone(worker), policy, call, standing, key, head: Rc::new(head) };
    asking.answer().await
}

/// Sends on what is not cached: by its method, or because it is more than a GET.
async fn pass(
    worker: &Rc<Worker>,
    call: CallPolicy,
    standing: Standing,
    request: Request<RequestBody>,
) -> Result<Response<ResponseBody>, Problem> {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let why = if is_read { Forwarded::Bypass } else { Forwarded::Method };
    let change = Change::of(worker, &request);
    worker.cache.tally(worker.cache_place).forwarded();
    let mut response = perform(worker, call, standing, request).await?;
    if let Some(change) = change {
        change.happened(response.status(), response.headers());
    }
    strip_hop_by_hop(response.headers_mut());
    serve::say(response.headers_mut(), CacheStatus { forwarded: Some(why), ..CacheStatus::default() });
    Ok(response.map(ResponseBody::Relay))
}

/// Whether the cache may stand in for the service: a plain GET or HEAD. A condition on what the service
/// has now is not for a cache to judge (RFC 9111 §4.3.2).
fn is_eligible(request: &Request<RequestBody>) -> bool {
    let headers = request.headers();
    matches!(*request.method(), Method::GET | Method::HEAD)
        && request.body().is_end_stream()
        && ![IF_MATCH, IF_UNMODIFIED_SINCE, UPGRADE].iter().any(|name| headers.contains_key(name))
}

// === impl Asking ===

impl Asking {
    async fn answer(self) -> Result<Response<ResponseBody>, Problem> {
        let store = &self.worker.cache;
        let until = self.worker.clock.instant(self.worker.clock.now().after(self.policy.wait));
        let mut lead: Option<Lead> = None;
        let mut waited = None;
        let mut may_wait = !self.policy.wait.is_zero();
        loop {
            let now = store.now();
            let found = store.find(&self.key, &self.head.headers, now);
            let verdict = decide(&Head(&self.head.headers), found.asked(), &self.policy, now);
            let why = match (verdict, &found) {
                (Verdict::Serve, Found::Fit(cached)) => return Ok(self.serve(cached, waited)),
                (Verdict::ServeAndRefresh, Found::Fit(cached)) => {
                    self.refresh(cached);
                    return Ok(self.serve(cached, waited));
                }
                (Verdict::Refuse, _) => return Err(Problem::NotCached),
                (Verdict::Ask(why), _) => why,
                // Only what was found is served.
                (Verdict::Serve | Verdict::ServeAndRefresh, _) => Forwarded::UriMiss,
            };
            if lead.is_none() && may_wait && self.may_share(&found) {
                match store.flights.join(&self.key) {
                    // Another may have landed since the look: the next one is sure.
                    Place::Lead(own) => {
                        lead = Some(own);
                        continue;
                    }
                    Place::Follow(mut flight) => {
                        waited = Some(why);
                        let landing = timeout_at(until, flight.landed()).await;
                        may_wait = matches!(landing, Ok(Landing::Abandoned));
                        continue;
                    }
                }
            }
            let fetch = Fetch { asking: &self, why, lead };
            return fetch.run(found).await;
        }
    }

    /// `waited` says why the request would have been sent on, had another not been.
    fn serve(&self, cached: &Cached, waited: Option<Forwarded>) -> Response<ResponseBody> {
        let tally = self.worker.cache.tally(self.worker.cache_place);
        if waited.is_some() {
            tally.collapsed();
        } else {
            tally.hit();
        }
        let said =
            CacheStatus { forwarded: waited, is_collapsed: waited.is_some(), ..CacheStatus::default() };
        Served { store: &self.worker.cache, request: &self.head, cached }.response(said)
    }

    /// Brings a new response in the place of a stale one, unless somebody does already.
    fn refresh(&self, cached: &Arc<Cached>) {
        let Place::Lead(lead) = self.worker.cache.flights.join(&self.key) else { return };
        let mut head = self.head.as_ref().clone();
        head.method = Method::GET;
        head.headers.remove(RANGE);
        // Nobody waits for it.
        let standing = Standing { gives_up: Time::NEVER, ..self.standing };
        let asking = Self { head: Rc::new(head), standing, ..self.clone() };
        let found = Found::Fit(Arc::clone(cached));
        self.worker.tasks.spawn(async move { asking.bring(lead, found).await });
    }

    async fn bring(self, lead: Lead, found: Found) {
        let fetch = Fetch { asking: &self, why: Forwarded::Stale, lead: Some(lead) };
        // What it brings is in the store, and what it fails by was counted.
        if let Ok(response) = fetch.run(found).await {
            tee::drain(&self.worker, self.call.timeout, response.into_body()).await;
        }
    }

    /// Whether what comes for this request is a whole response, as others could have it.
    fn is_whole(&self) -> bool {
        self.head.method == Method::GET && !self.head.headers.contains_key(RANGE)
    }

    /// Whether this request and others that ask the same can have one response: not if it is for one of
    /// them, or must be validated for each.
    fn may_share(&self, found: &Found) -> bool {
        self.is_whole()
            && match found {
                Found::Nothing { is_pass } | Found::Others { is_pass } => !is_pass,
                Found::Fit(cached) => !cached.facts.is_always_validated(),
            }
    }
}

// === impl Found ===

impl Found {
    fn asked(&self) -> Asked<'_> {
        match self {
            Self::Nothing { .. } => Asked::Nothing,
            Self::Others { .. } => Asked::Others,
            Self::Fit(cached) => Asked::Found(&cached.facts),
        }
    }
}

/// A request that may change what is stored for its target (RFC 9111 §4.4). Costs routes without a cache
/// a look at the method.
#[derive(Debug)]
pub(crate) struct Change {
    worker: Rc<Worker>,
    method: Method,
    key: Key,
}

impl Change {
    /// `None` where it is safe, or nothing is cached.
    pub(crate) fn of(worker: &Rc<Worker>, request: &Request<RequestBody>) -> Option<Self> {
        if is_safe(request.method().as_str()) || worker.snapshot.cache_bytes_max.is_none() {
            return None;
        }
        let (method, key) = (request.method().clone(), Key::of(request)?);
        Some(Self { worker: Rc::clone(worker), method, key })
    }

    /// Takes out what the answer says has changed.
    pub(crate) fn happened(&self, status: StatusCode, answer: &HeaderMap) {
        if !invalidates(self.method.as_str(), status.as_u16()) {
            return;
        }
        self.worker.cache.invalidate(&self.key);
        for name in [LOCATION, CONTENT_LOCATION] {
            let location = answer.get(name).and_then(|value| value.to_str().ok());
            if let Some(target) = location.and_then(|location| local_target(&self.key.host, location)) {
                self.worker.cache.invalidate(&self.key.beside(target));
            }
        }
    }
}
