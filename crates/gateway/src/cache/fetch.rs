//! A request that is sent on, and what becomes of its answer.

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use floodway_policy::fallback::StandIn;
use floodway_policy::http_cache::{
    CacheStatus, Failing, Forwarded, Moments, NotStored, Stored, is_not_modified, judge, tags,
};
use http::header::{HeaderMap, HeaderName, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, TRANSFER_ENCODING};
use http::{Method, Request, Response, StatusCode};
use http_body::Body as _;

use super::flights::{Landing, Lead};
use super::head::{self, Head};
use super::hit::lines;
use super::serve::{self, Served};
use super::store::{Cached, Found, Stamp};
use super::tee::{self, Filling, Passed, Tee};
use super::{Asking, Store};
use crate::body::{RequestBody, ResponseBody};
use crate::head::strip_hop_by_hop;
use crate::perform::{Refused, Relay, perform};
use crate::respond::Problem;
use crate::sticky;

/// A request on its way to the service.
#[derive(Debug)]
pub(super) struct Fetch<'a> {
    pub(super) asking: &'a Asking,
    pub(super) why: Forwarded,
    /// Others wait for what it brings.
    pub(super) lead: Option<Lead>,
}

/// An answer, and in which state of the store it was asked for.
struct Came {
    response: Response<Relay>,
    moments: Moments,
    stamp: Stamp,
    /// The conditions of the client were not sent on.
    is_unconditional: bool,
    /// Its end is told from a connection that broke.
    is_framed: bool,
}

