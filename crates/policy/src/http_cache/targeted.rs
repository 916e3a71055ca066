//! Cache directives for gateways and content delivery networks alone (RFC 9213): a dictionary of
//! structured fields (RFC 9651), which says all there is to say or, where it is not well formed, nothing.

use alloc::vec::Vec;
use core::time::Duration;

use super::Headers;
use super::directives::ResponseDirectives;
use super::list;

const NAME: &str = "cdn-cache-control";

/// A value that a directive can have.
enum Item {
    True,
    Seconds(u32),
    /// Well formed, but of no type that a directive has.
    Other,
}

/// What the targeted field says; `None` where there is none, or it is empty or malformed.
pub(super) fn parse(headers: &impl Headers) -> Option<ResponseDirectives> {
    let mut members = Vec::new();
    for value in headers.values(NAME).filter(|value| !list::trim(value).is_empty()) {
        // Other than in a list, an empty member is an error.
        for member in list::split_all(value) {
            if member.is_open {
                return None;
            }
            members.push(member_of(member.text)?);
        }
    }
    let mut all = ResponseDirectives::default();
    for (name, item) in &members {
        add(&mut all, name, item);
    }
    (!members.is_empty()).then_some(all)
}

fn add(all: &mut ResponseDirectives, name: &[u8], item: &Item) {
    let time = || match item {
        Item::Seconds(seconds) => Duration::from_secs((*seconds).into()),
        Item::True | Item::Other => Duration::ZERO,
    };
    match name {
        // The last of two wins in a dictionary (RFC 9651 §4.2.2).
        b"max-age" => all.max_age = Some(time()),
        b"s-maxage" => all.s_maxage = Some(time()),
        b"stale-while-revalidate" => all.stale_while_revalidate = Some(time()),
        b"stale-if-error" => all.stale_if_error = Some(time()),
        b"no-store" => all.no_store = true,
        b"no-cache" => all.no_cache = true,
        b"private" => all.private = true,
        b"public" => all.public = matches!(item, Item::True),
        b"must-revalidate" | b"proxy-revalidate" => all.must_revalidate = true,
        b"must-understand" => all.must_understand = true,
        _ => {}
    }
}

/// `key`, `key=item`, either with parameters, which mean nothing here.
fn member_of(text: &[u8]) -> Option<(&[u8], Item)> {
    let key_len = text.iter().position(|byte| !is_key(*byte)).unwrap_or(text.len());
    let (key, rest) = text.split_at(key_len);
    if !key.first().is_some_and(|byte| byte.is_ascii_lowercase() || *byte == b'*') {
        return None;
    }
    match rest.split_first() {
        None | Some((b';', _)) => Some((key, Item::True)),
        Some((b'=', value)) => Some((key, item(bare(value))?)),
        Some(_) => None,
    }
}

fn bare(value: &[u8]) -> &[u8] {
    value.split(|byte| *byte == b';').next().unwrap_or_default()
}

fn item(text: &[u8]) -> Option<Item> {
    match text {
        b"?1" => Some(Item::True),
        b"?0" | [b'"' | b'(' | b':' | b'@' | b'*', ..] => Some(Item::Other),
        [b'-', digits @ ..] => list::seconds(digits).map(|_| Item::Other),
        [first, ..] if first.is_ascii_digit() => match text.iter().position(|byte| *byte == b'.') {
            None => list::seconds(text).map(Item::Seconds),
            Some(dot) => text.get(dot + 1..).and_then(list::seconds).map(|_| Item::Other),
        },
        [first, rest @ ..] if first.is_ascii_alphabetic() => {
            rest.iter().all(u8::is_ascii_graphic).then_some(Item::Other)
        }
        _ => None,
    }
}

const fn is_key(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-' | b'.' | b'*')
}
