//! A load as the system file describes it.

use std::path::PathBuf;
use std::time::Duration;

use crate::retry::Retry;
use crate::schedule::{Rate, Schedule};
use crate::template::Template;

/// What to send, how fast, and when to give up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Load {
    /// Where the rows come from; each makes one request.
    pub rows: Rows,
    /// Requests over time, whatever the system makes of them; `None` for full speed.
    pub rate: Option<Rate>,
    /// Most requests in flight, those that wait to be tried again included; 0 counts as 1.
    pub concurrency: u32,
    /// Time for one attempt, from connecting to the last byte of the answer.
    pub timeout: Duration,
    /// Whether and when an attempt is followed by another.
    pub retry: Retry,
    /// What each row becomes.
    pub request: RequestTemplate,
}

/// Where the rows of a load come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rows {
    /// A CSV file whose first line names the columns.
    Replay(PathBuf),
    /// So many rows without columns.
    Repeat(u64),
}

/// A request with gaps that each row fills.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestTemplate {
    /// The method, in capitals.
    pub method: String,
    /// Path and query, from the leading slash.
    pub path: Template,
    /// Header names and values. `Host` and `Content-Length` are added where missing.
    pub headers: Vec<(String, Template)>,
    /// The body, if there is one.
    pub body: Option<Template>,
}

impl Load {
    /// The default of `concurrency`.
    pub const CONCURRENCY: u32 = 512;
    /// The default of `timeout`.
    pub const TIMEOUT: Duration = Duration::from_secs(10);

    /// When the requests are meant to start.
    pub const fn schedule(&self) -> Schedule {
        match self.rate {
            Some(rate) => Schedule::Uniform(rate),
            None => Schedule::FullSpeed,
        }
    }
}
