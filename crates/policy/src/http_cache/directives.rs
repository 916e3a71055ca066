//! `Cache-Control` (RFC 9111 §5.2, RFC 5861).

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use super::Headers;
use super::list::{self, Member};

/// What a response says of how it may be cached.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "the directives are independent words")]
pub(super) struct ResponseDirectives {
    pub(super) max_age: Option<Duration>,
    pub(super) s_maxage: Option<Duration>,
    pub(super) no_store: bool,
    pub(super) no_cache: bool,
    pub(super) private: bool,
    pub(super) public: bool,
    pub(super) must_revalidate: bool,
    pub(super) must_understand: bool,
    pub(super) stale_while_revalidate: Option<Duration>,
    pub(super) stale_if_error: Option<Duration>,
    /// Fields that `no-cache` or `private` name, in lower case: they are not stored.
    pub(super) excluded: Vec<String>,
}

/// What a request says of which response it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RequestDirectives {
    /// No older than this.
    pub max_age: Option<Duration>,
    /// Fresh for this long at least.
    pub min_fresh: Option<Duration>,
    /// Stale for this long at most.
    pub max_stale: Option<Duration>,
    /// Nothing that was not validated.
    pub no_cache: bool,
    /// What comes back is not to be stored.
    pub no_store: bool,
    /// Nothing that is not stored.
    pub only_if_cached: bool,
}

/// A directive's name and value.
struct Directive<'a> {
    name: &'a [u8],
    value: Value<'a>,
}

enum Value<'a> {
    None,
    Is(&'a [u8]),
    /// There is one that breaks the syntax.
    Malformed,
}

// === impl ResponseDirectives ===

impl ResponseDirectives {
    pub(super) fn parse<'a>(values: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut all = Self::default();
        for member in values.flat_map(list::split) {
            // Whatever stands behind an open quote, `no-store` may be in it.
            all.no_store |= member.is_open;
            all.add(&directive(member));
        }
        all
    }

    fn add(&mut self, Directive { name, value }: &Directive<'_>) {
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        match () {
            () if is("max-age") => agree(&mut self.max_age, value.duration()),
            () if is("s-maxage") => agree(&mut self.s_maxage, value.duration()),
            () if is("stale-while-revalidate") => agree(&mut self.stale_while_revalidate, value.duration()),
            () if is("stale-if-error") => agree(&mut self.stale_if_error, value.duration()),
            () if is("no-store") => self.no_store = true,
            () if is("no-cache") => self.no_cache |= !self.exclude(value),
            () if is("private") => self.private |= !self.exclude(value),
            () if is("public") => self.public = true,
            () if is("must-revalidate") || is("proxy-revalidate") => self.must_revalidate = true,
            () if is("must-understand") => self.must_understand = true,
            () => {}
        }
    }

    /// Takes the fields that a directive is limited to; `false` where it holds for the whole response.
    fn exclude(&mut self, value: &Value<'_>) -> bool {
        let Value::Is(names) = value else { return false };
        let names: Vec<_> = names
            .split(|byte| *byte == b',')
            .map(list::trim)
            .filter(|name| !name.is_empty())
            .map(|name| String::from_utf8_lossy(name).to_ascii_lowercase())
            .collect();
        let any = !names.is_empty();
        self.excluded.extend(names);
        any
    }
}

// === impl RequestDirectives ===

impl RequestDirectives {
    /// Reads those of a request. `Pragma: no-cache` counts only without `Cache-Control` (RFC 9111 §5.4).
    pub fn of(headers: &impl Headers) -> Self {
        let mut all = Self::default();
        for member in headers.values("cache-control").flat_map(list::split) {
            all.no_store |= member.is_open;
            all.add(&directive(member));
        }
        if headers.first("cache-control").is_none() {
            let mut pragmas = headers.values("pragma").flat_map(list::members);
            all.no_cache = pragmas.any(|pragma| pragma.eq_ignore_ascii_case(b"no-cache"));
        }
        all
    }

    fn add(&mut self, Directive { name, value }: &Directive<'_>) {
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        match () {
            () if is("max-age") => agree(&mut self.max_age, value.duration()),
            () if is("min-fresh") => agree(&mut self.min_fresh, value.duration()),
            () if is("max-stale") => {
                let stale = match value {
                    Value::None => Duration::MAX,
                    _ => value.duration(),
                };
                agree(&mut self.max_stale, stale);
            }
            () if is("no-cache") => self.no_cache = true,
            () if is("no-store") => self.no_store = true,
            () if is("only-if-cached") => self.only_if_cached = true,
            () => {}
        }
    }
}

impl Value<'_> {
    /// A malformed time is none at all: the response is stale (RFC 9111 §4.2.1).
    fn duration(&self) -> Duration {
        let seconds = match self {
            Self::Is(text) => list::seconds(text),
            Self::None | Self::Malformed => None,
        };
        Duration::from_secs(seconds.unwrap_or_default().into())
    }
}

/// Where a directive comes twice and differs, the response is stale (RFC 9111 §4.2.1).
fn agree(known: &mut Option<Duration>, new: Duration) {
    *known = match *known {
        Some(old) if old != new => Some(Duration::ZERO),
        _ => Some(new),
    };
}

fn directive(member: Member<'_>) -> Directive<'_> {
    let Some(equals) = member.text.iter().position(|byte| *byte == b'=') else {
        return Directive { name: member.text, value: Value::None };
    };
    let (name, value) = member.text.split_at(equals);
    let value = value.get(1..).unwrap_or_default();
    // A name is known even with space behind it, so that `no-store` never goes unseen.
    let has_space = name != list::trim(name) || value != list::trim(value);
    let value = match value {
        _ if has_space => Value::Malformed,
        [b'"', inner @ .., b'"'] => Value::Is(inner),
        _ if value.is_empty() || value.contains(&b'"') => Value::Malformed,
        _ => Value::Is(value),
    };
    Directive { name: list::trim(name), value }
}
