//! Why the engine could not be opened, and the failures it answers with.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use floodway_blocks::Failure;

use crate::options::NAME;

/// Why the engine could not be opened. Nothing was changed, except that a torn tail may have been cut.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has the folder open.
    #[error("[FW-4001] data folder {} is in use by another process", folder.display())]
    InUse {
        /// The folder.
        folder: PathBuf,
    },
    /// A record that was once safely on disk cannot be read back.
    #[error("[FW-4002] {file} is damaged at byte {offset}: {detail}")]
    Damaged {
        /// The segment file.
        file: String,
        /// Where in it.
        offset: u64,
        /// What is wrong there.
        detail: String,
    },
    /// The disk reported an error.
    #[error("[FW-4003] could not {attempt}")]
    Io {
        /// What was tried, on what.
        attempt: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The materialised state cannot be opened.
    #[error("[FW-4004] could not open the state in {}", folder.display())]
    State {
        /// Its folder.
        folder: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A component's name cannot be stored.
    #[error(
        "[FW-4007] component name {name:?} must have 1 to 200 bytes, none of them zero, the first no `$`"
    )]
    Name {
        /// The name.
        name: String,
    },
    /// The folder was written in a format that this version does not know.
    #[error("[FW-4005] {file} has log format {found}, and this version reads format {known}")]
    Format {
        /// The segment file.
        file: String,
        /// What it says.
        found: u32,
        /// What is understood.
        known: u32,
    },
}

/// Says what was tried when the disk refused.
pub(crate) fn opening(attempt: impl Into<String>) -> impl FnOnce(io::Error) -> OpenError {
    let attempt = attempt.into();
    move |source| OpenError::Io { attempt, source }
}

/// A failure of the disk, for one of the callers that it hit.
pub(crate) fn io_failure(attempt: impl Into<String>, source: &Arc<io::Error>) -> Failure {
    Failure::Io { engine: NAME, attempt: attempt.into(), source: Arc::clone(source) }
}

/// A request that this engine cannot take.
pub(crate) fn refused(attempt: impl Into<String>, why: String) -> Failure {
    let source = Arc::new(io::Error::new(io::ErrorKind::InvalidInput, why));
    Failure::Io { engine: NAME, attempt: attempt.into(), source }
}

pub(crate) fn overloaded() -> Failure {
    Failure::Overloaded { engine: NAME, retry_after: Duration::from_millis(100) }
}

pub(crate) fn stopping() -> Failure {
    Failure::Stopping { engine: NAME }
}

pub(crate) fn damaged(detail: String) -> Failure {
    Failure::Damaged { engine: NAME, detail }
}
