//! What the supervisor needs to know of a service.

use std::net::SocketAddr;
use std::path::PathBuf;

use floodway_policy::Weight;
use floodway_policy::health::ProbePolicy;

/// One service of the system file.
#[derive(Debug, Clone)]
pub struct ServiceSpec {
    /// Its name.
    pub name: String,
    /// Where its replicas come from.
    pub source: Source,
    /// What a probe asks.
    pub probe_kind: ProbeKind,
    /// How often, and what counts.
    pub probe: ProbePolicy,
    /// One per replica; where it is shorter, [`Weight::ONE`] holds.
    pub weights: Vec<Weight>,
}

/// Where the replicas of a service come from.
#[derive(Debug, Clone)]
pub enum Source {
    /// The node starts them.
    Run(Program),
    /// Someone else does; they listen at these addresses.
    At(Vec<SocketAddr>),
}

/// A program that is started `replicas` times.
#[derive(Debug, Clone)]
pub struct Program {
    /// The step before the first start.
    pub build: Option<Build>,
    /// The program and its arguments.
    pub words: Vec<String>,
    /// The working folder.
    pub dir: PathBuf,
    /// Set in its environment, after what the node sets.
    pub env: Vec<(String, String)>,
    /// How many run at once.
    pub replicas: u16,
}

/// A shell command that makes a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Build {
    /// For `sh -c`.
    pub command: String,
    /// The working folder.
    pub dir: PathBuf,
}

/// What a probe asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeKind {
    /// A connection must be accepted.
    Tcp,
    /// A GET of this path must be answered with 2xx or 3xx.
    Http(String),
}

// === impl ServiceSpec ===

impl ServiceSpec {
    /// How many replicas there are.
    pub fn replicas(&self) -> u16 {
        match &self.source {
            Source::Run(program) => program.replicas,
            Source::At(addresses) => u16::try_from(addresses.len()).unwrap_or(u16::MAX),
        }
    }

    /// The share of one replica.
    pub fn weight(&self, slot: u16) -> Weight {
        self.weights.get(usize::from(slot)).copied().unwrap_or(Weight::ONE)
    }
}
