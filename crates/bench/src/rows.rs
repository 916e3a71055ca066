//! Reads the rows of a load one after the other; a file is never in memory as a whole.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use csv::StringRecord;
use floodway_workload::Rows;

use crate::error::LoadError;

/// The rows, with a place among them.
#[derive(Debug)]
pub(crate) struct RowReader {
    source: Source,
    columns: Vec<String>,
    /// The values of the present row.
    record: StringRecord,
    /// The number of the present row, from 1; 0 before the first.
    row: u64,
}

#[derive(Debug)]
enum Source {
    Replay { path: PathBuf, reader: csv::Reader<File> },
    Repeat(u64),
}

// === impl RowReader ===

impl RowReader {
    /// Opens the file, if there is one, and reads its header.
    pub(crate) fn open(rows: &Rows) -> Result<Self, LoadError> {
        let (source, columns) = match rows {
            Rows::Repeat(count) => (Source::Repeat(*count), Vec::new()),
            Rows::Replay(path) => {
                let file = File::open(path)
                    .map_err(|source| LoadError::Unreadable { path: path.clone(), source })?;
                let mut reader = csv::Reader::from_reader(file);
                let header = reader.headers().map_err(|error| bad(path, error))?;
                let columns = header.iter().map(str::to_owned).collect();
                (Source::Replay { path: path.clone(), reader }, columns)
            }
        };
        Ok(Self { source, columns, record: StringRecord::new(), row: 0 })
    }

    /// The names of the columns.
    pub(crate) fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Goes to the next row and says its number, or `None` after the last.
    /// Reads the disk at most once in some hundred rows, ahead of which the kernel reads.
    pub(crate) fn advance(&mut self) -> Result<Option<u64>, LoadError> {
        let is_there = match &mut self.source {
            Source::Repeat(count) => self.row < *count,
            Source::Replay { path, reader } => {
                reader.read_record(&mut self.record).map_err(|error| bad(path, error))?
            }
        };
        self.row += u64::from(is_there);
        Ok(is_there.then_some(self.row))
    }

    /// A value of the present row, by the place of its column.
    pub(crate) fn value(&self, place: usize) -> &str {
        self.record.get(place).unwrap_or_default()
    }
}

fn bad(path: &Path, error: csv::Error) -> LoadError {
    let path = path.to_owned();
    if error.is_io_error() {
        LoadError::Unreadable { path, source: io::Error::from(error) }
    } else {
        LoadError::BadRow { path, source: error }
    }
}
