//! What the compiler does not check: who imports whom, sizes, words, licences, error pages, links.

pub(crate) mod errors;
mod licences;
mod links;
mod matrix;
mod sources;

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use cargo_metadata::MetadataCommand;

/// Something that is against the rules.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    pub(crate) path: PathBuf,
    /// From 1; 0 for the whole file.
    pub(crate) line: usize,
    pub(crate) message: String,
}

impl Finding {
    fn new(path: impl Into<PathBuf>, line: usize, message: impl Into<String>) -> Self {
        Self { path: path.into(), line, message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path.display(), self.line, self.message)
    }
}

/// A file of the project with its text.
#[derive(Debug)]
struct Source {
    path: PathBuf,
    text: String,
}

/// Prints all findings; fails where there is one.
pub(crate) fn check(root: &Path) -> anyhow::Result<()> {
    let metadata = MetadataCommand::new().manifest_path(root.join("Cargo.toml")).exec()?;
    let files = files(root)?;
    let architecture = std::fs::read_to_string(root.join("ARCHITECTURE.md"))?;
    let mut findings = matrix::check(&architecture, &matrix::imports(&metadata));
    findings.extend(matrix::check_io(&metadata));
    findings.extend(licences::check(&metadata));
    findings.extend(sources::check(&files));
    findings.extend(errors::check(&files));
    findings.extend(links::check(root, &files));
    findings.sort();
    for finding in &findings {
        println!("{finding}");
    }
    if findings.is_empty() {
        return Ok(());
    }
    bail!("{} findings", findings.len())
}

/// The text files that git tracks or would.
fn files(root: &Path) -> anyhow::Result<Vec<Source>> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .context("git could not be started")?;
    let listed = String::from_utf8(listed.stdout).context("a file name is no UTF-8")?;
    let mut files = Vec::new();
    for path in listed.lines().map(PathBuf::from) {
        let is_text = ["rs", "md", "toml", "yaml", "sh"]
            .iter()
            .any(|kind| path.extension().is_some_and(|e| e == *kind));
        let full = root.join(&path);
        if is_text && full.exists() {
            let text = std::fs::read_to_string(&full)
                .with_context(|| format!("{} cannot be read", path.display()))?;
            files.push(Source { path, text });
        }
    }
    Ok(files)
}

fn is_rust(source: &Source) -> bool {
    source.path.extension().is_some_and(|extension| extension == "rs")
}

fn is_markdown(source: &Source) -> bool {
    source.path.extension().is_some_and(|extension| extension == "md")
}

/// Lines with their numbers from 1.
fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..).zip(text.lines())
}
