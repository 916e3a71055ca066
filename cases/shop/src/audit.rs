//! The audit: holds a load's journal against everything the services know.
//!
//! `journal` reads what was accepted, `collect` asks the services (and waits until nothing is pending),
//! `differences` compares in pure code, `summary` says it to people.

mod collect;
mod differences;
mod journal;
mod summary;

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use floodway_client::{Client, SetupError};

use collect::CollectError;
use journal::JournalError;
use summary::Paint;

/// What the audit is told.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The load's journal: a CSV file `row,status,attempts,latency_us,body`.
    #[arg(long, env = "FLOODWAY_JOURNAL")]
    journal: PathBuf,
}

/// Why there could be no audit.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AuditError {
    #[error("[FW-9002] the journal {path} could not be opened")]
    Open { path: String, source: io::Error },
    #[error("[FW-9002] the journal {path} could not be read")]
    Journal { path: String, source: JournalError },
    #[error("[FW-9003] the block API is not known")]
    NoApi(#[from] SetupError),
    #[error("[FW-9003] the services could not be asked")]
    Collect(#[from] CollectError),
    #[error("the result could not be written")]
    Write(#[from] io::Error),
}

/// Audits; the exit code says whether everything agrees.
pub(crate) async fn run(options: &Options) -> Result<ExitCode, AuditError> {
    let path = options.journal.display().to_string();
    let journal =
        File::open(&options.journal).map_err(|source| AuditError::Open { path: path.clone(), source })?;
    let accepted = journal::read(journal).map_err(|source| AuditError::Journal { path, source })?;
    let books = collect::collect(&Client::from_env()?, accepted).await?;
    let differences = differences::find(&books);
    let stdout = io::stdout();
    let paint = if stdout.is_terminal() { Paint::Colours } else { Paint::Plain };
    let mut out = stdout.lock();
    summary::write(&mut out, paint, &books, &differences)?;
    out.flush()?;
    Ok(if differences.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
