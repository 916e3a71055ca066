//! Jobs: what an owner wants done at a time. The engine keeps each with its time, and hands it out when it
//! is due; whoever runs it says what becomes of it.
//!
//! ```text
//! write(owner, name, entry) ─▶ [name: entry due …] ─▶ due ─▶ a run ─▶ settle(again at … | over)
//! ```
//! What an entry says, and when it is due again, is for those who use the port: the engine only sees its
//! time. An entry that was handed out but not settled when the node dies is due again.

use std::fmt;
use std::time::SystemTime;

use bytes::Bytes;

use crate::{Failure, PortFuture};

/// A job as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// When it is to be handed out, to the millisecond.
    pub due: SystemTime,
    /// What it is, for those who wrote it.
    pub body: Bytes,
}

/// The version of an entry. It changes with every write of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u64);

/// What happens to a job of that name that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfThere {
    /// It stays, and the new one is not written.
    Keep,
    /// The new one takes its place. What was handed out of the old one changes nothing more.
    Replace,
}

/// A job that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueJob {
    /// Its name.
    pub name: String,
    /// What was written.
    pub entry: Entry,
    /// Names it when it is settled.
    pub version: Version,
}

/// The jobs of a system on one engine. Owners do not see each other's.
pub trait Jobs: fmt::Debug + Send + Sync {
    /// Writes a job; says whether it was written. Durable before the answer.
    fn write<'a>(
        &'a self,
        owner: &'a str,
        name: &'a str,
        entry: Entry,
        if_there: IfThere,
    ) -> PortFuture<'a, Result<bool, Failure>>;

    /// Reads a job.
    fn read<'a>(&'a self, owner: &'a str, name: &'a str) -> PortFuture<'a, Result<Option<Entry>, Failure>>;

    /// Removes jobs, those that are not there included. Durable before the answer.
    fn remove<'a>(&'a self, owner: &'a str, names: Vec<String>) -> PortFuture<'a, Result<(), Failure>>;

    /// The names of an owner's jobs, ascending.
    fn names<'a>(&'a self, owner: &'a str) -> PortFuture<'a, Result<Vec<String>, Failure>>;

    /// Says what becomes of a job that was handed out: `next`, or nothing more. Says whether that was
    /// done: not if it was written anew or removed meanwhile. Durable before the answer.
    fn settle<'a>(
        &'a self,
        owner: &'a str,
        name: &'a str,
        version: Version,
        next: Option<Entry>,
    ) -> PortFuture<'a, Result<bool, Failure>>;

    /// Opens an owner's place. An owner has one at a time per node: opening it again takes it over, and
    /// what was handed out and not settled is due again.
    fn open(&self, owner: &str) -> Box<dyn DueJobs>;
}

/// An owner's place: where what is due comes out.
pub trait DueJobs: fmt::Debug + Send + Sync {
    /// Waits for jobs that are due: at least one, at most `most`, the earliest first, each once until it
    /// is settled or written anew. Cancel safe: a job is handed out only by a future that was polled to
    /// its end. Must be polled in a tokio runtime with time.
    fn due(&mut self, most: usize) -> PortFuture<'_, Result<Vec<DueJob>, Failure>>;
}
