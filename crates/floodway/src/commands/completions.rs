//! `floodway completions`

use std::process::ExitCode;

use clap::{Command, CommandFactory};

use crate::cli::{Cli, Completions};

pub(super) fn run(completions: &Completions) -> ExitCode {
    clap_complete::generate(completions.shell, &mut visible(&Cli::command()), NAME, &mut std::io::stdout());
    ExitCode::SUCCESS
}

const NAME: &str = "floodway";

/// The commands that are for people.
fn visible(all: &Command) -> Command {
    let commands = all.get_subcommands().filter(|command| !command.is_hide_set()).cloned();
    Command::new(NAME).args(all.get_arguments().cloned()).subcommands(commands)
}
