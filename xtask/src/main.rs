//! The project's own tasks: `cargo xtask ci` checks and tests everything.

#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line speaks to its user")]

mod ci;
mod packages;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

const HELP: &str = "\
Checks and tests Floodway.

Usage: cargo xtask <TASK>

Tasks:
  ci          every step below, in order; stops at the first that fails
  <STEP>      one step: fmt, tidy, clippy, test, doc, bench, acceptance
  packages    installs the Debian packages that tests need
  errors      writes docs/errors/README.md anew

Examples:
  cargo xtask ci
  cargo xtask tidy
  FLOODWAY_SEEDS=7 cargo xtask acceptance
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let root = root();
    let done = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["ci"] => ci::all(&root),
        ["packages"] => packages::install(),
        ["errors"] => tidy::errors::write_index(&root),
        [] | ["-h" | "--help"] => {
            print!("{HELP}");
            Ok(())
        }
        [step] => ci::one(&root, step),
        _ => Err(anyhow::anyhow!("one task at a time; `cargo xtask --help` lists them")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The checkout's root folder.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or_else(|| Path::new(".")).to_owned()
}
