//! A line for each request that ended, for an audit to compare with what the system says.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use floodway_workload::Observation;

use crate::error::LoadError;

/// A CSV `row,status,attempts,latency_us,body`, in the order in which requests ended. Status 0: the last
/// attempt had no answer. The latency runs from the intended start. What is no UTF-8 in a body is
/// replaced by U+FFFD, so that the file is text.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    out: csv::Writer<File>,
}

impl Journal {
    /// Bytes kept of each body.
    pub(crate) const BODY_BYTES_MAX: usize = 4 << 10;
    const BUFFER_BYTES: usize = 64 << 10;

    /// Creates the file, or empties it.
    pub(crate) fn create(path: &Path) -> Result<Self, LoadError> {
        let refused = |source| LoadError::Journal { path: path.to_owned(), source };
        let file = File::create(path).map_err(refused)?;
        let out = csv::WriterBuilder::new().buffer_capacity(Self::BUFFER_BYTES).from_writer(file);
        let mut journal = Self { path: path.to_owned(), out };
        journal.write(["row", "status", "attempts", "latency_us", "body"])?;
        Ok(journal)
    }

    /// Adds a line.
    pub(crate) fn add(&mut self, row: u64, seen: &Observation, body: &[u8]) -> Result<(), LoadError> {
        let latency_us = seen.ended.since(seen.intended).as_micros();
        self.write([
            row.to_string().as_str(),
            seen.status.unwrap_or(0).to_string().as_str(),
            seen.attempts.to_string().as_str(),
            latency_us.to_string().as_str(),
            &String::from_utf8_lossy(body),
        ])
    }

    /// Hands all lines to the file.
    pub(crate) fn flush(&mut self) -> Result<(), LoadError> {
        self.out.flush().map_err(|source| LoadError::Journal { path: self.path.clone(), source })
    }

    fn write(&mut self, line: [&str; 5]) -> Result<(), LoadError> {
        self.out
            .write_record(line)
            .map_err(|error| LoadError::Journal { path: self.path.clone(), source: io::Error::from(error) })
    }
}
