//! What we depend on: under which licence, from where, and never what we have decided against.

use std::collections::BTreeSet;

use cargo_metadata::Metadata;

use super::{Mistake, spdx};

/// Licences that ask for no more than notice, and MPL, whose terms end at its own files.
const ALLOWED: [&str; 13] = [
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// What may not be linked at all, and what we use instead.
const BANNED: [(&str, &str); 3] =
    [("async-std", "tokio"), ("native-tls", "rustls"), ("openssl-sys", "rustls")];

/// What we do not name ourselves, and what we use instead; others may bring it.
const BANNED_DIRECTLY: [(&str, &str); 4] = [
    ("chrono", "jiff"),
    ("lazy_static", "std::sync::LazyLock"),
    ("serde_yaml", "saphyr-parser"),
    ("structopt", "clap"),
];

const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// One package we build with.
#[derive(Debug, Clone, Copy)]
struct Used<'a> {
    name: &'a str,
    licence: Option<&'a str>,
    /// `None` for a folder on this machine.
    source: Option<&'a str>,
    is_ours: bool,
    /// A manifest of ours names it.
    is_direct: bool,
}

/// Checks every package that any target of ours may be built with.
pub(crate) fn check(metadata: &Metadata) -> Vec<Mistake> {
    let ours = metadata.workspace_packages();
    let direct: BTreeSet<&str> =
        ours.iter().flat_map(|package| &package.dependencies).map(|named| named.name.as_str()).collect();
    let used = metadata.packages.iter().map(|package| Used {
        name: &package.name,
        licence: package.license.as_deref(),
        source: package.source.as_ref().map(|source| source.repr.as_str()),
        is_ours: metadata.workspace_members.contains(&package.id),
        is_direct: direct.contains(package.name.as_str()),
    });
    used.flat_map(of).collect()
}

fn of(used: Used<'_>) -> Vec<Mistake> {
    let mut found = Vec::new();
    let mut add = |what: String| found.push(Mistake::new(format!("dependency `{}`", used.name), what));
    match used.licence.map(|licence| (licence, spdx::is_met(licence, &ALLOWED))) {
        Some((_, Some(true))) => {}
        Some((licence, Some(false))) => add(format!("licence `{licence}` is not among the allowed")),
        Some((licence, None)) => add(format!("licence `{licence}` is no SPDX expression")),
        None => add("names no licence".to_owned()),
    }
    if !used.is_ours && used.source != Some(CRATES_IO) {
        add(format!("comes from {}, not from crates.io", used.source.unwrap_or("a folder")));
    }
    let direct = if used.is_direct { &BANNED_DIRECTLY[..] } else { &[] };
    if let Some((_, instead)) = BANNED.iter().chain(direct).find(|(name, _)| *name == used.name) {
        add(format!("is banned: use {instead}"));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: Used<'_> = Used {
        name: "bytes",
        licence: Some("MIT OR Apache-2.0"),
        source: Some(CRATES_IO),
        is_ours: false,
        is_direct: false,
    };

    fn only(used: Used<'_>) -> String {
        let found = of(used);
        assert_eq!(found.len(), 1, "{found:?}");
        found[0].what.clone()
    }

    #[test]
    fn allows_permissive_crates_from_crates_io() {
        assert_eq!(of(GOOD), []);
        assert_eq!(of(Used { name: "floodway", source: None, is_ours: true, ..GOOD }), []);
    }

    #[test]
    fn refuses_other_licences() {
        assert!(only(Used { licence: Some("GPL-3.0-only"), ..GOOD }).contains("GPL-3.0-only"));
        assert!(only(Used { licence: Some("see the file"), ..GOOD }).contains("SPDX"));
        assert!(only(Used { licence: None, ..GOOD }).contains("no licence"));
    }

    #[test]
    fn refuses_other_sources() {
        assert!(only(Used { source: Some("git+https://example.com/x"), ..GOOD }).contains("git+"));
        assert!(only(Used { source: None, ..GOOD }).contains("a folder"));
    }

    #[test]
    fn refuses_what_is_banned_and_says_what_to_use() {
        assert_eq!(only(Used { name: "openssl-sys", ..GOOD }), "is banned: use rustls");
        let old = Used { name: "lazy_static", is_direct: true, ..GOOD };
        assert_eq!(only(old), "is banned: use std::sync::LazyLock");
        assert_eq!(of(Used { is_direct: false, ..old }), [], "others may bring it");
    }
}
