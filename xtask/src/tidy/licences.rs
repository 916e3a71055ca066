//! What our dependencies allow, where they come from, and which we do not want.

use cargo_metadata::Metadata;

use super::Finding;

const ALLOWED: [&str; 13] = [
    "MIT",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "Unicode-3.0",
    "MPL-2.0",
    "Unlicense",
    "CC0-1.0",
    "0BSD",
    "BSL-1.0",
];

/// Crates that are not wanted, and what to use.
const BANNED: [(&str, &str); 5] = [
    ("openssl-sys", "rustls"),
    ("native-tls", "rustls"),
    ("serde_yaml", "saphyr"),
    ("lazy_static", "std::sync::LazyLock"),
    ("chrono", "jiff"),
];

pub(super) fn check(metadata: &Metadata) -> Vec<Finding> {
    let mut findings = Vec::new();
    let direct: Vec<&str> = metadata
        .workspace_packages()
        .iter()
        .flat_map(|package| &package.dependencies)
        .map(|dependency| dependency.name.as_str())
        .collect();
    for package in &metadata.packages {
        let finding = |message| {
            Finding::new("Cargo.lock", 0, format!("{} {}: {message}", package.name, package.version))
        };
        let licence = package.license.as_deref().unwrap_or_default();
        if !is_allowed(licence) {
            findings.push(finding(format!("its licence `{licence}` is not on the list")));
        }
        let is_ours = metadata.workspace_members.contains(&package.id);
        if !is_ours && !package.source.as_ref().is_some_and(cargo_metadata::Source::is_crates_io) {
            findings.push(finding("it does not come from crates.io".to_owned()));
        }
        if let Some((_, instead)) =
            BANNED.iter().find(|(name, _)| package.name == *name && direct.contains(name))
        {
            findings.push(finding(format!("it is not wanted here; use {instead}")));
        }
    }
    findings
}

/// Whether an SPDX expression leaves a choice that is allowed: one side of each OR, both of each AND.
fn is_allowed(expression: &str) -> bool {
    let expression = expression.replace('/', " OR ");
    let is_good = |term: &str| match term.trim().strip_prefix('(').and_then(|term| term.strip_suffix(')')) {
        Some(inner) => is_allowed(inner),
        None => ALLOWED.contains(&term.trim()),
    };
    split(&expression, " OR ").into_iter().any(|choice| split(choice, " AND ").into_iter().all(is_good))
}

/// Splits at an operator outside of parentheses.
fn split<'a>(expression: &'a str, operator: &str) -> Vec<&'a str> {
    let mut parts = Vec::new();
    let mut start = 0;
    for (at, _) in expression.match_indices(operator) {
        let before = expression.get(start..at).unwrap_or_default();
        if before.matches('(').count() == before.matches(')').count() {
            parts.push(before);
            start = at + operator.len();
        }
    }
    parts.push(expression.get(start..).unwrap_or_default());
    parts
}

#[cfg(test)]
mod tests {
    use super::is_allowed;

    #[test]
    fn reads_choices_and_conjunctions() {
        for good in [
            "MIT",
            "MIT OR GPL-3.0",
            "Unlicense/MIT",
            "MIT AND Apache-2.0",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
        ] {
            assert!(is_allowed(good), "{good}");
        }
        for bad in
            ["", "GPL-3.0", "MIT AND GPL-3.0", "(MIT OR Apache-2.0) AND GPL-2.0", "AGPL-3.0 OR SSPL-1.0"]
        {
            assert!(!is_allowed(bad), "{bad}");
        }
    }
}
