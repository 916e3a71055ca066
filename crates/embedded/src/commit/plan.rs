//! What one commit will do: checks each request against the view and what the commit has done so far,
//! and writes down its operations, edits and answers.

mod locks;
mod messages;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use floodway_blocks::Failure;
use floodway_blocks::state::{Change, Effect, Etag, Precondition, WriteError};
use floodway_blocks::topics::{Outgoing, Received};

pub(crate) use self::messages::{group_edit, group_over_edit};
use super::request::{Answer, Request, StorePlace};
use crate::error::{damaged, io_failure, overloaded};
use crate::jobs::{self, Guard, JobChange, JobKey};
use crate::locks::Leases;
use crate::log::FrameBuffer;
use crate::op::Op;
use crate::options::Durability;
use crate::shared::Shared;
use crate::topics::Topic;
use crate::topics::group::Group;
use crate::view::{self, EXPIRY, Edit, Place, Space, Stored, parse_expiry_key};

/// A commit under construction.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    core: &'a Shared,
    leases: &'a mut Leases,
    frame: FrameBuffer,
    first: u64,
    now_ms: u64,
    overlay: HashMap<Space, HashMap<String, Version>>,
    jobs: HashMap<JobKey, Version>,
    has_released: bool,
    effects: Effects,
}

/// A finished plan.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) frame: FrameBuffer,
    pub(crate) effects: Effects,
}

/// What happens once the frame is written.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    pub(crate) sync: bool,
    pub(crate) edits: Vec<Edit>,
    pub(crate) messages: Vec<(Arc<Topic>, Received)>,
    pub(crate) opened: Vec<Opened>,
    /// Groups that are over.
    pub(crate) forgotten: Vec<Arc<Group>>,
    pub(crate) buried: Vec<(Arc<Group>, u64)>,
    pub(crate) jobs: Vec<JobChange>,
    /// When the first of the messages for later is due.
    pub(crate) first_due: Option<u64>,
    pub(crate) answers: Vec<Answer>,
}

/// A group that is opened for the first time, and where it starts.
pub(crate) type Opened = (Arc<Topic>, String, u64);

/// What is known of a key: its etag while it is there.
type Version = Option<u64>;

impl<'a> Plan<'a> {
    /// An empty plan whose first operation will have number `first`.
    pub(crate) fn new(core: &'a Shared, leases: &'a mut Leases, frame: FrameBuffer, first: u64) -> Self {
        let now_ms = core.clock.now_ms();
        let (overlay, jobs, effects) = (HashMap::new(), HashMap::new(), Effects::default());
        Self { core, leases, frame, first, now_ms, overlay, jobs, has_released: false, effects }
    }

    /// Size of the frame so far.
    pub(crate) fn frame_len(&self) -> usize {
        self.frame.len()
    }

    /// Ends the planning.
    pub(crate) fn finish(self) -> Planned {
        Planned { frame: self.frame, effects: self.effects }
    }

    /// Adds a request.
    pub(crate) fn add(&mut self, request: Request) {
        let answer = match request {
            Request::WriteEach { store, changes, reply } => {
                let verdicts = changes.into_iter().map(|change| self.write_one(&store, &change)).collect();
                Answer::Each(reply, verdicts)
            }
            Request::Transact { store, changes, outbox, reply } => {
                Answer::Transact(reply, self.transact(&store, &changes, outbox))
            }
            Request::Publish { topic, messages, reply } => {
                Answer::Done(reply, self.publish_to(&topic, messages))
            }
            Request::Open { topic, name, reply } => {
                self.open(&topic, &name);
                Answer::Opened(reply, topic, name)
            }
            Request::Forget { topic, name, reply } => Answer::Forgot(reply, self.forget(&topic, &name)),
            Request::Bury { group, position, topic, message, reply } => {
                self.publish(&topic, message);
                self.write_progress(&group, Some(position));
                self.needs(group.topic.component.durability);
                self.effects.buried.push((group, position));
                Answer::Done(reply, Ok(()))
            }
            Request::Lock { claim, wait, reply } => return self.lock(claim, wait, reply),
            Request::Renew { claim, reply } => Answer::Renew(reply, self.renew(&claim)),
            Request::Unlock { locks, resource, owner, reply } => {
                Answer::Unlock(reply, self.unlock(&locks, &resource, &owner))
            }
            Request::PutJob { key, due, body, guard, reply } => {
                Answer::Said(reply, self.put_job(key, due, &body, guard))
            }
            Request::EndJobs { keys, guard, reply } => {
                let mut is_there = false;
                for key in keys {
                    is_there |= self.end_job(key, guard);
                }
                Answer::Said(reply, Ok(is_there))
            }
            Request::Sweep { due } => return self.sweep(due),
            Request::Release { reply } => {
                let due = self.tend_locks();
                let released = self.release();
                Answer::Released(reply, released.map(|next| next.into_iter().chain(due).min()))
            }
        };
        self.effects.answers.push(answer);
    }

    /// Writes a group's settlements; nobody waits for it.
    pub(crate) fn progress(&mut self, group: &Arc<Group>) {
        group.mark_clean();
        self.write_progress(group, None);
    }

    /// Number of the next operation.
    fn next(&self) -> u64 {
        self.first + u64::from(self.frame.ops())
    }

    fn needs(&mut self, durability: Durability) {
        self.effects.sync |= durability == Durability::Fsync;
    }

    // --- state ---

    fn write_one(&mut self, store: &StorePlace, change: &Change) -> Result<(), WriteError> {
        let seen = match &change.precondition {
            Precondition::None => None,
            _ => self.version(store.space, &change.key)?,
        };
        check(change, seen)?;
        self.make(store, change);
        Ok(())
    }

