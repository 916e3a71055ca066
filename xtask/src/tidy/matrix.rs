//! Who may import whom: the list in ARCHITECTURE.md against the manifests.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata};

use super::{Finding, numbered};

/// What each crate of ours imports of ours, by short names; test dependencies stand under `dev <crate>`.
pub(crate) type Imports = BTreeMap<String, BTreeSet<String>>;

/// Crates that do I/O, and crates of ours that must not have them.
const IO: [&str; 9] =
    ["tokio", "hyper", "hyper-util", "socket2", "fjall", "rustix", "axum", "tokio-util", "indicatif"];
const PURE: [&str; 4] = ["policy", "workload", "blocks", "system"];

/// The imports of every crate in the workspace.
pub(crate) fn imports(metadata: &Metadata) -> Imports {
    let mut imports = Imports::new();
    let packages = metadata.workspace_packages();
    let ours: BTreeSet<&str> = packages.iter().map(|package| package.name.as_str()).collect();
    for package in packages {
        let name = short(&package.name);
        imports.entry(name.clone()).or_default();
        for dependency in
            package.dependencies.iter().filter(|dependency| ours.contains(dependency.name.as_str()))
        {
            let from = match dependency.kind {
                DependencyKind::Development => format!("dev {name}"),
                _ => name.clone(),
            };
            imports.entry(from).or_default().insert(short(&dependency.name));
        }
    }
    imports
}

/// Differences between the list in the text and what is imported.
pub(crate) fn check(architecture: &str, imports: &Imports) -> Vec<Finding> {
    let allowed = parse(architecture);
    let finding = |line, message| Finding::new("ARCHITECTURE.md", line, message);
    let mut findings = Vec::new();
    for (from, to) in imports {
        let Some((line, allowed)) = allowed.get(from) else {
            if !to.is_empty() || !from.starts_with("dev ") {
                findings.push(finding(0, format!("`{from}` is not in the matrix")));
            }
            continue;
        };
        for missing in to.difference(allowed) {
            findings.push(finding(
                *line,
                format!("`{from}` imports `{missing}`, which the matrix does not allow"),
            ));
        }
    }
    for (from, (line, _)) in &allowed {
        if !imports.contains_key(from) {
            findings.push(finding(*line, format!("the matrix names `{from}`, which is not there")));
        }
    }
    findings
}

/// Pure crates that import what does I/O. Optional dependencies, as of a test suite, do not count.
pub(crate) fn check_io(metadata: &Metadata) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in metadata.workspace_packages() {
        if !PURE.contains(&short(&package.name).as_str()) {
            continue;
        }
        for dependency in &package.dependencies {
            let counts = dependency.kind == DependencyKind::Normal && !dependency.optional;
            if counts && IO.contains(&dependency.name.as_str()) {
                let message = format!(
                    "`{}` decides or describes, and must not import `{}`",
                    package.name, dependency.name
                );
                findings.push(Finding::new(package.manifest_path.as_std_path(), 0, message));
            }
        }
    }
    findings
}

fn short(name: &str) -> String {
    name.strip_prefix("floodway-").unwrap_or(name).to_owned()
}

/// The fenced block `matrix`: `crate: imported imported …` a line.
fn parse(architecture: &str) -> BTreeMap<String, (usize, BTreeSet<String>)> {
    let mut allowed = BTreeMap::new();
    let block = numbered(architecture).skip_while(|(_, line)| *line != "```matrix").skip(1);
    for (number, line) in block.take_while(|(_, line)| *line != "```") {
        if let Some((from, to)) = line.split_once(':') {
            let to = to.split_whitespace().map(str::to_owned).collect();
            allowed.insert(from.trim().to_owned(), (number, to));
        }
    }
    allowed
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "x\n```matrix\npolicy:\ngateway: policy\ndev gateway: kit\n```\nkit: all\n";

    fn messages(imports: &[(&str, &[&str])]) -> Vec<String> {
        let imports = imports
            .iter()
            .map(|(from, to)| ((*from).to_owned(), to.iter().map(|name| (*name).to_owned()).collect()));
        check(TEXT, &imports.collect()).into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn accepts_what_the_matrix_allows() {
        assert!(messages(&[("policy", &[]), ("gateway", &["policy"]), ("dev gateway", &["kit"])]).is_empty());
    }

    #[test]
    fn finds_an_import_too_many() {
        let found = messages(&[("policy", &["gateway"]), ("gateway", &[]), ("dev gateway", &[])]);
        assert_eq!(found, ["`policy` imports `gateway`, which the matrix does not allow"]);
    }

    #[test]
    fn finds_a_crate_that_is_missing_on_either_side() {
        let found = messages(&[("policy", &[]), ("kit", &[]), ("dev gateway", &[])]);
        assert_eq!(found, ["`kit` is not in the matrix", "the matrix names `gateway`, which is not there"]);
    }
}
