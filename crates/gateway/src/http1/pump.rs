//! Bodies on their way from one connection to the other, without being collected.

use std::io;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BufMut, BytesMut};

use super::decode::{Decoder, Next};
use super::parse::{Framing, Malformed};
use super::{side::Side, write};
use crate::worker::Worker;

/// Bytes that are copied behind a head.
const COPIED_MAX: usize = 2 << 10;

/// Carries a body, after what goes before it.
#[derive(Debug)]
pub(crate) struct Pump {
    /// What is to be written before anything else.
    staged: BytesMut,
    body: Decoder,
    /// The body goes out in chunks.
    in_chunks: bool,
    trailers: Trailers,
    /// Bytes of data that may still pass.
    allowed: u64,
    is_ended: bool,
    /// Bytes written since somebody last asked.
    moved: u64,
}

/// What becomes of trailers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trailers {
    /// They are left out.
    Dropped,
    /// They go out after the last chunk.
    Passed,
    /// The last chunk is out.
    Begun,
}

/// Why a body did not arrive whole.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    #[error("the body broke off")]
    Source(#[source] Option<io::Error>),
    #[error("the body is malformed")]
    Malformed(#[source] Malformed),
    #[error("the body is larger than allowed")]
    TooLarge,
    #[error("the receiver is gone")]
    Target(#[source] io::Error),
}

impl Pump {
    pub(crate) fn new(before: BytesMut, framing: Framing, in_chunks: bool, allowed: u64) -> Self {
        let body = Decoder::new(framing);
        let trailers = Trailers::Dropped;
        Self { staged: before, is_ended: body.is_done(), body, in_chunks, trailers, allowed, moved: 0 }
    }

    /// Passes trailers on, where there is a place for them: behind chunks.
    pub(crate) fn pass_trailers(&mut self) {
        if self.in_chunks {
            self.trailers = Trailers::Passed;
        }
    }

    /// Whether all was read that there is to read.
    pub(crate) fn has_read_all(&self) -> bool {
        self.body.is_done()
    }

    /// How many bytes moved since this was last asked.
    pub(crate) fn take_moved(&mut self) -> u64 {
        std::mem::take(&mut self.moved)
    }

    /// The buffer, once all was written.
    pub(crate) fn into_buffer(self) -> BytesMut {
        self.staged
    }

    /// Moves what can be moved; ready when all was written.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        worker: &Worker,
        from: &mut Side,
        to: &mut Side,
    ) -> Poll<Result<(), Broken>> {
        loop {
            let len = self.decode(from)?;
            if !self.staged.is_empty() || len > 0 {
                ready!(self.poll_write(cx, from, to, len))?;
            } else if self.is_ended {
                return Poll::Ready(Ok(()));
            } else {
                ready!(self.poll_more(cx, worker, from))?;
            }
        }
    }

    /// Puts what must be reframed behind what is staged. Returns how many bytes at the front can go out as they
    /// are.
    fn decode(&mut self, from: &mut Side) -> Result<usize, Broken> {
        // One chunk after another, until something was read that has none; bounded by what was read at once.
        while !self.is_ended {
            let Self { body, staged, trailers, .. } = self;
            let next = body.next_with(&mut from.bytes, |line| trailers.put(staged, line));
            match next.map_err(Broken::Malformed)? {
                Next::More => break,
                Next::End => self.end(),
                Next::Data(len) if len as u64 > self.allowed => return Err(Broken::TooLarge),
                Next::Data(len) if self.passes_as_it_is(len) => return Ok(len),
                Next::Data(len) => self.stage(from, len),
            }
        }
        Ok(0)
    }

    /// Whether data goes out from where it was read to. A little of it is cheaper to copy behind a head than to
    /// write as a second piece.
    fn passes_as_it_is(&self, len: usize) -> bool {
        let is_bare = !self.in_chunks && self.body.left().is_some();
        is_bare && (self.staged.is_empty() || len > COPIED_MAX)
    }

    fn stage(&mut self, from: &mut Side, len: usize) {
        write::piece(&mut self.staged, &from.bytes[..len], self.in_chunks);
        self.take_off(from, len);
    }

    fn end(&mut self) {
        self.is_ended = true;
        if self.in_chunks {
            let end: &[u8] = if self.trailers == Trailers::Begun { b"\r\n" } else { b"0\r\n\r\n" };
            self.staged.put_slice(end);
        }
    }

    fn take_off(&mut self, from: &mut Side, len: usize) {
        from.bytes.advance(len);
        self.body.used(len);
        self.allowed -= len as u64;
        self.is_ended |= self.body.is_done() && !self.in_chunks;
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut Side,
        to: &mut Side,
        len: usize,
    ) -> Poll<Result<(), Broken>> {
        let written = ready!(to.poll_write(cx, &self.staged, &from.bytes[..len])).map_err(Broken::Target)?;
        self.moved += written as u64;
        let of_staged = written.min(self.staged.len());
        self.staged.advance(of_staged);
        if written > of_staged {
            self.take_off(from, written - of_staged);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_more(
        &mut self,
        cx: &mut Context<'_>,
        worker: &Worker,
        from: &mut Side,
    ) -> Poll<Result<(), Broken>> {
        let read = ready!(from.poll_read(cx, worker)).map_err(|error| Broken::Source(Some(error)))?;
        if read == 0 {
            if !self.body.end() {
                return Poll::Ready(Err(Broken::Source(None)));
            }
            self.end();
        }
        Poll::Ready(Ok(()))
    }
}

// === impl Trailers ===

impl Trailers {
    fn put(&mut self, out: &mut BytesMut, line: &[u8]) {
        match self {
            Self::Dropped => return,
            Self::Passed => out.put_slice(b"0\r\n"),
            Self::Begun => {}
        }
        *self = Self::Begun;
        out.put_slice(line);
        out.put_slice(b"\r\n");
    }
}
