//! Jobs: the board of their times, which is kept in memory, and the port. What they say is in the view.

mod board;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fjall::Slice;
use floodway_blocks::jobs::{DueJob, DueJobs, Entry, IfThere, Jobs, Version};
use floodway_blocks::{Failure, PortFuture};

pub(crate) use self::board::{Board, JobChange, JobKey};
use self::board::{Look, Place};
use crate::clock::{from_ms, to_ms};
use crate::commit::request::Request;
use crate::error::{damaged, io_failure, refused};
use crate::shared::Shared;
use crate::topics::check_name;
use crate::view::{Edit, META, named_key};

/// What must be true for a job to be written or ended.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Guard {
    /// Nothing.
    Any,
    /// There is none of that name.
    Absent,
    /// It has this version.
    Version(u64),
}

impl Guard {
    pub(crate) fn holds(self, known: Option<u64>) -> bool {
        match self {
            Self::Any => true,
            Self::Absent => known.is_none(),
            Self::Version(version) => known == Some(version),
        }
    }
}

/// A job as the view holds it.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) version: u64,
    pub(crate) due: u64,
    bytes: Slice,
}

const HEAD: usize = 16;

impl Stored {
    /// Takes a stored job apart; `None` if it is not one.
    pub(crate) fn parse(bytes: Slice) -> Option<Self> {
        let version = u64::from_le_bytes(bytes.get(..8)?.try_into().ok()?);
        let due = u64::from_le_bytes(bytes.get(8..HEAD)?.try_into().ok()?);
        Some(Self { version, due, bytes })
    }

    fn entry(&self) -> Entry {
        Entry { due: from_ms(self.due), body: Bytes::copy_from_slice(&self.bytes[HEAD..]) }
    }
}

fn view_key(key: &JobKey) -> String {
    named_key('j', &[&key.jobs, &key.owner, &key.name])
}

/// What writing a job changes in the view.
pub(crate) fn put_edit(key: &JobKey, version: u64, due: u64, body: &[u8]) -> Edit {
    let mut bytes = Vec::with_capacity(HEAD + body.len());
    bytes.extend_from_slice(&version.to_le_bytes());
    bytes.extend_from_slice(&due.to_le_bytes());
    bytes.extend_from_slice(body);
    Edit { space: META, key: view_key(key).into(), value: Some(bytes.into()) }
}

/// What the end of a job changes in the view.
pub(crate) fn end_edit(key: &JobKey) -> Edit {
    Edit { space: META, key: view_key(key).into(), value: None }
}

/// One jobs component on the engine.
#[derive(Debug)]
pub(crate) struct EmbeddedJobs {
    pub(crate) core: Arc<Shared>,
    pub(crate) name: Arc<str>,
}

impl Jobs for EmbeddedJobs {
    fn write<'a>(
        &'a self,
        owner: &'a str,
        name: &'a str,
        entry: Entry,
        if_there: IfThere,
    ) -> PortFuture<'a, Result<bool, Failure>> {
        let guard = match if_there {
            IfThere::Keep => Guard::Absent,
            IfThere::Replace => Guard::Any,
        };
        let key = JobKey::new(&self.name, owner, name);
        Box::pin(async move { self.core.put_job(key, entry, guard).await })
    }

    fn read<'a>(&'a self, owner: &'a str, name: &'a str) -> PortFuture<'a, Result<Option<Entry>, Failure>> {
        let key = JobKey::new(&self.name, owner, name);
        Box::pin(async move {
            self.core.check_open()?;
            Ok(self.core.read_job(&key)?.map(|stored| stored.entry()))
        })
    }

    fn remove<'a>(&'a self, owner: &'a str, names: Vec<String>) -> PortFuture<'a, Result<(), Failure>> {
        let keys: Vec<JobKey> = names.iter().map(|name| JobKey::new(&self.name, owner, name)).collect();
        Box::pin(async move {
            self.core.ask(|reply| Request::EndJobs { keys, guard: Guard::Any, reply }).await??;
            Ok(())
        })
    }

    fn names<'a>(&'a self, owner: &'a str) -> PortFuture<'a, Result<Vec<String>, Failure>> {
        Box::pin(async move {
            self.core.check_open()?;
            Ok(self.core.jobs.place(&self.name, owner).names())
        })
    }

    fn settle<'a>(
        &'a self,
        owner: &'a str,
        name: &'a str,
        Version(version): Version,
        next: Option<Entry>,
    ) -> PortFuture<'a, Result<bool, Failure>> {
        let (key, guard) = (JobKey::new(&self.name, owner, name), Guard::Version(version));
        Box::pin(async move {
            match next {
                Some(entry) => self.core.put_job(key, entry, guard).await,
                None => self.core.ask(|reply| Request::EndJobs { keys: vec![key], guard, reply }).await?,
            }
        })
    }

    fn open(&self, owner: &str) -> Box<dyn DueJobs> {
        let place = self.core.jobs.place(&self.name, owner);
        let (jobs, owner, opening) = (Arc::clone(&self.name), owner.into(), place.open());
        Box::new(OpenPlace { core: Arc::clone(&self.core), jobs, owner, place, opening })
    }
}