impl Fetch<'_> {
    pub(super) async fn run(self, found: Found) -> Result<Response<ResponseBody>, Problem> {
        let asking = self.asking;
        let store = &asking.worker.cache;
        let stamp = store.stamp(&asking.key);
        let (request, is_unconditional) = self.request(&found);
        store.tally(asking.worker.cache_place).forwarded();
        let asked = store.now();
        let came = perform(&asking.worker, asking.call, asking.standing, request).await;
        let stale = match found {
            Found::Fit(cached) => Some(cached),
            Found::Nothing { .. } | Found::Others { .. } => None,
        };
        let mut response = match came {
            Ok(response) => response,
            Err(refused) => return self.failed(stale, refused),
        };
        let moments = Moments { asked, answered: store.now(), answered_wall: store.wall() };
        let is_framed = response.body().size_hint().exact().is_some()
            || response.headers().contains_key(TRANSFER_ENCODING);
        strip_hop_by_hop(response.headers_mut());
        let came = Came { response, moments, stamp, is_unconditional, is_framed };
        Ok(self.answered(stale, came))
    }

    /// What is sent, and whether it leaves out the client's conditions: they are held against what comes
    /// back, which can then be stored for all.
    fn request(&self, found: &Found) -> (Request<RequestBody>, bool) {
        let head = &*self.asking.head;
        let mut request = Request::new(RequestBody::Empty);
        *request.method_mut() = head.method.clone();
        *request.uri_mut() = head.uri.clone();
        *request.headers_mut() = head.headers.clone();
        let headers = request.headers_mut();
        let is_unconditional = match found {
            Found::Fit(_) => true,
            Found::Nothing { is_pass } | Found::Others { is_pass } => self.asking.is_whole() && !is_pass,
        };
        if is_unconditional {
            headers.remove(IF_NONE_MATCH);
            headers.remove(IF_MODIFIED_SINCE);
        }
        if let Found::Fit(cached) = found {
            let (etag, modified) = cached.facts.validators();
            set(headers, IF_NONE_MATCH, etag);
            set(headers, IF_MODIFIED_SINCE, modified);
        }
        (request, is_unconditional)
    }

    fn failed(
        mut self,
        stale: Option<Arc<Cached>>,
        refused: Refused,
    ) -> Result<Response<ResponseBody>, Problem> {
        let said = self.said(None);
        self.land(Landing::Unshared);
        match stale.filter(|stale| stale.facts.covers(Failing::Silent, self.asking.worker.cache.now())) {
            Some(stale) => Ok(self.stand_in(&stale, said)),
            None => Err(refused.into()),
        }
    }

    fn answered(mut self, stale: Option<Arc<Cached>>, came: Came) -> Response<ResponseBody> {
        let status = came.response.status();
        let Some(stale) = stale else { return self.fresh(came) };
        if status == StatusCode::NOT_MODIFIED {
            return self.not_modified(&stale, &came);
        }
        let store = &self.asking.worker.cache;
        if stale.facts.covers(Failing::Status(status.as_u16()), store.now()) {
            let said = self.said(Some(status));
            self.land(Landing::Unshared);
            return self.stand_in(&stale, said);
        }
        if self.asking.head.method == Method::HEAD {
            return self.head(&stale, came);
        }
        // What came instead takes its place, if it can.
        if !status.is_server_error() {
            store.remove(&self.asking.key, &stale);
        }
        self.fresh(came)
    }

    /// What is stored is still good (RFC 9111 §4.3.4).
    fn not_modified(mut self, stale: &Arc<Cached>, came: &Came) -> Response<ResponseBody> {
        let mut said = self.said(Some(StatusCode::NOT_MODIFIED));
        let new = came.response.headers();
        if !stale.facts.agrees(&Head(new)) {
            self.land(Landing::Unshared);
            return self.serve(stale, said);
        }
        let freshened = self.freshened(stale, came);
        said.is_stored = freshened.is_ok();
        self.land(if freshened.is_ok() { Landing::Stored } else { Landing::Unshared });
        match freshened {
            Ok(cached) => self.serve(&cached, said),
            Err(_) => self.serve(stale, said),
        }
    }

    /// The answer to a HEAD tells whether what is stored for GET is still good (RFC 9111 §4.3.5).
    fn head(self, stale: &Arc<Cached>, came: Came) -> Response<ResponseBody> {
        let new = Head(came.response.headers());
        let is_good = came.response.status() == stale.status
            && stale.facts.agrees_with_head(&new, stale.body.len() as u64);
        let said = self.said(None);
        if is_good {
            drop(self.freshened(stale, &came));
        } else {
            self.asking.worker.cache.remove(&self.asking.key, stale);
        }
        relay(came.response, said)
    }

    /// Stores what is stored already, with a new head.
    fn freshened(&self, stale: &Arc<Cached>, came: &Came) -> Result<Arc<Cached>, NotStored> {
        let asking = self.asking;
        let store = &asking.worker.cache;
        let mut merged = head::updated(&stale.headers, came.response.headers());
        head::date(&mut merged, came.moments.answered_wall);
        let (head, status) = (Head(&asking.head.headers), stale.status);
        match judge(&head, status.as_u16(), &Head(&merged), &asking.policy, came.moments) {
            Ok(facts) => {
                let headers = head::compact(&merged, facts.excluded());
                let named = tags(&Head(came.response.headers()));
                let tags = if named.is_empty() { stale.tags.clone() } else { named };
                let (lines, body) = (lines(status, &headers), stale.body.clone());
                let cached = Arc::new(Cached { facts, status, headers, lines, body, tags });
                store.insert(&asking.key, came.stamp, Arc::clone(&cached));
                Ok(cached)
            }
            Err(why) => {
                store.remove(&asking.key, stale);
                Err(why)
            }
        }
    }

    /// A response that takes no part in what was stored.
    fn fresh(mut self, mut came: Came) -> Response<ResponseBody> {
        let asking = self.asking;
        let store = Arc::clone(&asking.worker.cache);
        let mut said = self.said(None);
        let (facts, passed) = match self.storable(&store, &came) {
            Ok(storable) => storable,
            Err(why) => {
                if came.is_unconditional && why.is_of_response() && !came.response.status().is_server_error()
                {
                    store.pass(&asking.key);
                }
                self.land(Landing::Unshared);
                return relay(came.response, said);
            }
        };
        if facts.is_always_validated() {
            self.land(Landing::Unshared);
        }
        said.is_stored = true;
        sticky::unbind(&mut came.response);
        head::date(came.response.headers_mut(), came.moments.answered_wall);
        let cached = Cached {
            status: came.response.status(),
            headers: head::compact(came.response.headers(), facts.excluded()),
            tags: tags(&Head(came.response.headers())),
            // Both come with the end of the body.
            body: Bytes::new(),
            lines: Bytes::new(),
            facts,
        };
        let held = self.held_by_client(&cached, &came).then(|| self.serve(&cached, said));
        let filling = Filling::new(cached, passed, asking.key.clone(), came.stamp, self.lead);
        let response = came.response.map(|body| ResponseBody::Teed(Box::new(Tee::new(body, filling))));
        let Some(not_modified) = held else { return with_status(response, said) };
        // What the client would not read is read for the store.
        let (worker, time) = (Rc::clone(&asking.worker), asking.call.timeout);
        asking.worker.tasks.spawn(async move { tee::drain(&worker, time, response.into_body()).await });
        not_modified
    }

    /// Whether the client has what came, and its condition was not sent on.
    fn held_by_client(&self, cached: &Cached, came: &Came) -> bool {
        let wall = came.moments.answered_wall;
        came.is_unconditional
            && cached.status.is_success()
            && is_not_modified(&Head(&self.asking.head.headers), &cached.facts, wall)
    }

    fn land(&mut self, landing: Landing) {
        if let Some(lead) = self.lead.take() {
            lead.land(landing);
        }
    }

    fn storable(&self, store: &Arc<Store>, came: &Came) -> Result<(Stored, Passed), NotStored> {
        let asking = self.asking;
        if asking.head.method != Method::GET {
            return Err(NotStored::ByRequest);
        }
        let (head, new) = (Head(&asking.head.headers), came.response.headers());
        let status = came.response.status().as_u16();
        let facts = judge(&head, status, &Head(new), &asking.policy, came.moments)?;
        let declared = head::declared_len(new);
        let passed = Passed::new(store, asking.policy.body_max, declared).filter(|_| came.is_framed);
        passed.map(|passed| (facts, passed)).ok_or(NotStored::Status)
    }

    /// Serves a stale response, as the service fails.
    fn stand_in(&self, stale: &Cached, said: CacheStatus) -> Response<ResponseBody> {
        let worker = &self.asking.worker;
        worker.cache.tally(worker.cache_place).stale();
        let mut response = self.serve(stale, said);
        response.extensions_mut().insert(StandIn::Stale);
        response
    }

    fn serve(&self, cached: &Cached, said: CacheStatus) -> Response<ResponseBody> {
        let asking = self.asking;
        Served { store: &asking.worker.cache, request: &asking.head, cached }.response(said)
    }

    fn said(&self, status: Option<StatusCode>) -> CacheStatus {
        CacheStatus {
            forwarded: Some(self.why),
            forwarded_status: status.map(|status| status.as_u16()),
            ..CacheStatus::default()
        }
    }
}

fn relay(response: Response<Relay>, said: CacheStatus) -> Response<ResponseBody> {
    with_status(response.map(ResponseBody::Relay), said)
}

fn with_status(mut response: Response<ResponseBody>, said: CacheStatus) -> Response<ResponseBody> {
    serve::say(response.headers_mut(), said);
    response
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: Option<&[u8]>) {
    if let Some(value) = value.and_then(|value| HeaderValue::from_bytes(value).ok()) {
        headers.insert(name, value);
    }
}
