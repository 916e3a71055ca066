//! Why a load could not be performed. What the system under load does wrong is no error: it is in the
//! report.

use std::error::Error;
use std::io;
use std::path::PathBuf;

use floodway_workload::UnknownColumn;

/// Why a load could not be performed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The file to replay cannot be opened or read.
    #[error("[FW-6001] cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The request names a column that the rows do not have.
    #[error("[FW-6002] {part} of the request: {source}")]
    UnknownColumn {
        /// Where the column is named.
        part: String,
        /// Which, and what there is.
        source: UnknownColumn,
    },
    /// A line of the file is no row of it.
    #[error("[FW-6003] bad row in {}: {source}", path.display())]
    BadRow {
        /// The file.
        path: PathBuf,
        /// Where, and what is wrong.
        source: csv::Error,
    },
    /// There is nothing to send.
    #[error("[FW-6004] {rows} has no rows, so there is nothing to send")]
    Empty {
        /// What should have had some.
        rows: String,
    },
    /// What a row makes of the request is not HTTP.
    #[error("[FW-6005] {part} `{text}` cannot be sent: {source}")]
    NotHttp {
        /// Which part, and of which row.
        part: String,
        /// What it says.
        text: String,
        /// What is wrong with it.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The journal cannot be written.
    #[error("[FW-6006] cannot write the journal {}: {source}", path.display())]
    Journal {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The kernel gave no timer.
    #[error("[FW-6007] cannot keep time: {0}")]
    Timer(#[source] io::Error),
}

impl LoadError {
    /// The code, which names its page in the documentation.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "FW-6001",
            Self::UnknownColumn { .. } => "FW-6002",
            Self::BadRow { .. } => "FW-6003",
            Self::Empty { .. } => "FW-6004",
            Self::NotHttp { .. } => "FW-6005",
            Self::Journal { .. } => "FW-6006",
            Self::Timer(_) => "FW-6007",
        }
    }
}
