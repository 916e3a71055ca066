//! Answers from what is stored: whole, a part, or that the client has it already.

use std::fmt::Write as _;

use bytes::{Bytes, BytesMut};
use floodway_policy::http_cache::{CacheStatus, Part, TAG_HEADERS, is_not_modified, may_use_range, part};
use http::header::{
    AGE, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_LOCATION, CONTENT_RANGE, DATE, ETAG, EXPIRES, HeaderMap,
    HeaderName, HeaderValue, LAST_MODIFIED, VARY,
};
use http::{Method, Response, StatusCode, request};

use super::Store;
use super::head::Head;
use super::store::Cached;
use crate::body::ResponseBody;

const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
/// What a 304 says (RFC 9110 §15.4.5).
const OF_NOT_MODIFIED: [HeaderName; 7] =
    [CACHE_CONTROL, CONTENT_LOCATION, DATE, ETAG, EXPIRES, LAST_MODIFIED, VARY];

/// A stored response on its way to a client.
#[derive(Debug)]
pub(super) struct Served<'a> {
    pub(super) store: &'a Store,
    pub(super) request: &'a request::Parts,
    pub(super) cached: &'a Cached,
}

impl Served<'_> {
    pub(super) fn response(&self, mut said: CacheStatus) -> Response<ResponseBody> {
        let now = self.store.now();
        let facts = &self.cached.facts;
        said.ttl = Some(facts.ttl(now));
        let mut response = self.without_age();
        let headers = response.headers_mut();
        headers.insert(AGE, facts.age(now).as_secs().into());
        say(headers, said);
        response
    }

    fn without_age(&self) -> Response<ResponseBody> {
        let head = Head(&self.request.headers);
        let is_success = self.cached.status.is_success();
        if is_success && is_not_modified(&head, &self.cached.facts, self.store.wall()) {
            return self.not_modified();
        }
        let len = self.cached.body.len() as u64;
        let is_get = self.request.method == Method::GET;
        if is_get && self.cached.status == StatusCode::OK && may_use_range(&head, &self.cached.facts) {
            match part(&head, len) {
                Part::Range { first, last } => return self.part(first, last),
                Part::Unsatisfiable => return self.unsatisfiable(),
                Part::Whole => {}
            }
        }
        let body = if is_get { self.cached.body.clone() } else { Bytes::new() };
        self.with(self.cached.status, self.cached.headers.clone(), body)
    }

    fn not_modified(&self) -> Response<ResponseBody> {
        let mut headers = HeaderMap::with_capacity(OF_NOT_MODIFIED.len());
        for name in OF_NOT_MODIFIED {
            for value in self.cached.headers.get_all(&name) {
                headers.append(name.clone(), value.clone());
            }
        }
        self.with(StatusCode::NOT_MODIFIED, headers, Bytes::new())
    }

    fn part(&self, first: u64, last: u64) -> Response<ResponseBody> {
        let mut headers = self.cached.headers.clone();
        let len = self.cached.body.len();
        headers.insert(CONTENT_RANGE, text(|out| write!(out, "bytes {first}-{last}/{len}")));
        headers.insert(CONTENT_LENGTH, (last - first + 1).into());
        let place = |at| usize::try_from(at).expect("it lies in a body in memory");
        let body = self.cached.body.slice(place(first)..=place(last));
        self.with(StatusCode::PARTIAL_CONTENT, headers, body)
    }

    fn unsatisfiable(&self) -> Response<ResponseBody> {
        let mut headers = HeaderMap::new();
        let len = self.cached.body.len();
        headers.insert(CONTENT_RANGE, text(|out| write!(out, "bytes */{len}")));
        self.with(StatusCode::RANGE_NOT_SATISFIABLE, headers, Bytes::new())
    }

    #[expect(clippy::unused_self, reason = "the answers of one response are made in one place")]
    fn with(&self, status: StatusCode, headers: HeaderMap, body: Bytes) -> Response<ResponseBody> {
        let body = (!body.is_empty()).then_some(body);
        let mut response = Response::new(ResponseBody::Own(body));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response
    }
}

/// Adds what the cache did (RFC 9211), and takes out what is for caches only.
pub(super) fn say(headers: &mut HeaderMap, said: CacheStatus) {
    for name in TAG_HEADERS {
        headers.remove(name);
    }
    headers.append(CACHE_STATUS, text(|out| write!(out, "{said}")));
}

fn text(write: impl FnOnce(&mut BytesMut) -> std::fmt::Result) -> HeaderValue {
    let mut out = BytesMut::with_capacity(64);
    write(&mut out).expect("a buffer takes all text");
    HeaderValue::from_maybe_shared(out.freeze()).expect("plain text")
}
