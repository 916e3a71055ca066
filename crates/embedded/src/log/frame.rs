//! The log's bytes: a header per segment, then frames. A frame is what one commit wrote.
//!
//! ```text
//! segment = "FWLOG" 0 0 0 | format u32 | salt u32 | number u64 | after u64 | first u64 | durable u64 | crc u32
//! frame   = magic u32 | length u32 | crc u32 | operations u32 | first u64 | durable u64 | operation*
//! ```
//! `first` is the number of the first operation and `after` that of the last one before this segment.
//! `durable` is the last operation known to be synced when the header was written: it tells a torn tail,
//! which nobody was promised, from damage. The CRC is salted per segment, so that neither an older
//! file's bytes nor a value that looks like a frame is ever taken for one.

use std::io;

use crate::disk::DiskFile;

/// Bytes of a segment's header.
pub(crate) const SEGMENT_HEADER: usize = 56;
/// Bytes of a frame's header.
pub(crate) const FRAME_HEADER: usize = 32;
/// The format that this version writes and reads.
pub(crate) const FORMAT: u32 = 1;

const SEGMENT_MAGIC: [u8; 8] = *b"FWLOG\0\0\0";
const FRAME_MAGIC: u32 = 0xF10D_4A7E;
const BLOCK: usize = 256 << 10;

/// What a segment says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHead {
    pub(crate) format: u32,
    pub(crate) salt: u32,
    pub(crate) number: u64,
    pub(crate) after: u64,
    pub(crate) first: u64,
    pub(crate) durable: u64,
}

impl SegmentHead {
    pub(crate) fn encode(&self) -> [u8; SEGMENT_HEADER] {
        let mut out = [0; SEGMENT_HEADER];
        out[..8].copy_from_slice(&SEGMENT_MAGIC);
        out[8..12].copy_from_slice(&self.format.to_le_bytes());
        out[12..16].copy_from_slice(&self.salt.to_le_bytes());
        out[16..24].copy_from_slice(&self.number.to_le_bytes());
        out[24..32].copy_from_slice(&self.after.to_le_bytes());
        out[32..40].copy_from_slice(&self.first.to_le_bytes());
        out[40..48].copy_from_slice(&self.durable.to_le_bytes());
        let crc = crc32fast::hash(&out[..48]);
        out[48..52].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// `None` if these bytes are not a whole header.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..SEGMENT_HEADER)?;
        let whole = bytes[..8] == SEGMENT_MAGIC && crc32fast::hash(&bytes[..48]) == u32_at(bytes, 48);
        whole.then(|| Self {
            format: u32_at(bytes, 8),
            salt: u32_at(bytes, 12),
            number: u64_at(bytes, 16),
            after: u64_at(bytes, 24),
            first: u64_at(bytes, 32),
            durable: u64_at(bytes, 40),
        })
    }
}

/// A frame under construction; the buffer is kept from commit to commit.
#[derive(Debug)]
pub(crate) struct FrameBuffer {
    bytes: Vec<u8>,
    ops: u32,
}

impl FrameBuffer {
    pub(crate) fn new() -> Self {
        Self { bytes: vec![0; FRAME_HEADER], ops: 0 }
    }

    /// Empties it, and gives memory back that only an unusually large commit needed.
    pub(crate) fn clear(&mut self) {
        self.bytes.truncate(FRAME_HEADER);
        self.bytes.shrink_to(1 << 20);
        self.ops = 0;
    }

    pub(crate) fn push(&mut self, op: &crate::op::Op<'_>) {
        op.encode(&mut self.bytes);
        self.ops += 1;
    }

    pub(crate) fn ops(&self) -> u32 {
        self.ops
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Completes the header and lends the bytes to write.
    pub(crate) fn seal(&mut self, salt: u32, first: u64, durable: u64) -> &[u8] {
        let body =
            u32::try_from(self.bytes.len() - FRAME_HEADER).expect("a commit is bounded far below 4 GiB");
        self.bytes[..4].copy_from_slice(&FRAME_MAGIC.to_le_bytes());
        self.bytes[4..8].copy_from_slice(&body.to_le_bytes());
        self.bytes[12..16].copy_from_slice(&self.ops.to_le_bytes());
        self.bytes[16..24].copy_from_slice(&first.to_le_bytes());
        self.bytes[24..32].copy_from_slice(&durable.to_le_bytes());
        let crc = checksum(salt, &self.bytes[..8], &self.bytes[12..]);
        self.bytes[8..12].copy_from_slice(&crc.to_le_bytes());
        &self.bytes
    }
}

/// A frame around any bytes, right in all but what they mean.
#[cfg(any(test, fuzzing))]
pub(crate) fn seal(body: &[u8], ops: u32, salt: u32) -> Vec<u8> {
    let mut frame = FrameBuffer::new();
    frame.bytes.extend_from_slice(body);
    frame.ops = ops;
    frame.seal(salt, 1, 0).to_vec()
}

fn checksum(salt: u32, head: &[u8], rest: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(salt);
    hasher.update(head);
    hasher.update(rest);
    hasher.finalize()
}

/// A frame that was read and whose CRC is right.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame<'a> {
    pub(crate) offset: u64,
    pub(crate) first: u64,
    pub(crate) ops: u32,
    pub(crate) body: &'a [u8],
}

