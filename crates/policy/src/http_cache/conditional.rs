//! Conditions of a request, held against a stored response (RFC 9111 §4.3.2, RFC 9110 §13).

use super::Headers;
use super::date::Wall;
use super::list;
use super::storing::Stored;

/// Whether the client has what is stored already: the answer is 304. `now` is the wall clock's.
pub fn is_not_modified(request: &impl Headers, stored: &Stored, now: Wall) -> bool {
    if request.first("if-none-match").is_some() {
        let mut tags = request.values("if-none-match").flat_map(list::members);
        return tags.any(|tag| tag == b"*" || stored.etag.as_deref().is_some_and(|etag| is_same(etag, tag)));
    }
    let since = request.first("if-modified-since").and_then(|text| Wall::parse(text, now));
    since.is_some_and(|since| stored.last_modified.unwrap_or(stored.date) <= since)
}

/// Whether the client may be given a part of what is stored: it names no other state of it (RFC 9110
/// §13.1.5). Comparison is strong.
pub fn may_use_range(request: &impl Headers, stored: &Stored) -> bool {
    let Some(condition) = request.first("if-range") else { return true };
    let is_etag = condition.starts_with(b"\"") || condition.starts_with(b"W/");
    if is_etag {
        return !condition.starts_with(b"W/") && stored.etag.as_deref() == Some(condition);
    }
    stored.last_modified_text.as_deref() == Some(condition) && stored.is_long_unmodified()
}

impl Stored {
    /// Whether a 304 speaks of this response: it names no other entity tag (RFC 9111 §4.3.4).
    pub fn agrees(&self, not_modified: &impl Headers) -> bool {
        match (self.etag.as_deref(), not_modified.first("etag")) {
            (Some(ours), Some(theirs)) => is_same(ours, theirs),
            (None, Some(theirs)) => theirs.starts_with(b"W/"),
            (_, None) => true,
        }
    }

    /// Whether a HEAD's response describes the same body: if not, what is stored is out of date (RFC 9111
    /// §4.3.5).
    pub fn agrees_with_head(&self, head: &impl Headers, body_len: u64) -> bool {
        let len = head.first("content-length").and_then(list::seconds);
        len.is_none_or(|len| u64::from(len) == body_len)
            && head.first("etag") == self.etag.as_deref()
            && head.first("last-modified") == self.last_modified_text.as_deref()
    }

    /// A date of whole seconds tells states apart only if a second has passed (RFC 9110 §8.8.2.2).
    fn is_long_unmodified(&self) -> bool {
        self.last_modified.is_some_and(|modified| self.date.since(modified).as_secs() >= 1)
    }
}

/// The weak comparison (RFC 9110 §8.8.3.2).
fn is_same(a: &[u8], b: &[u8]) -> bool {
    opaque(a) == opaque(b)
}

fn opaque(tag: &[u8]) -> &[u8] {
    tag.strip_prefix(b"W/").unwrap_or(tag)
}
