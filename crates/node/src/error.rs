//! What keeps a node from running, in words for the person in front of it.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use floodway_gateway::TlsError;

/// Why a node, or a command to a node, failed. Each has a page in `docs/errors`.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// Another node runs on the same data folder.
    #[error("the data folder {} belongs to a running node, process {pid}", folder.display())]
    FolderTaken {
        /// The folder.
        folder: PathBuf,
        /// Process id of that node, as it wrote it there.
        pid: String,
    },
    /// The data folder cannot be used.
    #[error("could not {attempt} {}", path.display())]
    FolderUnusable {
        /// As in "create".
        attempt: &'static str,
        /// The folder or file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// An address cannot be listened on.
    #[error("could not listen on {address} for {what}")]
    AddressUnusable {
        /// "the gateway", "the admin API", ….
        what: String,
        /// The address.
        address: SocketAddr,
        /// The cause.
        source: io::Error,
    },
    /// A build step did not succeed.
    #[error("the build of {service} failed ({status}): {command}")]
    BuildFailed {
        /// The first service that names it.
        service: String,
        /// The command.
        command: String,
        /// As in "exit status 101".
        status: String,
    },
    /// A command could not be started.
    #[error("could not run `{command}` of {service} in {}", dir.display())]
    CannotRun {
        /// The service.
        service: String,
        /// The command's first word.
        command: String,
        /// The working folder.
        dir: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The guard process could not be started.
    #[error("could not start the guard process")]
    GuardFailed {
        /// The cause.
        source: io::Error,
    },
    /// The node's own runtime could not be set up.
    #[error("could not {attempt}")]
    System {
        /// What was tried.
        attempt: &'static str,
        /// The cause.
        source: io::Error,
    },
    /// The engine of the data folder could not be opened.
    #[error("could not open the data in {}", folder.display())]
    Engine {
        /// Where the data lies.
        folder: PathBuf,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What a component stands on cannot be used.
    #[error("could not open `{section}.{name}`")]
    Component {
        /// The key of the system file, as in "secrets".
        section: &'static str,
        /// The component.
        name: String,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// There is no node to talk to.
    #[error("no node is running on the data folder {}", folder.display())]
    NotRunning {
        /// The folder.
        folder: PathBuf,
    },
    /// The node did not answer as expected.
    #[error("the node's admin API at {address} did not answer: {detail}")]
    AdminSilent {
        /// Its address.
        address: SocketAddr,
        /// What was met.
        detail: String,
    },
    /// The node refused what it was asked.
    #[error("the node refused: {detail}")]
    Refused {
        /// Its own words.
        detail: String,
    },
    /// A load was asked for that the file does not have.
    #[error("the system file has no load named {name}")]
    UnknownLoad {
        /// The name.
        name: String,
        /// Those it has.
        known: Vec<String>,
    },
    /// The replicas did not become ready before a load.
    #[error("not all replicas were ready after {seconds} s: {missing}")]
    NeverReady {
        /// How long was waited.
        seconds: u64,
        /// Those that were not.
        missing: String,
    },
    /// A certificate or key cannot be used.
    #[error("the gateway cannot speak TLS")]
    Tls {
        /// The file, and what is wrong with it.
        source: TlsError,
    },
    /// A system file that was read anew changes what a running node cannot.
    #[error("the node goes on as it was: {what} cannot change while it runs")]
    NeedsRestart {
        /// Keys of the file.
        what: String,
    },
    /// A load could not be run.
    #[error("the load {name} could not be run")]
    LoadFailed {
        /// The load.
        name: String,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

// === impl NodeError ===

impl NodeError {
    /// Names the page in `docs/errors`.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::FolderTaken { .. } => "FW-2001",
            Self::FolderUnusable { .. } => "FW-2002",
            Self::AddressUnusable { .. } => "FW-2003",
            Self::BuildFailed { .. } => "FW-2004",
            Self::CannotRun { .. } => "FW-2005",
            Self::GuardFailed { .. } => "FW-2007",
            Self::System { .. } => "FW-2008",
            Self::Engine { .. } => "FW-2009",
            Self::NotRunning { .. } => "FW-2010",
            Self::AdminSilent { .. } => "FW-2011",
            Self::Refused { .. } => "FW-2012",
            Self::UnknownLoad { .. } => "FW-2013",
            Self::NeverReady { .. } => "FW-2014",
            Self::LoadFailed { .. } => "FW-2015",
            Self::Tls { .. } => "FW-2016",
            Self::NeedsRestart { .. } => "FW-2017",
            Self::Component { .. } => "FW-2018",
        }
    }

    /// What to do about it.
    pub fn mend(&self) -> String {
        match self {
            Self::FolderTaken { pid, .. } => {
                format!("stop that node (kill {pid}), or set another `node.data` in the system file")
            }
            Self::FolderUnusable { .. } => "check the folder's owner, its rights and the space left".into(),
            Self::AddressUnusable { .. } => {
                "stop what listens there, or write another address in the system file".into()
            }
            Self::BuildFailed { .. } => {
                "mend what the output above says, or start with --no-build if the programs are there".into()
            }
            Self::CannotRun { .. } => {
                "check the service's `run` and `dir`; the path is relative to `dir`".into()
            }
            Self::GuardFailed { .. } | Self::System { .. } => {
                "check the limits on processes and open files (ulimit -u, ulimit -n)".into()
            }
            Self::Engine { .. } => {
                "keep a copy of the folder before anything else; see the page of this error".into()
            }
            Self::NotRunning { .. } => "start it with `floodway up`".into(),
            Self::AdminSilent { .. } => "look at the node's log; it may just have ended".into(),
            Self::Refused { .. } => "see `floodway status` for what there is".into(),
            Self::UnknownLoad { known, .. } if known.is_empty() => {
                "describe it under `loads:` in the system file".into()
            }
            Self::UnknownLoad { known, .. } => format!("it has {}", known.join(", ")),
            Self::NeverReady { .. } => {
                "look at the output of those replicas, and at `health` in the file".into()
            }
            Self::Tls { source } => source.mend().into(),
            Self::NeedsRestart { .. } => "take these changes back, or make them by `floodway upgrade`".into(),
            Self::LoadFailed { .. } => "see the cause; the node itself is sound".into(),
            Self::Component { .. } => {
                "a file or folder that it names must be there and readable, and as the page of this error says"
                    .into()
            }
        }
    }
}
