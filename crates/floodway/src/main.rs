//! The command line of Floodway: one definition of it in `cli`, and a file per command.

#![forbid(unsafe_code)]

mod cli;
mod commands;
mod console;
mod failure;
mod logging;

use std::process::ExitCode;

use clap::Parser;

/// Gives memory back to the system sooner than the default, and is quick under many threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match commands::run(cli::Cli::parse()) {
        Ok(code) => code,
        Err(failure) => failure.tell(),
    }
}
