//! Heads as the store keeps them: only what others may have, in one piece of memory of their own.

use bytes::{BufMut, BytesMut};
use floodway_policy::http_cache::{Headers, TAG_HEADERS, Wall, is_kept, is_updated};
use http::header::{AGE, CONTENT_LENGTH, DATE, HeaderMap, HeaderName, HeaderValue};

/// A head, shown to decisions.
#[derive(Debug)]
pub(super) struct Head<'a>(pub(super) &'a HeaderMap);

impl Headers for Head<'_> {
    fn values<'a>(&'a self, name: &'static str) -> impl Iterator<Item = &'a [u8]> {
        self.0.get_all(name).iter().map(HeaderValue::as_bytes)
    }

    fn values_of<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.0.get_all(name).iter().map(HeaderValue::as_bytes)
    }
}

/// A copy of what is stored of a head. A header as it came is a view of a whole read buffer, which it
/// would keep.
pub(super) fn compact(headers: &HeaderMap, excluded: &[String]) -> HeaderMap {
    let is_stored = |name: &HeaderName| {
        let name = name.as_str();
        is_kept(name) && !TAG_HEADERS.contains(&name) && !excluded.iter().any(|excluded| excluded == name)
    };
    let stored = || headers.iter().filter(|(name, _)| is_stored(name));
    let mut block = BytesMut::with_capacity(stored().map(|(_, value)| value.len()).sum());
    stored().for_each(|(_, value)| block.put_slice(value.as_bytes()));
    let mut block = block.freeze();
    let mut kept = HeaderMap::with_capacity(stored().count());
    for (name, value) in stored() {
        let value = block.split_to(value.len());
        let value = HeaderValue::from_maybe_shared(value).expect("it was a value before");
        kept.append(name.clone(), value);
    }
    kept
}

/// The stored head with what a 304 or the answer to a HEAD says anew. With its age, for decisions.
pub(super) fn updated(stored: &HeaderMap, new: &HeaderMap) -> HeaderMap {
    let mut merged = stored.clone();
    for name in new.keys().filter(|name| is_updated(name.as_str()) || *name == AGE) {
        merged.remove(name);
        for value in new.get_all(name) {
            merged.append(name.clone(), value.clone());
        }
    }
    if !new.contains_key(DATE) {
        merged.remove(DATE);
    }
    merged
}

/// Says when the response was made, if it does not itself (RFC 9110 §6.6.1).
pub(super) fn date(headers: &mut HeaderMap, now: Wall) {
    if !headers.contains_key(DATE) {
        let seconds = u64::try_from(now.0).unwrap_or_default();
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        let text = httpdate::fmt_http_date(time);
        headers.insert(DATE, HeaderValue::from_str(&text).expect("a date is plain text"));
    }
}

/// The length that a head declares, where it is one number.
pub(super) fn declared_len(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
