//! `floodway replica`, started by the node.

use std::process::ExitCode;

use crate::cli::Replica;

/// What a shell answers when it cannot run a program.
const CANNOT_RUN: u8 = 127;

#[expect(clippy::print_stderr, reason = "stderr is the replica's, which the node passes on")]
pub(super) fn run(replica: &Replica) -> ExitCode {
    let error = floodway_node::guard::become_program(replica.parent, &replica.words);
    let program = replica.words.first().map(|word| word.to_string_lossy()).unwrap_or_default();
    eprintln!("could not run {program}: {error}");
    ExitCode::from(CANNOT_RUN)
}
