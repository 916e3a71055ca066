//! Error codes and their pages: each code in the sources has a page, each page a code, and the index
//! names them all.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::{Finding, Source, is_markdown, is_rust, numbered};

const FOLDER: &str = "docs/errors";
const INDEX: &str = "docs/errors/README.md";
const PREFIX: &str = "FW-";

pub(super) fn check(files: &[Source]) -> Vec<Finding> {
    let pages = pages(files);
    let codes = codes(files);
    let mut findings = Vec::new();
    for (code, (path, line)) in &codes {
        if !pages.contains_key(code) {
            findings.push(Finding::new(path, *line, format!("{code} has no page {FOLDER}/{code}.md")));
        }
    }
    for (code, page) in &pages {
        if !codes.contains_key(code) {
            findings.push(Finding::new(&page.path, 0, format!("no source has {code}")));
        }
        if !page.text.starts_with(&format!("# {code}: ")) {
            findings.push(Finding::new(
                &page.path,
                1,
                format!("a page begins with `# {code}: ` and what it means"),
            ));
        }
    }
    let index =
        files.iter().find(|source| source.path == Path::new(INDEX)).map_or("", |source| source.text.as_str());
    if index != render(&pages) {
        findings.push(Finding::new(INDEX, 0, "is not current; write it anew with: cargo xtask errors"));
    }
    findings
}

/// Writes the index of the pages.
pub(crate) fn write_index(root: &Path) -> anyhow::Result<()> {
    let files = super::files(root)?;
    let path = root.join(INDEX);
    std::fs::write(&path, render(&pages(&files)))
        .with_context(|| format!("{} cannot be written", path.display()))
}

fn pages(files: &[Source]) -> BTreeMap<String, &Source> {
    let pages =
        files.iter().filter(|source| is_markdown(source) && source.path.parent() == Some(Path::new(FOLDER)));
    let named = pages.filter_map(|page| Some((page.path.file_stem()?.to_str()?.to_owned(), page)));
    named.filter(|(name, _)| name.starts_with(PREFIX)).collect()
}

/// Each code with the first place it stands in. Tests may make codes up.
fn codes(files: &[Source]) -> BTreeMap<String, (PathBuf, usize)> {
    let mut codes = BTreeMap::new();
    for source in files.iter().filter(|source| is_rust(source) && !is_test(&source.path)) {
        for (number, line) in numbered(&source.text).take_while(|(_, line)| *line != "mod tests {") {
            for code in codes_in(line) {
                codes.entry(code).or_insert_with(|| (source.path.clone(), number));
            }
        }
    }
    codes
}

fn is_test(path: &Path) -> bool {
    let is_tests =
        |part: std::path::Component<'_>| part.as_os_str() == "tests" || part.as_os_str() == "xtask";
    path.components().any(is_tests) || path.ends_with("tests.rs")
}

/// Every `FW-` followed by four digits.
fn codes_in(line: &str) -> BTreeSet<String> {
    let found = line.match_indices(PREFIX).filter_map(|(at, _)| line.get(at..at + PREFIX.len() + 4));
    found
        .filter(|code| code.bytes().skip(PREFIX.len()).all(|byte| byte.is_ascii_digit()))
        .map(str::to_owned)
        .collect()
}

fn render(pages: &BTreeMap<String, &Source>) -> String {
    let mut index =
        String::from("# Error codes\n\nEvery error that a user meets carries a code; each has a page.\n\n");
    for (code, page) in pages {
        let title = page.text.lines().next().unwrap_or_default();
        let title = title.split_once(": ").map_or(title, |(_, title)| title);
        index.push_str("- [");
        index.push_str(code);
        index.push_str("](");
        index.push_str(code);
        index.push_str(".md): ");
        index.push_str(title);
        index.push('\n');
    }
    index
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, text: &str) -> Source {
        Source { path: path.into(), text: text.to_owned() }
    }

    fn messages(files: &mut Vec<Source>) -> Vec<String> {
        let index = render(&pages(files));
        files.push(source(INDEX, &index));
        check(files).into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn accepts_codes_with_their_pages() {
        let page = source("docs/errors/FW-1001.md", "# FW-1001: it is broken\n");
        assert!(messages(&mut vec![source("a.rs", "\"[FW-1001] broken\""), page]).is_empty());
    }

    #[test]
    fn finds_a_code_without_page_and_a_page_without_code() {
        let page = source("docs/errors/FW-1002.md", "# FW-1002: other\n");
        let found = messages(&mut vec![source("a.rs", "\"[FW-1001] broken\""), page]);
        assert_eq!(found, ["FW-1001 has no page docs/errors/FW-1001.md", "no source has FW-1002"]);
    }

    #[test]
    fn finds_an_index_that_is_not_current() {
        let files = [source("a.rs", "FW-1001"), source("docs/errors/FW-1001.md", "# FW-1001: x\n")];
        assert_eq!(check(&files).len(), 1);
    }
}