/// An owner's place, as one opening of it sees it.
#[derive(Debug)]
struct OpenPlace {
    core: Arc<Shared>,
    jobs: Arc<str>,
    owner: Arc<str>,
    place: Arc<Place>,
    opening: u64,
}

/// The clock of the machine may be set while somebody waits: it is looked at this often.
const LOOK_EVERY: Duration = Duration::from_secs(1);

impl DueJobs for OpenPlace {
    fn due(&mut self, most: usize) -> PortFuture<'_, Result<Vec<DueJob>, Failure>> {
        Box::pin(self.next_jobs(most.max(1)))
    }
}

impl OpenPlace {
    fn key(&self, name: &str) -> JobKey {
        JobKey { jobs: Arc::clone(&self.jobs), owner: Arc::clone(&self.owner), name: name.to_owned() }
    }

    async fn next_jobs(&self, most: usize) -> Result<Vec<DueJob>, Failure> {
        loop {
            let mut changed = std::pin::pin!(self.place.changed());
            // Registered before the look, so that nothing that comes after it is missed.
            changed.as_mut().enable();
            self.core.check_open()?;
            let now = self.core.clock.now_ms();
            match self.place.take(self.opening, now, most)? {
                Look::Due(due) => {
                    let jobs = self.with_bodies(&due)?;
                    if !jobs.is_empty() {
                        return Ok(jobs);
                    }
                }
                Look::Empty => changed.await,
                Look::Until(due) => {
                    let wait = Duration::from_millis(due.saturating_sub(now)).min(LOOK_EVERY);
                    tokio::select! { () = changed => {}, () = tokio::time::sleep(wait) => {} }
                }
            }
        }
    }

    /// What is due, with what it says. What was written anew at this moment is left out: it comes as new.
    fn with_bodies(&self, due: &[(String, u64)]) -> Result<Vec<DueJob>, Failure> {
        let mut jobs = Vec::with_capacity(due.len());
        for (name, version) in due {
            let stored = self.core.read_job(&self.key(name)).inspect_err(|_| {
                // The jobs come again with the next look.
                self.place.give_back(self.opening, due);
            })?;
            if let Some(stored) = stored.filter(|stored| stored.version == *version) {
                let (name, version) = (name.clone(), Version(*version));
                jobs.push(DueJob { name, entry: stored.entry(), version });
            }
        }
        Ok(jobs)
    }
}

impl Shared {
    async fn put_job(self: &Arc<Self>, key: JobKey, entry: Entry, guard: Guard) -> Result<bool, Failure> {
        check_name("job's owner", &key.owner)?;
        check_name("job", &key.name)?;
        let (size, limit) = (entry.body.len(), self.limits.value_bytes);
        if size > limit {
            let why = format!("it has {size} B, more than the limit of {limit} B");
            return Err(refused(format!("write the job {}", key.name), why));
        }
        let (due, body) = (to_ms(entry.due), entry.body);
        self.ask(|reply| Request::PutJob { key, due, body, guard, reply }).await?
    }

    fn read_job(&self, key: &JobKey) -> Result<Option<Stored>, Failure> {
        let bytes = self.view.get(META, view_key(key).as_bytes());
        let bytes =
            bytes.map_err(|error| io_failure(format!("read the job {}", key.name), &Arc::new(error)))?;
        let parse = |bytes| Stored::parse(bytes).ok_or_else(|| damaged(format!("the job {}", key.name)));
        bytes.map(parse).transpose()
    }
}
