//! How a command fails, in words for the person in front of it.

use std::error::Error;
use std::fmt;
use std::process::ExitCode;

use floodway_node::NodeError;

/// Why a command failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A mistake in the system file or on the command line, already in its final form.
    Mistake(String),
    /// A node, or a command to one, failed.
    Node(NodeError),
    /// Anything else.
    Other(anyhow::Error),
}

// === impl Failure ===

impl Failure {
    /// Says it on stderr, and gives the exit status that belongs to it.
    #[expect(clippy::print_stderr, reason = "the command line talks to people")]
    pub(crate) fn tell(&self) -> ExitCode {
        eprintln!("{self}");
        match self {
            Self::Mistake(_) | Self::Node(NodeError::UnknownLoad { .. }) => ExitCode::from(2),
            Self::Node(_) | Self::Other(_) => ExitCode::from(1),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mistake(text) => f.write_str(text.trim_end()),
            Self::Node(error) => {
                writeln!(f, "error[{}]: {error}{}", error.code(), causes(error))?;
                write!(f, "  help: {}", error.mend())
            }
            Self::Other(error) => write!(f, "error: {error:#}"),
        }
    }
}

impl From<NodeError> for Failure {
    fn from(error: NodeError) -> Self {
        Self::Node(error)
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Other(error)
    }
}

/// What led to it, each after a colon.
fn causes(error: &dyn Error) -> String {
    let mut text = String::new();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