impl Frame<'_> {
    /// Number of the last operation in it.
    pub(crate) fn last(&self) -> u64 {
        self.first + u64::from(self.ops) - 1
    }
}

/// What stands next in a segment.
#[derive(Debug)]
pub(crate) enum Next<'a> {
    /// A whole frame.
    Frame(Frame<'a>),
    /// Nothing was written from this offset on.
    End,
    /// Something that is not a whole frame.
    Bad,
}

/// Reads a segment's frames one after the other, in blocks.
#[derive(Debug)]
pub(crate) struct FrameReader<'f> {
    file: &'f dyn DiskFile,
    salt: u32,
    offset: u64,
    buffer: Vec<u8>,
    start: usize,
    filled: usize,
}

impl<'f> FrameReader<'f> {
    pub(crate) fn new(file: &'f dyn DiskFile, salt: u32, offset: u64) -> Self {
        Self { file, salt, offset, buffer: Vec::new(), start: 0, filled: 0 }
    }

    /// Where the next frame begins.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// The next frame. After `End` or `Bad` the reader stays where it is.
    pub(crate) fn next(&mut self) -> io::Result<Next<'_>> {
        self.ensure(FRAME_HEADER)?;
        if self.available() < FRAME_HEADER {
            return Ok(if self.window().iter().all(|&byte| byte == 0) { Next::End } else { Next::Bad });
        }
        let head = self.window();
        if head[..FRAME_HEADER].iter().all(|&byte| byte == 0) {
            return Ok(Next::End);
        }
        let len = FRAME_HEADER + u32_at(head, 4) as usize;
        let plausible = u32_at(head, 0) == FRAME_MAGIC && self.offset + len as u64 <= self.file.size()?;
        if !plausible {
            return Ok(Next::Bad);
        }
        self.ensure(len)?;
        if self.available() < len || !is_whole(self.salt, &self.window()[..len]) {
            return Ok(Next::Bad);
        }
        let (offset, start) = (self.offset, self.start);
        self.start += len;
        self.offset += len as u64;
        Ok(Next::Frame(parse(offset, &self.buffer[start..start + len])))
    }

    fn window(&self) -> &[u8] {
        &self.buffer[self.start..self.filled]
    }

    fn available(&self) -> usize {
        self.filled - self.start
    }

    /// Reads on until `len` bytes are there or the file ends.
    fn ensure(&mut self, len: usize) -> io::Result<()> {
        if self.available() >= len {
            return Ok(());
        }
        self.buffer.copy_within(self.start..self.filled, 0);
        self.filled -= self.start;
        self.start = 0;
        self.buffer.resize(len.max(BLOCK), 0);
        let read_from = self.offset + self.filled as u64;
        self.filled += self.file.read_at(&mut self.buffer[self.filled..], read_from)?;
        Ok(())
    }
}

fn is_whole(salt: u32, frame: &[u8]) -> bool {
    u32_at(frame, 12) > 0 && checksum(salt, &frame[..8], &frame[12..]) == u32_at(frame, 8)
}

fn parse(offset: u64, bytes: &[u8]) -> Frame<'_> {
    Frame { offset, first: u64_at(bytes, 16), ops: u32_at(bytes, 12), body: &bytes[FRAME_HEADER..] }
}

/// The highest `durable` that any whole frame from `offset` on states. Frames are found by their magic
/// at any byte, so that a bad one does not hide those behind it.
pub(crate) fn durable_behind(file: &dyn DiskFile, salt: u32, offset: u64) -> io::Result<Option<u64>> {
    let size = file.size()?;
    let mut rest = vec![0; usize::try_from(size.saturating_sub(offset)).unwrap_or(usize::MAX)];
    let read = file.read_at(&mut rest, offset)?;
    rest.truncate(read);
    let (mut highest, mut at) = (None, 0);
    while at + FRAME_HEADER <= rest.len() {
        let candidate = &rest[at..];
        let len = FRAME_HEADER + u32_at(candidate, 4) as usize;
        let found = u32_at(candidate, 0) == FRAME_MAGIC
            && len <= candidate.len()
            && is_whole(salt, &candidate[..len]);
        if found {
            highest = highest.max(Some(u64_at(candidate, 24)));
        }
        at += if found { len } else { 1 };
    }
    Ok(highest)
}

/// How many bytes from `offset` on hold something other than zeros at the end of the file.
pub(crate) fn written_behind(file: &dyn DiskFile, offset: u64) -> io::Result<u64> {
    let size = file.size()?;
    let (mut block, mut at, mut end) = (vec![0; BLOCK], offset, offset);
    while at < size {
        let read = file.read_at(&mut block, at)?;
        if read == 0 {
            break;
        }
        if let Some(last) = block[..read].iter().rposition(|&byte| byte != 0) {
            end = at + last as u64 + 1;
        }
        at += read as u64;
    }
    Ok(end - offset)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}
