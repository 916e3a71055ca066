//! `floodway completions`

use std::process::ExitCode;

use clap::CommandFactory;

use crate::cli::{Cli, Completions};

pub(super) fn run(completions: &Completions) -> ExitCode {
    clap_complete::generate(completions.shell, &mut Cli::command(), "floodway", &mut std::io::stdout());
    ExitCode::SUCCESS
}
