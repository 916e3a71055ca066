//! What the checks look at: the texts of the checkout and what cargo knows of its packages.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The kinds of files that are read; others hold data.
const ENDINGS: [&str; 6] = ["rs", "md", "toml", "yaml", "yml", "sh"];

/// A text of the checkout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TextFile {
    /// Relative to the root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// The checkout's root folder.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(|| PathBuf::from("."), Path::to_owned)
}

/// Every text of the checkout, in order of path. Hidden folders and `target` are none of ours.
pub(crate) fn texts(root: &Path) -> Result<Vec<TextFile>> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = entry.path();
            let kind = entry.file_type()?;
            if kind.is_dir() && name != "target" && !name.starts_with('.') {
                folders.push(path);
            } else if kind.is_file()
                && ENDINGS.iter().any(|ending| path.extension().is_some_and(|e| e == *ending))
            {
                files.push(read(root, &path)?);
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn read(root: &Path, path: &Path) -> Result<TextFile> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let relative = path.strip_prefix(root).unwrap_or(path);
    Ok(TextFile { path: relative.to_string_lossy().into_owned(), text })
}

impl TextFile {
    /// The file's name without folders.
    pub(crate) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    pub(crate) fn is_rust(&self) -> bool {
        self.has_ending("rs")
    }

    pub(crate) fn is_markdown(&self) -> bool {
        self.has_ending("md")
    }

    fn has_ending(&self, ending: &str) -> bool {
        Path::new(&self.path).extension().is_some_and(|found| found == ending)
    }

    /// Whether all of it is test code.
    pub(crate) fn is_test(&self) -> bool {
        let folders = self.path.rsplit_once('/').map_or("", |(folders, _)| folders);
        folders.split('/').any(|folder| folder == "tests")
            || self.name() == "tests.rs"
            || self.name().ends_with("_tests.rs")
    }

    /// Whether it shows or measures the crate from outside.
    pub(crate) fn is_example(&self) -> bool {
        self.path.contains("/examples/") || self.path.contains("/benches/")
    }

    /// Its lines with their numbers from 1, and whether each is test code: all of a test file, and the
    /// module of tests at the end of another.
    pub(crate) fn lines(&self) -> impl Iterator<Item = Line<'_>> {
        let tests_from = if self.is_test() { 0 } else { tests_from(&self.text) };
        self.text.lines().enumerate().map(move |(index, text)| Line {
            number: index + 1,
            text,
            is_test: index >= tests_from,
        })
    }
}

/// One line of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    pub(crate) number: usize,
    pub(crate) text: &'a str,
    pub(crate) is_test: bool,
}

/// Index of the first line of the inline module of tests; past the end if there is none.
fn tests_from(text: &str) -> usize {
    let lines: Vec<&str> = text.lines().collect();
    let opens = |from: usize| {
        let body = lines.iter().skip(from).find(|line| !line.starts_with("#["));
        body.is_some_and(|line| line.contains("mod ") && line.trim_end().ends_with('{'))
    };
    let found = lines.iter().enumerate().find(|(index, line)| **line == "#[cfg(test)]" && opens(*index));
    found.map_or(usize::MAX, |(index, _)| index)
}

#[cfg(test)]
pub(crate) fn file(path: &str, text: &str) -> TextFile {
    TextFile { path: path.to_owned(), text: text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_test_lines_from_others() {
        let tail = file("crates/a/src/b.rs", "fn a() {}\n#[cfg(test)]\nmod tests {\n}\n");
        assert_eq!(tail.lines().filter(|line| line.is_test).count(), 3);
        let beside = file("crates/a/src/b.rs", "#[cfg(test)]\nmod tests;\nfn a() {}\n");
        assert_eq!(beside.lines().filter(|line| line.is_test).count(), 0);
        for path in ["crates/a/src/b/tests.rs", "crates/a/tests/it/main.rs", "crates/a/src/crash_tests.rs"] {
            assert!(file(path, "fn a() {}").lines().all(|line| line.is_test), "{path}");
        }
    }

    #[test]
    fn finds_its_own_sources_and_no_builds() {
        let texts = texts(&root()).unwrap();
        assert!(texts.iter().any(|file| file.path == "xtask/src/workspace.rs"));
        assert!(!texts.iter().any(|file| file.path.starts_with("target/")));
    }
}