    fn transact(
        &mut self,
        store: &StorePlace,
        changes: &[Change],
        outbox: Vec<(Arc<Topic>, Outgoing)>,
    ) -> Result<(), WriteError> {
        // First all checks, each seeing the changes before it; then all changes.
        let mut made: HashMap<&str, Version> = HashMap::new();
        for (change, number) in changes.iter().zip(self.next()..) {
            if change.precondition != Precondition::None {
                let seen = match made.get(change.key.as_str()) {
                    Some(version) => *version,
                    None => self.version(store.space, &change.key)?,
                };
                check(change, seen)?;
            }
            made.insert(&change.key, matches!(change.effect, Effect::Put { .. }).then_some(number));
        }
        let outbox = self.first_ones(outbox)?;
        for change in changes {
            self.make(store, change);
        }
        self.publish_all(outbox);
        Ok(())
    }

    /// The version of a live key, as this commit leaves it so far.
    fn version(&self, space: Space, key: &str) -> Result<Version, Failure> {
        if let Some(version) = self.overlay.get(&space).and_then(|keys| keys.get(key)) {
            return Ok(*version);
        }
        let bytes = self.core.view.get(space, key.as_bytes());
        let bytes = bytes.map_err(|error| io_failure(format!("read key {key}"), &Arc::new(error)))?;
        let Some(bytes) = bytes else { return Ok(None) };
        let stored = Stored::parse(bytes).ok_or_else(|| damaged(format!("the value of key {key}")))?;
        Ok(stored.is_live(self.now_ms).then_some(stored.etag))
    }

    fn make(&mut self, store: &StorePlace, change: &Change) {
        let (number, key) = (self.next(), change.key.as_str());
        let place = Place { space: store.space, store: &store.name, key };
        let version = match &change.effect {
            Effect::Put { value, ttl } => {
                let expires = ttl.map_or(0, |ttl| self.due(ttl));
                self.frame.push(&Op::Put { store: &store.name, key, expires, value });
                view::put(&mut self.effects.edits, place, number, expires, value);
                Some(number)
            }
            Effect::Delete => {
                self.frame.push(&Op::Delete { store: &store.name, key });
                view::delete(&mut self.effects.edits, place);
                None
            }
        };
        self.overlay.entry(store.space).or_default().insert(key.to_owned(), version);
        self.needs(store.durability);
    }

    /// The wall time at which something that lives for `ttl` from now on is gone.
    fn due(&self, ttl: Duration) -> u64 {
        self.now_ms.saturating_add(u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX)).max(1)
    }

    // --- jobs ---

    /// The version of a job, as this commit leaves it so far.
    fn job_version(&self, key: &JobKey) -> Option<u64> {
        self.jobs.get(key).copied().unwrap_or_else(|| self.core.jobs.version(key))
    }

    fn put_job(&mut self, key: JobKey, due: u64, body: &[u8], guard: Guard) -> Result<bool, Failure> {
        let known = self.job_version(&key);
        if !guard.holds(known) {
            return Ok(false);
        }
        if known.is_none() && !self.core.jobs.has_room(self.effects.jobs.len()) {
            return Err(overloaded());
        }
        let version = self.next();
        self.frame.push(&Op::Job { jobs: &key.jobs, owner: &key.owner, name: &key.name, due, body });
        self.effects.edits.push(jobs::put_edit(&key, version, due, body));
        self.jobs.insert(key.clone(), Some(version));
        self.effects.jobs.push(JobChange { key, now: Some((version, due)) });
        self.effects.sync = true;
        Ok(true)
    }

    fn end_job(&mut self, key: JobKey, guard: Guard) -> bool {
        let known = self.job_version(&key);
        if known.is_none() || !guard.holds(known) {
            return false;
        }
        self.frame.push(&Op::JobOver { jobs: &key.jobs, owner: &key.owner, name: &key.name });
        self.effects.edits.push(jobs::end_edit(&key));
        self.jobs.insert(key.clone(), None);
        self.effects.jobs.push(JobChange { key, now: None });
        self.effects.sync = true;
        true
    }

    // --- expiry ---

    /// Removes what is due. Not logged: after a crash it is due still.
    fn sweep(&mut self, due: Vec<fjall::Slice>) {
        for entry in due {
            if let Some((due, store, key)) = parse_expiry_key(&entry) {
                self.sweep_value(due, store, key);
            }
            self.effects.edits.push(Edit { space: EXPIRY, key: entry, value: None });
        }
        self.effects.edits.extend(self.leases.sweep(self.now_ms));
    }

    fn sweep_value(&mut self, due: u64, store: &str, key: &str) {
        let Ok(space) = self.core.view.space(store) else { return };
        let is_written = self.overlay.get(&space).is_some_and(|keys| keys.contains_key(key));
        let stored = self.core.view.get(space, key.as_bytes()).ok().flatten().and_then(Stored::parse);
        if !is_written && stored.is_some_and(|stored| stored.expires == due && !stored.is_live(self.now_ms)) {
            view::delete(&mut self.effects.edits, Place { space, store, key });
        }
    }
}

fn check(change: &Change, seen: Version) -> Result<(), WriteError> {
    let holds = match &change.precondition {
        Precondition::None => true,
        Precondition::Absent => seen.is_none(),
        Precondition::Matches(etag) => {
            let wanted = parse_etag(etag)
                .ok_or_else(|| WriteError::InvalidEtag { key: change.key.clone(), etag: etag.clone() })?;
            seen == Some(wanted)
        }
    };
    if holds { Ok(()) } else { Err(WriteError::Mismatch { key: change.key.clone() }) }
}

/// An etag of this engine is a number written without sign or leading zeros.
fn parse_etag(Etag(text): &Etag) -> Option<u64> {
    text.parse().ok().filter(|number: &u64| number.to_string() == *text)
}
