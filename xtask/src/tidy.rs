//! What no compiler checks: who imports whom, sizes, names, bans, licences, error pages, links. Each rule is
//! a function from texts to mistakes, and has tests that prove it can fail.

mod deps;
pub(crate) mod errors;
mod exceptions;
mod licences;
mod links;
mod matrix;
mod shape;
mod spdx;
mod words;

use std::fmt;
use std::path::Path;

use anyhow::{Context, Result, bail};
use cargo_metadata::{Metadata, MetadataCommand};

use crate::workspace::{TextFile, texts};

/// Where something is wrong, and what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mistake {
    place: String,
    what: String,
}

impl Mistake {
    pub(crate) fn new(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self { place: place.into(), what: what.into() }
    }

    /// At a line of a file.
    fn at(file: &TextFile, line: usize, what: impl Into<String>) -> Self {
        Self::new(format!("{}:{line}", file.path), what)
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.place, self.what)
    }
}

/// Checks the whole checkout; fails with the number of mistakes after printing each.
pub(crate) fn run(root: &Path) -> Result<()> {
    let files = texts(root)?;
    let metadata = metadata(root)?;
    for warning in shape::large_files(&files) {
        println!("warning: {warning}");
    }
    let mistakes = all(root, &files, &metadata);
    for mistake in &mistakes {
        println!("error: {mistake}");
    }
    match mistakes.len() {
        0 => {
            println!("{} files and {} packages are tidy", files.len(), metadata.packages.len());
            Ok(())
        }
        count => bail!("{count} things are not tidy"),
    }
}

fn metadata(root: &Path) -> Result<Metadata> {
    let mut command = MetadataCommand::new();
    command.manifest_path(root.join("Cargo.toml")).features(cargo_metadata::CargoOpt::AllFeatures);
    command.exec().context("cannot read the packages with `cargo metadata`")
}

fn all(root: &Path, files: &[TextFile], metadata: &Metadata) -> Vec<Mistake> {
    let mut seen = exceptions::Seen::default();
    let mut mistakes = deps::imports(files, metadata);
    mistakes.extend(deps::purity(metadata));
    mistakes.extend(licences::check(metadata));
    mistakes.extend(shape::check(files, &metadata.workspace_packages()));
    mistakes.extend(words::check(files, &mut seen));
    mistakes.extend(seen.unused());
    mistakes.extend(errors::check(files));
    mistakes.extend(links::check(files, |path| root.join(path).exists()));
    mistakes
}
