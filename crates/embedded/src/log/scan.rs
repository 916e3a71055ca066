//! Reads the log when the engine opens: finds its end, cuts a torn tail, refuses damage.

use std::sync::Arc;

use super::frame::{
    FORMAT, Frame, FrameReader, Next, SEGMENT_HEADER, SegmentHead, durable_behind, written_behind,
};
use super::segment::Segment;
use super::{SPARE, file_name, file_number};
use crate::disk::{Disk, DiskFile};
use crate::error::{OpenError, opening};

/// What the scan found.
#[derive(Debug, Default)]
pub(crate) struct Scanned {
    pub(crate) segments: Vec<Arc<Segment>>,
    /// The last operation; 0 for an empty log.
    pub(crate) last: u64,
    /// Bytes cut off the tail, and the file they were in.
    pub(crate) cut: Option<(String, u64)>,
}

/// Takes each whole frame in order. A reason why it makes no sense counts as damage.
pub(crate) type Visit<'v> = dyn FnMut(&Segment, Frame<'_>) -> Result<(), Refused> + 'v;

/// Why a whole frame could not be taken.
#[derive(Debug)]
pub(crate) enum Refused {
    /// It makes no sense.
    Damaged(String),
    /// What it says could not be stored.
    Failed(OpenError),
}

struct Bad {
    index: usize,
    offset: u64,
}

/// Reads all segments. `known` is the last operation that is known from elsewhere to have been synced.
pub(crate) fn scan(disk: &dyn Disk, known: u64, visit: &mut Visit<'_>) -> Result<Scanned, OpenError> {
    let numbers = segment_numbers(disk)?;
    let files = open_all(disk, &numbers)?;
    let mut scanned = Scanned::default();
    let bad = read_all(disk, &files, &mut scanned, visit)?;
    if let Some(bad) = bad {
        cut(disk, &files, &bad, known, &mut scanned)?;
    } else if scanned.last < known && !files.is_empty() {
        let (name, file) = &files[files.len() - 1];
        let offset = file.size().map_err(opening(format!("read {}", disk.place(name))))?;
        return Err(missing(disk, name, offset, scanned.last + 1));
    }
    Ok(scanned)
}

type Files = Vec<(String, Arc<dyn DiskFile>)>;

