//! Which route a request takes, from its host, path and method.
//!
//! The most specific pattern that allows the method wins: one that names the host before one that does
//! not, then an exact path before a prefix, then a longer prefix before a shorter one.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// A route by its place in [`crate::Snapshot::routes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteId(pub u16);

/// The methods a pattern allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Methods(u16);

/// A path pattern of the system file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum PathPattern {
    /// This path and no other.
    Exact(String),
    /// Every path that starts with this text, which ends in a slash.
    Prefix(String),
}

/// What a request must look like to take a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// The host without port, in lower case; `None` for any.
    pub host: Option<String>,
    /// The path.
    pub path: PathPattern,
    /// The methods.
    pub methods: Methods,
}

/// What became of a look-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Routed {
    /// The request takes this route.
    To(RouteId),
    /// The path is known, but not with this method; these are allowed.
    MethodNotAllowed(Methods),
    /// Nothing matches.
    NotFound,
}

/// The compiled patterns.
#[derive(Debug, Clone, Default)]
pub struct Router {
    /// Sorted by host and path, so that each look-up is a few binary searches.
    entries: Vec<Entry>,
    names_hosts: bool,
}

#[derive(Debug, Clone)]
struct Entry {
    host: Option<String>,
    path: PathPattern,
    methods: Methods,
    route: RouteId,
}

/// A method that routes can name, with its bit.
const METHODS: [(&str, u16); 9] = [
    ("GET", 1),
    ("HEAD", 1 << 1),
    ("POST", 1 << 2),
    ("PUT", 1 << 3),
    ("DELETE", 1 << 4),
    ("PATCH", 1 << 5),
    ("OPTIONS", 1 << 6),
    ("TRACE", 1 << 7),
    ("CONNECT", 1 << 8),
];

// === impl Methods ===

impl Methods {
    /// Every method, those without a standard name included.
    pub const ALL: Self = Self(u16::MAX);
    /// Every method but TRACE.
    pub const ALL_BUT_TRACE: Self = Self(!(1 << 7));
    /// No method.
    pub const NONE: Self = Self(0);

    /// The set with `name` added; `None` for a name that is no standard method.
    #[must_use]
    pub fn with(self, name: &str) -> Option<Self> {
        let (_, bit) = METHODS.iter().find(|(method, _)| *method == name)?;
        Some(Self(self.0 | bit))
    }

    /// Whether a request with this method may pass. HEAD passes wherever GET does.
    pub fn allows(self, method: &str) -> bool {
        let bit = METHODS.iter().find(|(name, _)| *name == method).map_or(1 << 15, |(_, bit)| *bit);
        let head_by_get = method == "HEAD" && self.0 & 1 != 0;
        self.0 & bit != 0 || head_by_get
    }

    /// The names of the methods, for an `Allow` header.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        METHODS.iter().filter(move |(name, _)| self.allows(name)).map(|(name, _)| *name)
    }

    const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

// === impl PathPattern ===

impl PathPattern {
    /// Reads a pattern: a path that starts with a slash, where a trailing `/*` makes it a prefix.
    /// `None` where it is neither.
    pub fn parse(text: &str) -> Option<Self> {
        let pattern = match text.strip_suffix('*') {
            Some(prefix) if prefix.ends_with('/') => Self::Prefix(prefix.into()),
            Some(_) => return None,
            None => Self::Exact(text.into()),
        };
        let is_plain = text.starts_with('/') && !text.trim_end_matches('*').contains(['*', '?', '#']);
        is_plain.then_some(pattern)
    }

    const fn text(&self) -> &str {
        match self {
            Self::Exact(text) | Self::Prefix(text) => text.as_str(),
        }
    }

    const fn is_prefix(&self) -> bool {
        matches!(self, Self::Prefix(_))
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let star = if self.is_prefix() { "*" } else { "" };
        write!(f, "{}{star}", self.text())
    }
}

// === impl Pattern ===

/// As in `GET,PUT shop.example/orders/*`; what is not said stands for all.
impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = METHODS.iter().filter(|(_, bit)| self.methods.0 & bit != 0);
        for (place, (method, _)) in named.enumerate().take_while(|_| self.methods.0 & (1 << 15) == 0) {
            write!(f, "{}{method}", if place == 0 { "" } else { "," })?;
        }
        if self.methods.0 & (1 << 15) == 0 {
            f.write_str(" ")?;
        }
        write!(f, "{}{}", self.host.as_deref().unwrap_or_default(), self.path)
    }
}

// === impl Router ===

impl Router {
    /// Compiles the patterns; the first of two equal ones wins.
    pub fn new(patterns: impl IntoIterator<Item = (Pattern, RouteId)>) -> Self {
        let mut entries: Vec<Entry> = patterns
            .into_iter()
            .map(|(pattern, route)| Entry {
                host: pattern.host,
                path: pattern.path,
                methods: pattern.methods,
                route,
            })
            .collect();
        entries.sort_by(|a, b| a.key().cmp(&b.key()));
        let names_hosts = entries.iter().any(|entry| entry.host.is_some());
        Self { entries, names_hosts }
    }

    /// Finds the route of a request. `path` is without the query; `host` in lower case without port.
    /// O(depth of the path × log of the number of patterns); allocates nothing.
    pub fn find(&self, host: Option<&str>, path: &str, method: &str) -> Routed {
        let mut allowed = Methods::NONE;
        if self.names_hosts
            && host.is_some()
            && let Some(route) = self.find_under(host, path, method, &mut allowed)
        {
            return Routed::To(route);
        }
        if let Some(route) = self.find_under(None, path, method, &mut allowed) {
            return Routed::To(route);
        }
        if allowed == Methods::NONE { Routed::NotFound } else { Routed::MethodNotAllowed(allowed) }
    }

    fn find_under(
        &self,
        host: Option<&str>,
        path: &str,
        method: &str,
        allowed: &mut Methods,
    ) -> Option<RouteId> {
        let mut candidate = (path, false);
        loop {
            let (text, is_prefix) = candidate;
            for entry in self.entries_of((host, text, is_prefix)) {
                if entry.methods.allows(method) {
                    return Some(entry.route);
                }
                *allowed = allowed.union(entry.methods);
            }
            let shorter = if is_prefix { text.strip_suffix('/')? } else { text };
            let slash = shorter.rfind('/')?;
            candidate = (shorter.get(..=slash)?, true);
        }
    }

    fn entries_of<'a>(&'a self, key: (Option<&'a str>, &'a str, bool)) -> impl Iterator<Item = &'a Entry> {
        let start = self.entries.partition_point(|entry| entry.key() < key);
        self.entries.iter().skip(start).take_while(move |entry| entry.key() == key)
    }
}

impl Entry {
    fn key(&self) -> (Option<&str>, &str, bool) {
        (self.host.as_deref(), self.path.text(), self.path.is_prefix())
    }
}

#[cfg(test)]
mod tests;
