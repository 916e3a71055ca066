//! The one definition of the command line: it feeds the parser, the help and the completions.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};

const EXIT_CODES: &str = "\
Exit status: 0 done; 1 an expectation or audit did not hold, or the node failed; 2 a mistake in the \
system file or on the command line.

Environment: FLOODWAY_LOG filters the node's own log, as in `info,floodway_gateway=debug`.";

/// Describe a high-throughput system in one file; run it and prove it with one binary.
#[derive(Debug, Parser)]
#[command(name = "floodway", version, after_long_help = EXIT_CODES, propagate_version = true)]
pub(crate) struct Cli {
    /// How the node's own log looks.
    #[arg(long, global = true, value_enum, default_value_t = LogForm::Human)]
    pub(crate) log: LogForm,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// How the node's own log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogForm {
    /// For people.
    Human,
    /// One JSON object per line, for machines.
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Build and start the system, and run it until it is stopped.
    #[command(after_long_help = UP_EXAMPLES)]
    Up(Up),
    /// Say what is wrong with a system file, and where.
    #[command(after_long_help = CHECK_EXAMPLES)]
    Check(Check),
    /// Show the services and replicas of a running node.
    #[command(after_long_help = STATUS_EXAMPLES)]
    Status(Status),
    /// Take a replica out without losing a request, and start a fresh one in its place.
    #[command(after_long_help = DRAIN_EXAMPLES)]
    Drain(Drain),
    /// Give each replica of a service a fresh process, one after the other, without losing a request.
    #[command(after_long_help = RESTART_EXAMPLES)]
    Restart(Restart),
    /// Have a running node read its system file again, without losing a request.
    #[command(after_long_help = RELOAD_EXAMPLES)]
    Reload(Reload),
    /// Let a running node become the program that lies at its path now, without losing a request.
    #[command(after_long_help = UPGRADE_EXAMPLES)]
    Upgrade(Upgrade),
    /// Take responses out of the HTTP cache of a running node.
    #[command(after_long_help = PURGE_EXAMPLES)]
    Purge(Purge),
    /// Print completions for a shell.
    #[command(after_long_help = COMPLETIONS_EXAMPLES)]
    Completions(Completions),
    /// Kills what a killed node leaves behind. Started by the node.
    #[command(hide = true)]
    Guard,
    /// Ties itself to the node and becomes a replica's program. Started by the node.
    #[command(hide = true)]
    Replica(Replica),
}

const UP_EXAMPLES: &str = "\
Examples:
  floodway up                                      the system in ./floodway.yaml
  floodway up cases/shop                           the one in that folder
  floodway up --profile production --no-build      with an overlay, without its build steps
  floodway up cases/shop --load purchases --exit   run a load, check it, stop; the exit status tells

Ctrl-C or SIGTERM drains: no new request is taken, those under way are finished, and each replica gets \
SIGTERM, then SIGKILL once `node.grace` is over. A second signal ends it at once.";

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags are independent of each other")]
pub(crate) struct Up {
    #[command(flatten)]
    pub(crate) file: SystemFile,
    /// Lay this profile of the file over it.
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// A folder with Dapr's documents: components and subscriptions. May be given more than once.
    #[arg(long = "resources-path", value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) resources: Vec<PathBuf>,
    /// Run this load once every replica is ready, and check its expectations and its audit.
    #[arg(long, value_name = "NAME")]
    pub(crate) load: Option<String>,
    /// Stop when the load is over.
    #[arg(long, requires = "load")]
    pub(crate) exit: bool,
    /// Skip the build steps.
    #[arg(long)]
    pub(crate) no_build: bool,
    /// Read the system file again whenever it changes, as `floodway reload` does.
    #[arg(long)]
    pub(crate) watch: bool,
    /// Listen on the sockets that are left on the standard input. Given by the program before.
    #[arg(long, hide = true)]
    pub(crate) take_over: bool,
    /// Print warnings only: neither what replicas print, nor the table.
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

const CHECK_EXAMPLES: &str = "\
Examples:
  floodway check                          ./floodway.yaml
  floodway check cases/shop --profile production
  floodway check --schema > floodway.schema.json      for editors";

#[derive(Debug, Args)]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) file: SystemFile,
    /// Lay this profile of the file over it.
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// A folder with Dapr's documents: components and subscriptions. May be given more than once.
    #[arg(long = "resources-path", value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) resources: Vec<PathBuf>,
    /// Print the JSON Schema of system files instead.
    #[arg(long)]
    pub(crate) schema: bool,
}

const STATUS_EXAMPLES: &str = "\
Examples:
  floodway status
  floodway status cases/shop --json
  floodway status --watch           rates and latencies by route, every second";

#[derive(Debug, Args)]
pub(crate) struct Status {
    #[command(flatten)]
    pub(crate) node: RunningNode,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// Draw again every second, with rates and latencies by route, until interrupted.
    #[arg(long, conflicts_with = "json")]
    pub(crate) watch: bool,
}