fn segment_numbers(disk: &dyn Disk) -> Result<Vec<u64>, OpenError> {
    let mut numbers = Vec::new();
    for name in disk.list().map_err(opening(format!("list {}", disk.place(""))))? {
        if name == SPARE {
            disk.remove(SPARE).map_err(opening(format!("remove {}", disk.place(SPARE))))?;
        }
        numbers.extend(file_number(&name));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

fn open_all(disk: &dyn Disk, numbers: &[u64]) -> Result<Files, OpenError> {
    for pair in numbers.windows(2) {
        if pair[1] != pair[0] + 1 {
            let file = disk.place(&file_name(pair[0] + 1));
            return Err(OpenError::Damaged { file, offset: 0, detail: "the file is missing".into() });
        }
    }
    let open = |&number: &u64| {
        let name = file_name(number);
        let file = disk.open(&name).map_err(opening(format!("open {}", disk.place(&name))))?;
        Ok((name, file))
    };
    numbers.iter().map(open).collect()
}

fn read_all(
    disk: &dyn Disk,
    files: &Files,
    scanned: &mut Scanned,
    visit: &mut Visit<'_>,
) -> Result<Option<Bad>, OpenError> {
    for (index, (name, file)) in files.iter().enumerate() {
        let Some(head) = read_head(disk, name, file.as_ref())? else {
            return Ok(Some(Bad { index, offset: 0 }));
        };
        let follows = index == 0 || (head.after == scanned.last && head.first > scanned.last);
        if !follows {
            let offset = end_of(disk, &files[index - 1], &scanned.segments[index - 1])?;
            return Ok(Some(Bad { index: index - 1, offset }));
        }
        scanned.last = scanned.last.max(head.after);
        let segment = Arc::new(Segment::new(head, name.clone(), Arc::clone(file)));
        scanned.segments.push(Arc::clone(&segment));
        if let Some(offset) = read_frames(disk, &segment, &mut scanned.last, visit)? {
            return Ok(Some(Bad { index, offset }));
        }
    }
    Ok(None)
}

fn read_head(disk: &dyn Disk, name: &str, file: &dyn DiskFile) -> Result<Option<SegmentHead>, OpenError> {
    let mut bytes = [0; SEGMENT_HEADER];
    file.read_at(&mut bytes, 0).map_err(opening(format!("read {}", disk.place(name))))?;
    let head = SegmentHead::decode(&bytes);
    match head {
        Some(head) if head.format != FORMAT => {
            Err(OpenError::Format { file: disk.place(name), found: head.format, known: FORMAT })
        }
        head => Ok(head),
    }
}

/// Reads one segment's frames; answers with the offset of the first bad one.
fn read_frames(
    disk: &dyn Disk,
    segment: &Segment,
    last: &mut u64,
    visit: &mut Visit<'_>,
) -> Result<Option<u64>, OpenError> {
    let attempt = || format!("read {}", disk.place(&segment.name));
    let mut reader = FrameReader::new(segment.file.as_ref(), segment.head.salt, SEGMENT_HEADER as u64);
    let mut expected = segment.head.first;
    loop {
        let offset = reader.offset();
        match reader.next().map_err(opening(attempt()))? {
            Next::Frame(frame) if frame.first == expected => {
                expected = frame.last() + 1;
                *last = frame.last();
                visit(segment, frame).map_err(|refused| match refused {
                    Refused::Damaged(detail) => {
                        OpenError::Damaged { file: disk.place(&segment.name), offset, detail }
                    }
                    Refused::Failed(error) => error,
                })?;
                segment.extend(*last);
            }
            Next::End => {
                let behind = written_behind(segment.file.as_ref(), offset).map_err(opening(attempt()))?;
                return Ok((behind > 0).then_some(offset));
            }
            Next::Frame(_) | Next::Bad => return Ok(Some(offset)),
        }
    }
}

fn end_of(
    disk: &dyn Disk,
    (name, file): &(String, Arc<dyn DiskFile>),
    segment: &Segment,
) -> Result<u64, OpenError> {
    let mut reader = FrameReader::new(file.as_ref(), segment.head.salt, SEGMENT_HEADER as u64);
    while let Next::Frame(_) = reader.next().map_err(opening(format!("read {}", disk.place(name))))? {}
    Ok(reader.offset())
}

/// Cuts the log at a bad frame if nobody was promised what stood there, else refuses to open.
fn cut(
    disk: &dyn Disk,
    files: &Files,
    bad: &Bad,
    known: u64,
    scanned: &mut Scanned,
) -> Result<(), OpenError> {
    let lost = scanned.last + 1;
    let (name, file) = &files[bad.index];
    let promised = durable_after(disk, files, bad, scanned)?.max(Some(known));
    if promised >= Some(lost) {
        return Err(missing(disk, name, bad.offset, lost));
    }
    let mut bytes = 0;
    for (later, file) in files[bad.index + 1..].iter().rev() {
        let attempt = || format!("cut the tail off {}", disk.place(later));
        bytes += written_behind(file.as_ref(), 0).map_err(opening(attempt()))?;
        disk.remove(later).map_err(opening(attempt()))?;
    }
    let attempt = || format!("cut the tail off {}", disk.place(name));
    bytes += written_behind(file.as_ref(), bad.offset).map_err(opening(attempt()))?;
    if bad.offset == 0 {
        disk.remove(name).map_err(opening(attempt()))?;
    } else {
        file.set_len(bad.offset).map_err(opening(attempt()))?;
        file.sync().map_err(opening(attempt()))?;
    }
    disk.sync_folder().map_err(opening(attempt()))?;
    scanned.segments.truncate(if bad.offset == 0 { bad.index } else { bad.index + 1 });
    scanned.cut = Some((disk.place(name), bytes));
    Ok(())
}

/// The last operation that anything behind the bad place says was synced.
fn durable_after(
    disk: &dyn Disk,
    files: &Files,
    bad: &Bad,
    scanned: &Scanned,
) -> Result<Option<u64>, OpenError> {
    let mut highest = None;
    for (index, (name, file)) in files.iter().enumerate().skip(bad.index) {
        let head = match scanned.segments.get(index) {
            Some(segment) if index == bad.index => Some(segment.head),
            _ => read_head(disk, name, file.as_ref())?,
        };
        let Some(head) = head else { continue };
        let from = if index == bad.index { bad.offset } else { SEGMENT_HEADER as u64 };
        if index > bad.index {
            highest = highest.max(Some(head.durable));
        }
        let behind = durable_behind(file.as_ref(), head.salt, from)
            .map_err(opening(format!("read {}", disk.place(name))))?;
        highest = highest.max(behind);
    }
    Ok(highest)
}

fn missing(disk: &dyn Disk, name: &str, offset: u64, lost: u64) -> OpenError {
    let detail = format!("operation {lost} was synced to disk but cannot be read back");
    OpenError::Damaged { file: disk.place(name), offset, detail }
}
