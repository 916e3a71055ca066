//! Opening a log again: what it holds is indexed, and what the view lacks is replayed.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::commit::plan::{group_edit, group_over_edit};
use crate::disk::Disk;
use crate::error::{OpenError, opening};
use crate::jobs::{self, Board, JobChange, JobKey};
use crate::locks::{self, Lease, Leases, grant_edit, release_edit};
use crate::log::Segment;
use crate::log::frame::Frame;
use crate::log::scan::{Refused, Scanned, scan};
use crate::op::{self, Op, decode_positions};
use crate::topics::{Registry, Topic};
use crate::view::{self, CLOSED, DURABLE, Edit, Place, SharedView, View};

/// How many numbers are left out after an unclean end, so that an etag or position that was given out
/// by a write that the crash lost is never given out again.
const GAP: u64 = 1 << 26;

/// What opening the engine found and did.
#[derive(Debug, Clone, Default)]
pub struct Recovery {
    /// Bytes of writes that had not reached the disk whole and were cut off; none was acknowledged as
    /// durable.
    pub cut_bytes: u64,
    /// The file whose tail was cut, if one was.
    pub cut_file: Option<String>,
    /// Operations that the state lacked and that were replayed from the log.
    pub replayed: u64,
    /// Log segments there are.
    pub segments: usize,
    /// How long opening took.
    pub took: Duration,
}

impl fmt::Display for Recovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} log segments, {} operations replayed, in {:?}",
            self.segments, self.replayed, self.took
        )?;
        if let Some(file) = &self.cut_file {
            write!(f, "; cut {} B of an unfinished write off {file}", self.cut_bytes)?;
        }
        Ok(())
    }
}

/// Everything that opening rebuilt.
#[derive(Debug)]
pub(crate) struct Rebuilt {
    pub(crate) segments: Vec<Arc<Segment>>,
    /// The last operation there is.
    pub(crate) last: u64,
    /// The number of the next one.
    pub(crate) next: u64,
    pub(crate) recovery: Recovery,
}

/// Reads the view's records and the log.
pub(crate) fn rebuild(
    disk: &dyn Disk,
    view: &SharedView,
    registry: &Registry,
    leases: &mut Leases,
    board: &Board,
) -> Result<Rebuilt, OpenError> {
    let attempt = "read the state's records";
    let durable = view::number(view.as_ref(), DURABLE).map_err(opening(attempt))?;
    let closed = view::number(view.as_ref(), CLOSED).map_err(opening(attempt))?;
    restore_groups(view.as_ref(), registry)?;
    restore_leases(view.as_ref(), leases)?;
    restore_jobs(view.as_ref(), board)?;
    let known = durable.max(closed);
    let mut replay =
        Replay { view: view.as_ref(), registry, leases, board, known, replayed: 0, recent: None };
    let scanned = scan(disk, known, &mut |segment, frame| replay.take(segment, frame))?;
    let replayed = replay.replayed;
    let last = scanned.last.max(known);
    for topic in registry.all() {
        topic.starts_after(last);
    }
    let is_clean = closed == last;
    if !is_clean {
        sync_all(disk, &scanned)?;
    }
    let next = if is_clean { last + 1 } else { last + 1 + GAP };
    let (cut_file, cut_bytes) = scanned.cut.map_or((None, 0), |(file, bytes)| (Some(file), bytes));
    let segments = scanned.segments.len();
    let recovery = Recovery { cut_bytes, cut_file, replayed, segments, took: Duration::ZERO };
    Ok(Rebuilt { segments: scanned.segments, last, next, recovery })
}

/// What a killed process left in the page cache is read like any other, so it must not be lost later.
fn sync_all(disk: &dyn Disk, scanned: &Scanned) -> Result<(), OpenError> {
    for segment in &scanned.segments {
        segment.file.sync().map_err(opening(format!("sync {}", disk.place(&segment.name))))?;
    }
    disk.sync_folder().map_err(opening(format!("sync {}", disk.place(""))))
}

fn restore_groups(view: &dyn View, registry: &Registry) -> Result<(), OpenError> {
    for (parts, value) in view::named(view, b'g').map_err(opening("read the groups"))? {
        let (Ok([topics, topic, group]), Some((cursor, beyond))) =
            (<[String; 3]>::try_from(parts), decode_positions(&value))
        else {
            return Err(unreadable("a group"));
        };
        registry.restore(&topics, &topic).add_group(&group, cursor, beyond);
    }
    Ok(())
}

fn restore_leases(view: &dyn View, leases: &mut Leases) -> Result<(), OpenError> {
    for (parts, value) in view::named(view, b'l').map_err(opening("read the leases"))? {
        let (Ok([locks, resource]), Some(lease)) = (<[String; 2]>::try_from(parts), locks::decode(&value))
        else {
            return Err(unreadable("a lease"));
        };
        leases.restore([&locks, &resource], Some(lease));
    }
    Ok(())
}

