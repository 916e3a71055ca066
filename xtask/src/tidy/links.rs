//! Links between documents, and words that do not belong in the project.

use std::path::Path;

use super::{Finding, Source, is_markdown, numbered};

pub(super) fn check(root: &Path, files: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in files {
        findings.extend(check_paths(source));
        if is_markdown(source) {
            findings.extend(broken_links(source, |path| root.join(path).exists()));
        }
    }
    findings
}

/// Paths of one machine help nobody on another.
fn check_paths(source: &Source) -> Vec<Finding> {
    let homes = [format!("/{}/", "work"), format!("/{}/", "home"), format!("/{}/.", "root")];
    let lines = numbered(&source.text);
    let found = lines.filter(|(_, line)| homes.iter().any(|home| line.contains(home.as_str())));
    found.map(|(number, _)| Finding::new(&source.path, number, "a path of one machine")).collect()
}

fn broken_links(source: &Source, exists: impl Fn(&Path) -> bool) -> Vec<Finding> {
    let folder = source.path.parent().unwrap_or_else(|| Path::new(""));
    let mut findings = Vec::new();
    for (number, line) in numbered(&source.text) {
        for link in links(line) {
            let target = link.split('#').next().unwrap_or_default();
            let is_elsewhere = link.contains("://") || link.starts_with("mailto:") || target.is_empty();
            if !is_elsewhere && !exists(&folder.join(target)) {
                findings.push(Finding::new(&source.path, number, format!("the link `{link}` leads nowhere")));
            }
        }
    }
    findings
}

/// The targets of `[text](target)`.
fn links(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source { path: "docs/a.md".into(), text: text.to_owned() }
    }

    #[test]
    fn finds_a_link_that_leads_nowhere() {
        let source = source("[a](b.md) [c](../d.md#e) [f](https://g) [h](#i)\n");
        let there = |path: &Path| path == Path::new("docs/b.md");
        let found = broken_links(&source, there);
        assert_eq!(found, [Finding::new("docs/a.md", 1, "the link `../d.md#e` leads nowhere")]);
    }

    #[test]
    fn finds_a_path_of_one_machine() {
        let text = format!("x\nsee /{}/someone/x\n", "home");
        assert_eq!(check_paths(&source(&text)).len(), 1);
        assert!(check_paths(&source("see docs/home.md\n")).is_empty());
    }
}
