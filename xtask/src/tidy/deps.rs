//! What the manifests say, beside what they may say.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{Dependency, DependencyKind, Metadata, Package};

use super::Mistake;
use super::matrix::{self, Import};
use crate::workspace::TextFile;

const TABLE: &str = "ARCHITECTURE.md";

/// Crates that decide or describe: they perform no I/O.
const PURE: [&str; 4] = ["policy", "workload", "system", "blocks"];

/// Crates that perform I/O, run tasks or read clocks.
const IO: [&str; 19] = [
    "async-std",
    "axum",
    "fjall",
    "hyper",
    "hyper-util",
    "libc",
    "mio",
    "nix",
    "polling",
    "rand",
    "redb",
    "reqwest",
    "rustix",
    "smol",
    "socket2",
    "tempfile",
    "tokio",
    "tokio-util",
    "tracing",
];

/// The feature that brings the conformance suite, which performs I/O as every test may.
const CONFORMANCE: &str = "conformance";

/// The name of one of our packages in the table.
fn short(package: &str) -> &str {
    // The client is known by its whole name, as its users know it.
    if package == "floodway-client" { package } else { package.strip_prefix("floodway-").unwrap_or(package) }
}

/// Compares the table with the manifests.
pub(crate) fn imports(files: &[TextFile], metadata: &Metadata) -> Vec<Mistake> {
    let Some(file) = files.iter().find(|file| file.path == TABLE) else {
        return vec![Mistake::new(TABLE, "is missing")];
    };
    let packages = metadata.workspace_packages();
    let members: BTreeSet<_> = packages.iter().map(|package| short(&package.name).to_owned()).collect();
    let found: Vec<_> = packages.iter().flat_map(|package| ours(package, &members)).collect();
    match matrix::parse(file) {
        Ok(matrix) => matrix.check(TABLE, &members, &found),
        Err(mistakes) => mistakes,
    }
}

/// What a package names of ours.
fn ours(package: &Package, members: &BTreeSet<String>) -> Vec<Import> {
    let from = short(&package.name);
    let named = package.dependencies.iter().filter(|dependency| dependency.path.is_some());
    named
        .map(|dependency| Import {
            from: from.to_owned(),
            to: short(&dependency.name).to_owned(),
            is_dev: dependency.kind == DependencyKind::Development,
        })
        .filter(|import| import.to != from && members.contains(&import.to))
        .collect()
}

/// No crate that decides may name one that performs I/O.
pub(crate) fn purity(metadata: &Metadata) -> Vec<Mistake> {
    let pure =
        metadata.workspace_packages().into_iter().filter(|package| PURE.contains(&short(&package.name)));
    pure.flat_map(|package| {
        let named =
            package.dependencies.iter().filter(|dependency| dependency.kind == DependencyKind::Normal);
        impure(&package.name, named, &package.features)
    })
    .collect()
}

fn impure<'a>(
    package: &str,
    named: impl Iterator<Item = &'a Dependency>,
    features: &BTreeMap<String, Vec<String>>,
) -> Vec<Mistake> {
    named
        .filter(|dependency| IO.contains(&dependency.name.as_str()))
        .filter(|dependency| !(dependency.optional && only_for_conformance(&dependency.name, features)))
        .map(|dependency| {
            Mistake::new(package, format!("decides or describes, so it may not import `{}`", dependency.name))
        })
        .collect()
}

fn only_for_conformance(dependency: &str, features: &BTreeMap<String, Vec<String>>) -> bool {
    let wanted = [format!("dep:{dependency}"), dependency.to_owned()];
    features
        .iter()
        .all(|(name, brings)| name == CONFORMANCE || !brings.iter().any(|word| wanted.contains(word)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dependency(name: &str, optional: bool) -> Dependency {
        let text = format!(
            r#"{{"name":"{name}","source":null,"req":"*","kind":null,"rename":null,"optional":{optional},
                "uses_default_features":true,"features":[],"target":null,"registry":null,"path":null}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    fn features(text: &str) -> BTreeMap<String, Vec<String>> {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn refuses_io_in_crates_that_decide() {
        let named = [dependency("tokio", false), dependency("serde", false)];
        let found = impure("floodway-policy", named.iter(), &features("{}"));
        assert_eq!(
            found,
            [Mistake::new("floodway-policy", "decides or describes, so it may not import `tokio`")]
        );
    }

    #[test]
    fn allows_io_only_for_the_conformance_suite() {
        let named = [dependency("tokio", true)];
        assert!(impure("a", named.iter(), &features(r#"{"conformance":["dep:tokio"]}"#)).is_empty());
        assert_eq!(impure("a", named.iter(), &features(r#"{"fast":["dep:tokio"]}"#)).len(), 1);
        let always = [dependency("tokio", false)];
        assert_eq!(impure("a", always.iter(), &features(r#"{"conformance":["dep:tokio"]}"#)).len(), 1);
    }

    #[test]
    fn knows_crates_by_their_short_names() {
        assert_eq!(
            ["floodway-gateway", "floodway-client", "floodway", "shop"].map(short),
            ["gateway", "floodway-client", "floodway", "shop"]
        );
    }
}