fn restore_jobs(view: &dyn View, board: &Board) -> Result<(), OpenError> {
    for (parts, value) in view::named(view, b'j').map_err(opening("read the jobs"))? {
        let (Ok([jobs, owner, name]), Some(stored)) =
            (<[String; 3]>::try_from(parts), jobs::Stored::parse(value))
        else {
            return Err(unreadable("a job"));
        };
        let key = JobKey::new(&jobs, &owner, &name);
        board.apply(vec![JobChange { key, now: Some((stored.version, stored.due)) }]);
    }
    Ok(())
}

fn unreadable(what: &str) -> OpenError {
    let source = std::io::Error::new(std::io::ErrorKind::InvalidData, "its record is damaged");
    OpenError::Io { attempt: format!("read {what} from the state"), source }
}

struct Replay<'a> {
    view: &'a dyn View,
    registry: &'a Registry,
    leases: &'a mut Leases,
    board: &'a Board,
    /// The view is sure to hold operations up to this one.
    known: u64,
    replayed: u64,
    /// The topic of the last message: the next is often of the same.
    recent: Option<Arc<Topic>>,
}

impl Replay<'_> {
    fn take(&mut self, segment: &Segment, frame: Frame<'_>) -> Result<(), Refused> {
        let (mut rest, mut number, mut edits) = (frame.body, frame.first, Vec::new());
        while !rest.is_empty() {
            let op = op::decode(&mut rest)
                .ok_or_else(|| Refused::Damaged(format!("operation {number} makes no sense")))?;
            if let Op::Message { topics, topic, .. } = op {
                segment.note(self.topic(topics, topic).id, number, frame.offset);
            } else if number > self.known {
                self.op(number, op, &mut edits).map_err(|source| {
                    Refused::Failed(OpenError::Io { attempt: "open a store".into(), source })
                })?;
                self.replayed += 1;
            }
            number += 1;
        }
        if number != frame.first + u64::from(frame.ops) {
            return Err(Refused::Damaged("its operations are not as many as it says".into()));
        }
        if edits.is_empty() {
            return Ok(());
        }
        self.view.apply(edits).map_err(|source| {
            Refused::Failed(OpenError::Io { attempt: "replay the log into the state".into(), source })
        })
    }

    fn op(&mut self, number: u64, op: Op<'_>, edits: &mut Vec<Edit>) -> std::io::Result<()> {
        match op {
            Op::Put { store, key, expires, value } => {
                let place = Place { space: self.view.space(store)?, store, key };
                view::put(edits, place, number, expires, value);
            }
            Op::Delete { store, key } => {
                view::delete(edits, Place { space: self.view.space(store)?, store, key });
            }
            Op::Message { .. } => {}
            Op::Group { topics, topic, group } => {
                let of = self.topic(topics, topic);
                if of.group(group).is_none() {
                    let cursor = of.start_of_group(number);
                    of.add_group(group, cursor, Vec::new());
                    edits.push(group_edit([topics, topic, group], cursor, &[]));
                }
            }
            Op::GroupOver { topics, topic, group } => {
                self.topic(topics, topic).remove_group(group);
                edits.push(group_over_edit([topics, topic, group]));
            }
            Op::Progress { topics, topic, group, cursor, beyond } => {
                let of = self.topic(topics, topic);
                of.add_group(group, cursor, Vec::new());
                if let Some(known) = of.group(group).filter(|known| known.cursor() <= cursor) {
                    edits.push(group_edit([topics, topic, group], cursor, &beyond));
                    known.restore(cursor, beyond);
                }
            }
            Op::Grant { locks, resource, owner, expires } => {
                let lease = Lease { owner: owner.to_owned(), expires };
                edits.push(grant_edit([locks, resource], &lease));
                self.leases.restore([locks, resource], Some(lease));
            }
            Op::Release { locks, resource } => {
                edits.push(release_edit([locks, resource]));
                self.leases.restore([locks, resource], None);
            }
            Op::Job { jobs, owner, name, due, body } => {
                let key = JobKey::new(jobs, owner, name);
                edits.push(jobs::put_edit(&key, number, due, body));
                self.board.apply(vec![JobChange { key, now: Some((number, due)) }]);
            }
            Op::JobOver { jobs, owner, name } => {
                let key = JobKey::new(jobs, owner, name);
                edits.push(jobs::end_edit(&key));
                self.board.apply(vec![JobChange { key, now: None }]);
            }
        }
        Ok(())
    }

    fn topic(&mut self, topics: &str, topic: &str) -> Arc<Topic> {
        let recent =
            self.recent.take().filter(|recent| recent.name == topic && recent.component.name == topics);
        let found = recent.unwrap_or_else(|| self.registry.restore(topics, topic));
        self.recent = Some(Arc::clone(&found));
        found
    }
}