const DRAIN_EXAMPLES: &str = "\
Examples:
  floodway drain order/0            replace it by a fresh process, as after a new build
  floodway drain order/0 --stop     leave it out; drain it again without --stop to bring it back";

#[derive(Debug, Args)]
pub(crate) struct Drain {
    /// The replica, as in order/0.
    #[arg(value_name = "SERVICE/REPLICA")]
    pub(crate) replica: String,
    #[command(flatten)]
    pub(crate) node: RunningNode,
    /// Start no fresh one.
    #[arg(long)]
    pub(crate) stop: bool,
}

const RESTART_EXAMPLES: &str = "\
Examples:
  floodway restart order            as after a new build of its program

Each fresh process is ready before the old one gets no more requests, finishes what it has and ends. Where \
one does not become ready, the old one stays, and no further replica is touched.";

#[derive(Debug, Args)]
pub(crate) struct Restart {
    /// The service.
    pub(crate) service: String,
    #[command(flatten)]
    pub(crate) node: RunningNode,
}

const RELOAD_EXAMPLES: &str = "\
Examples:
  floodway reload                   the same as SIGHUP, but says what came of it
  floodway reload cases/shop

Routes, limits, how services are called, telemetry and certificates change for connections from then on; those \
that are open end with their next answer. Where the file has mistakes, or changes what a running node cannot, \
everything stays as it was.";

#[derive(Debug, Args)]
pub(crate) struct Reload {
    #[command(flatten)]
    pub(crate) node: RunningNode,
}

const UPGRADE_EXAMPLES: &str = "\
Examples:
  cp floodway.new /usr/local/bin/floodway.tmp && mv /usr/local/bin/floodway.tmp /usr/local/bin/floodway
  floodway upgrade                  the same as SIGUSR2, and waits until all replicas are ready

The system file is read anew, so this brings every change of it too. Where the new program does not accept \
it, nothing changes.";

#[derive(Debug, Args)]
pub(crate) struct Upgrade {
    #[command(flatten)]
    pub(crate) node: RunningNode,
}

const PURGE_EXAMPLES: &str = "\
Examples:
  floodway purge --path /products/7            this path with every query
  floodway purge --prefix /products/           every path that begins so
  floodway purge --tag shoes                   what its service marked by Cache-Tag or Surrogate-Key
  floodway purge --everything --host a.example:8080";

#[derive(Debug, Args)]
pub(crate) struct Purge {
    #[command(flatten)]
    pub(crate) which: Which,
    /// Only of this host, with its port as clients give it.
    #[arg(long)]
    pub(crate) host: Option<String>,
    #[command(flatten)]
    pub(crate) node: RunningNode,
}

/// Which responses.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Which {
    /// Those of this path, with every query; or if it has a query, with this one.
    #[arg(id = "purged-path", long = "path", value_name = "PATH")]
    pub(crate) path: Option<String>,
    /// Those of every path, with its query, that begins so.
    #[arg(long)]
    pub(crate) prefix: Option<String>,
    /// Those with this tag.
    #[arg(long)]
    pub(crate) tag: Option<String>,
    /// All.
    #[arg(long)]
    pub(crate) everything: bool,
}

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  floodway completions bash > ~/.local/share/bash-completion/completions/floodway
  floodway completions fish > ~/.config/fish/completions/floodway.fish";

#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell.
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub(crate) struct Replica {
    /// Process id of the node.
    #[arg(long)]
    pub(crate) parent: u32,
    /// The program and its arguments.
    #[arg(last = true, required = true)]
    pub(crate) words: Vec<OsString>,
}

/// Which system file.
#[derive(Debug, Clone, Args)]
pub(crate) struct SystemFile {
    /// The system file, or a folder with a floodway.yaml.
    #[arg(value_name = "FILE|DIR", default_value = ".", value_hint = ValueHint::AnyPath)]
    pub(crate) path: PathBuf,
}

/// Which running node.
#[derive(Debug, Args)]
pub(crate) struct RunningNode {
    #[command(flatten)]
    pub(crate) file: SystemFile,
    /// The profile it was started with, where that sets another `node.data` or token.
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn exit_needs_a_load() {
        assert!(Cli::try_parse_from(["floodway", "up", "--exit"]).is_err());
        assert!(Cli::try_parse_from(["floodway", "up", "--load", "x", "--exit"]).is_ok());
    }

    #[test]
    fn a_replicas_words_may_look_like_flags() {
        let words = ["floodway", "replica", "--parent", "1", "--", "program", "--flag"];
        let Command::Replica(replica) = Cli::try_parse_from(words).unwrap().command else { panic!() };
        assert_eq!(replica.words, ["program", "--flag"]);
    }
}
