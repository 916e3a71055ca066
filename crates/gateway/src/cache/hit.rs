//! A hit that needs nothing of its request but to be found: no copy is made of the request's head or of what
//! is stored, and the answer's head is there as bytes.

use std::fmt::Write as _;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use floodway_policy::http_cache::{CachePolicy, CacheStatus, Headers, Verdict, decide};
use http::StatusCode;
use http::header::HeaderMap;

use super::Store;
use super::store::{Cached, Found, KeyRef};
use crate::worker::Worker;

/// Names of fields by which a request asks for something else than the whole response.
const CONDITIONS: [&str; 6] =
    ["if-none-match", "if-modified-since", "if-match", "if-unmodified-since", "if-range", "range"];

/// A fresh response that answers a GET.
#[derive(Debug)]
pub(crate) struct Hit {
    cached: Arc<Cached>,
    age: u64,
    ttl: i64,
}

impl Hit {
    /// Looks for what answers a GET without conditions; nothing where there is none, or more is to be done
    /// than to send it. `host` is in lower case.
    pub(crate) fn find(
        worker: &Worker,
        policy: &CachePolicy,
        is_https: bool,
        host: &str,
        target: &str,
        request: &impl Headers,
    ) -> Option<Self> {
        if CONDITIONS.iter().any(|name| request.first(name).is_some()) {
            return None;
        }
        let store: &Store = &worker.cache;
        let now = store.now();
        let found = store.find_by(&KeyRef { is_https, host, target }, request, now);
        match decide(request, found.asked(), policy, now) {
            Verdict::Serve => {}
            Verdict::ServeAndRefresh | Verdict::Ask(_) | Verdict::Refuse => return None,
        }
        let Found::Fit(cached) = found else { return None };
        store.tally(worker.cache_place).hit();
        let (age, ttl) = (cached.facts.age(now).as_secs(), cached.facts.ttl(now));
        Some(Self { cached, age, ttl })
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.cached.status
    }

    /// Writes the head, without what belongs to the connection and without the empty line.
    pub(crate) fn write_head(&self, out: &mut BytesMut) {
        let said = CacheStatus { ttl: Some(self.ttl), ..CacheStatus::default() };
        out.put_slice(&self.cached.lines);
        write!(out, "age: {}\r\ncache-status: {said}\r\n", self.age).expect("a buffer takes all text");
    }

    pub(crate) fn body(&self) -> &Bytes {
        &self.cached.body
    }
}

/// The status line and the fields as HTTP/1.1 has them.
pub(super) fn lines(status: StatusCode, headers: &HeaderMap) -> Bytes {
    let fields = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
    let mut out = BytesMut::with_capacity(64 + fields.sum::<usize>());
    let reason = status.canonical_reason().unwrap_or_default();
    write!(out, "HTTP/1.1 {} {reason}\r\n", status.as_u16()).expect("a buffer takes all text");
    for (name, value) in headers {
        out.put_slice(name.as_str().as_bytes());
        out.put_slice(b": ");
        out.put_slice(value.as_bytes());
        out.put_slice(b"\r\n");
    }
    out.freeze()
}
