//! A file per command.

mod check;
mod completions;
mod drain;
mod guard;
mod purge;
mod reload;
mod replica;
mod restart;
mod running;
mod status;
mod up;
mod upgrade;

use std::process::ExitCode;

use crate::cli::{Cli, Command};
use crate::failure::Failure;

/// Runs the command that the user gave.
pub(crate) fn run(cli: Cli) -> Result<ExitCode, Failure> {
    match cli.command {
        Command::Up(up) => up::run(&up, cli.log),
        Command::Check(check) => check::run(&check),
        Command::Status(status) => status::run(&status),
        Command::Drain(drain) => drain::run(&drain),
        Command::Reload(reload) => reload::run(&reload),
        Command::Restart(restart) => restart::run(&restart),
        Command::Upgrade(upgrade) => upgrade::run(&upgrade),
        Command::Purge(purge) => purge::run(&purge),
        Command::Completions(completions) => Ok(completions::run(&completions)),
        Command::Guard => guard::run(),
        Command::Replica(replica) => Ok(replica::run(&replica)),
    }
}
