//! Error codes: each that the code prints has a page, each page is for one, and the index lists them all.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::Mistake;
use crate::workspace::{TextFile, texts};

const FOLDER: &str = "docs/errors/";
const INDEX: &str = "docs/errors/README.md";
const PREFIX: &str = "FW-";

/// Where codes are given out.
const SOURCES: [&str; 3] = ["crates/", "cases/", "lib/"];

/// What a thousand of codes is about.
const RANGES: [(&str, &str); 7] = [
    ("1", "The system file"),
    ("2", "The node and the command line"),
    ("3", "Answers of the gateway"),
    ("4", "Engines and storage"),
    ("5", "The block API"),
    ("6", "Loads"),
    ("9", "Cases"),
];

const INTRODUCTION: &str = "\
# Errors

Every error that Floodway shows carries a code, and each code a page: what it means, why it happens,
what to do.
";

/// Compares codes, pages and index.
pub(crate) fn check(files: &[TextFile]) -> Vec<Mistake> {
    let used = codes(files);
    let pages: BTreeMap<_, _> =
        files.iter().filter_map(|file| Some((page_code(&file.path)?, file))).collect();
    let mut mistakes = Vec::new();
    for (code, place) in used.iter().filter(|(code, _)| !pages.contains_key(code.as_str())) {
        mistakes.push(Mistake::new(place, format!("{code} has no page {FOLDER}{code}.md")));
    }
    for (code, page) in &pages {
        if !used.contains_key(*code) {
            mistakes.push(Mistake::new(&page.path, "no code prints it: it has no reader"));
        }
        if title(page).is_none() {
            mistakes.push(Mistake::at(page, 1, format!("expected `# {code}: what it means`")));
        }
        if !RANGES.iter().any(|(range, _)| code.starts_with(&format!("{PREFIX}{range}"))) {
            mistakes.push(Mistake::new(&page.path, "its range has no name yet: give it one in xtask"));
        }
    }
    let current = files.iter().find(|file| file.path == INDEX).map(|file| file.text.as_str());
    if current != Some(index(files).as_str()) {
        mistakes.push(Mistake::new(INDEX, "is not current: run `cargo xtask errors --write`"));
    }
    mistakes
}

/// Fails when the index is not what [`write_index`] would write.
pub(crate) fn check_index(root: &Path) -> Result<()> {
    let current = fs::read_to_string(root.join(INDEX)).unwrap_or_default();
    if current != index(&texts(root)?) {
        bail!("{INDEX} is not current: run `cargo xtask errors --write`");
    }
    println!("{INDEX} is current");
    Ok(())
}

/// Writes the list of error pages.
pub(crate) fn write_index(root: &Path) -> Result<()> {
    let text = index(&texts(root)?);
    fs::write(root.join(INDEX), text).with_context(|| format!("cannot write {INDEX}"))?;
    println!("wrote {INDEX}");
    Ok(())
}

/// Every code in the sources, and where it is found first. Tests may name what nobody prints.
fn codes(files: &[TextFile]) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let sources =
        files.iter().filter(|file| file.is_rust() && SOURCES.iter().any(|from| file.path.starts_with(from)));
    for file in sources {
        for line in file.lines().filter(|line| !line.is_test) {
            for code in codes_in(line.text) {
                found.entry(code.to_owned()).or_insert_with(|| format!("{}:{}", file.path, line.number));
            }
        }
    }
    found
}

fn codes_in(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices(PREFIX).filter_map(|(at, _)| {
        let digits = text.get(at + PREFIX.len()..at + PREFIX.len() + 4)?;
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.get(at..at + PREFIX.len() + 4))?
    })
}

fn page_code(path: &str) -> Option<&str> {
    path.strip_prefix(FOLDER)?.strip_suffix(".md").filter(|name| name.starts_with(PREFIX))
}

/// What the first line says after the code.
fn title(page: &TextFile) -> Option<&str> {
    let code = page_code(&page.path)?;
    page.text.lines().next()?.strip_prefix("# ")?.strip_prefix(code)?.strip_prefix(": ")
}

fn index(files: &[TextFile]) -> String {
    let pages: BTreeSet<_> =
        files.iter().filter_map(|file| Some((page_code(&file.path)?, title(file)?))).collect();
    let sections = RANGES.iter().filter_map(|(range, about)| {
        let start = format!("{PREFIX}{range}");
        let of_range = pages.iter().filter(|(code, _)| code.starts_with(&start));
        let lines: Vec<_> =
            of_range.map(|(code, title)| format!("- [{code}]({code}.md): {title}\n")).collect();
        (!lines.is_empty()).then(|| format!("\n## {about}\n\n{}", lines.concat()))
    });
    INTRODUCTION.to_owned() + &sections.collect::<Vec<_>>().concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::file;

    fn whole() -> Vec<TextFile> {
        let mut files = vec![
            file("crates/a/src/error.rs", "#[error(\"[FW-1001] cannot read\")]\n"),
            file("docs/errors/FW-1001.md", "# FW-1001: the file cannot be read\n"),
        ];
        files.push(file(INDEX, &index(&files)));
        files
    }

    fn mistakes(files: &[TextFile]) -> Vec<String> {
        check(files).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_code_with_its_page_and_line_is_whole() {
        assert_eq!(mistakes(&whole()), [""; 0]);
    }

    #[test]
    fn refuses_a_code_without_a_page() {
        let mut files = whole();
        files.push(file("cases/a/src/b.rs", "\"FW-9001\"\n"));
        assert_eq!(mistakes(&files), ["cases/a/src/b.rs:1: FW-9001 has no page docs/errors/FW-9001.md"]);
    }

    #[test]
    fn refuses_a_page_that_no_code_prints() {
        let mut files = whole();
        files[0] = file("crates/a/src/error.rs", "#[cfg(test)]\nmod tests {\n\"FW-1001\"\n}\n");
        assert_eq!(mistakes(&files), ["docs/errors/FW-1001.md: no code prints it: it has no reader"]);
    }

    #[test]
    fn refuses_an_index_that_is_not_current_and_a_page_without_a_title() {
        let mut files = whole();
        files[1] = file("docs/errors/FW-1001.md", "# FW-1001: another title\n");
        assert_eq!(mistakes(&files).len(), 1);
        files[1] = file("docs/errors/FW-1001.md", "# A title\n");
        assert_eq!(mistakes(&files).len(), 2);
    }
}
