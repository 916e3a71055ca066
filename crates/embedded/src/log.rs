//! The segment log: write-ahead log of everything and the only store of messages.
//!
//! One thread appends ([`Log`]); the keeper also syncs ([`Tail`]); anyone reads ([`Segments`]). What it
//! costs: one write per commit, and one fdatasync per commit that someone needs durable. On a
//! pre-zeroed segment a sync changes no metadata and is about 1.6 times as quick ([`spare`]).

pub(crate) mod frame;
pub(crate) mod scan;
pub(crate) mod segment;
mod spare;
mod tail;

use std::io;
use std::sync::Arc;

pub(crate) use self::frame::FrameBuffer;
use self::frame::{FORMAT, SEGMENT_HEADER, SegmentHead};
pub(crate) use self::segment::{Segment, Segments};
use self::spare::SpareMaker;
pub(crate) use self::tail::Tail;
use crate::clock::Clock;
use crate::disk::Disk;

/// Name of the segment that is zeroed in advance.
const SPARE: &str = "spare";
/// Once this part of a segment is written, the next one is zeroed in advance.
const PREPARE_AFTER: u64 = 8 << 20;

/// A segment's file name.
pub(crate) fn file_name(number: u64) -> String {
    format!("{number:020}.log")
}

fn file_number(name: &str) -> Option<u64> {
    name.strip_suffix(".log").filter(|digits| digits.len() == 20)?.parse().ok()
}

/// Where a frame went.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) segment: Arc<Segment>,
    pub(crate) offset: u64,
    pub(crate) last: u64,
}

/// The end of the log. Belongs to the committer.
#[derive(Debug)]
pub(crate) struct Log {
    disk: Arc<dyn Disk>,
    clock: Clock,
    segment_bytes: u64,
    zero_ahead: bool,
    segments: Arc<Segments>,
    tail: Arc<Tail>,
    current: Option<Current>,
    number: u64,
    last: u64,
    next: u64,
    spare: SpareMaker,
}

#[derive(Debug)]
struct Current {
    segment: Arc<Segment>,
    end: u64,
    zeroed: bool,
}

/// How a log is continued.
#[derive(Debug)]
pub(crate) struct Continue {
    /// Where its files are.
    pub(crate) disk: Arc<dyn Disk>,
    /// For the salt of new segments.
    pub(crate) clock: Clock,
    /// When a segment is full.
    pub(crate) segment_bytes: u64,
    /// Whether segments are zeroed in advance: worth it where commits are synced.
    pub(crate) zero_ahead: bool,
    /// The number of the last segment there is.
    pub(crate) number: u64,
    /// The last operation there is.
    pub(crate) last: u64,
    /// The number of the next operation.
    pub(crate) next: u64,
}

impl Log {
    /// Continues after what the scan found, in a new segment that is created with the first write.
    pub(crate) fn new(from: Continue, segments: Arc<Segments>, tail: Arc<Tail>) -> Self {
        let spare = SpareMaker::new(Arc::clone(&from.disk), from.segment_bytes);
        Self {
            disk: from.disk,
            clock: from.clock,
            segment_bytes: from.segment_bytes,
            zero_ahead: from.zero_ahead,
            segments,
            tail,
            current: None,
            number: from.number,
            last: from.last,
            next: from.next,
            spare,
        }
    }

    /// The number that the first operation of the next frame will have.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Appends a frame. On failure the log ends where it ended before, or refuses all further writes.
    pub(crate) fn append(&mut self, frame: &mut FrameBuffer) -> io::Result<Written> {
        self.tail.check()?;
        self.roll_if_full(frame.len() as u64)?;
        let current = self.current.as_mut().expect("rolling leaves a segment to write to");
        let segment = Arc::clone(&current.segment);
        let last = self.next + u64::from(frame.ops()) - 1;
        let bytes = frame.seal(segment.head.salt, self.next, self.tail.durable());
        let offset = current.end;
        if let Err(error) = segment.file.write_at(bytes, offset) {
            current.zeroed = false;
            if let Err(also) = segment.file.set_len(offset) {
                self.tail.poison(&also);
            }
            return Err(error);
        }
        current.end += bytes.len() as u64;
        self.last = last;
        self.next = last + 1;
        self.tail.wrote(&segment, last);
        if self.zero_ahead && current.end >= PREPARE_AFTER.min(self.segment_bytes / 2) {
            self.spare.prepare();
        }
        Ok(Written { segment, offset, last })
    }

    /// Makes all that was appended durable.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.tail.sync(self.disk.as_ref())
    }

    /// Takes no more writes: what is in the log could not be shown.
    pub(crate) fn refuse_writes(&self, error: &io::Error) {
        self.tail.poison(error);
    }

    /// Ends the work in the background.
    pub(crate) fn close(&mut self) {
        self.spare.close();
    }

    fn roll_if_full(&mut self, len: u64) -> io::Result<()> {
        let goes_on = self.current.as_ref().is_some_and(|current| {
            let fits = current.end + len <= self.segment_bytes || current.end <= SEGMENT_HEADER as u64;
            fits && (current.zeroed || !self.spare.is_ready())
        });
        if goes_on { Ok(()) } else { self.roll() }
    }

    fn roll(&mut self) -> io::Result<()> {
        let number = self.number + 1;
        let name = file_name(number);
        let salt = crc32fast::hash(&[number.to_le_bytes(), self.clock.now_ms().to_le_bytes()].concat());
        let durable = self.tail.durable();
        let head = SegmentHead { format: FORMAT, salt, number, after: self.last, first: self.next, durable };
        let spare = self.spare.take();
        let zeroed = spare.is_some();
        let file = match spare {
            Some(file) => self.disk.rename(SPARE, &name).map(|()| file)?,
            None => self.disk.create(&name)?,
        };
        if let Err(error) = file.write_at(&head.encode(), 0) {
            self.disk.remove(&name)?;
            return Err(error);
        }
        self.number = number;
        let segment = Arc::new(Segment::new(head, name, file));
        self.tail.created();
        self.segments.push(Arc::clone(&segment));
        self.current = Some(Current { segment, end: SEGMENT_HEADER as u64, zeroed });
        Ok(())
    }
}
