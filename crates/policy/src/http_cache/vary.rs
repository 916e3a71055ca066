//! Which requests a stored response stands for (RFC 9111 §4.1).

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use super::Headers;
use super::list;

/// A response that varies on more is not stored.
const NAMES_MAX: usize = 16;

/// What the request of a stored response had in the fields that it varies on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Vary {
    fields: Vec<(String, Option<Box<[u8]>>)>,
}

impl Vary {
    /// `None` where the response stands for no other request.
    pub(super) fn new(response: &impl Headers, request: &impl Headers) -> Option<Self> {
        let mut fields: Vec<(String, Option<Box<[u8]>>)> = Vec::new();
        for name in response.values("vary").flat_map(list::members) {
            if name.contains(&b'*') || fields.len() == NAMES_MAX {
                return None;
            }
            let name = core::str::from_utf8(name).ok()?.to_ascii_lowercase();
            if fields.iter().all(|(known, _)| *known != name) {
                let value = normalised(&name, request);
                fields.push((name, value));
            }
        }
        Some(Self { fields })
    }

    /// Whether a request has the same in all of the fields. Allocates nothing where they are the same to
    /// the letter.
    pub(super) fn matches(&self, request: &impl Headers) -> bool {
        self.fields.iter().all(|(name, stored)| {
            let mut values = request.values_of(name);
            match (stored, values.next(), values.next()) {
                (None, None, _) => true,
                (Some(stored), Some(only), None) if **stored == *only => true,
                (Some(stored), Some(_), _) => normalised(name, request).as_ref() == Some(stored),
                (None, Some(_), _) | (Some(_), None, _) => false,
            }
        })
    }

    pub(super) fn size(&self) -> usize {
        self.fields.iter().map(|(name, value)| name.len() + value.as_ref().map_or(0, |v| v.len()) + 64).sum()
    }
}

/// The values as one list without the space around its members; in lower case where the field's own
/// definition says that case means nothing (RFC 9110 §12.5.3, RFC 4647 §2). Order is kept: services read
/// it as preference.
fn normalised(name: &str, request: &impl Headers) -> Option<Box<[u8]>> {
    let mut all: Option<Vec<u8>> = None;
    for value in request.values_of(name) {
        let joined = all.get_or_insert_default();
        for member in list::members(value) {
            if !joined.is_empty() {
                joined.push(b',');
            }
            joined.extend_from_slice(member);
        }
    }
    let mut all = all?;
    if matches!(name, "accept-language" | "accept-encoding" | "accept-charset") {
        all.make_ascii_lowercase();
    }
    Some(all.into())
}
