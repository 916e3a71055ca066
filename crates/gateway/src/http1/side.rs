//! One connection of an exchange, with what was read of it and not used yet.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio_util::io::poll_read_buf;

use crate::stream::Stream;
use crate::worker::Worker;

/// Room for what one read brings.
pub(crate) const READ_MAX: usize = 16 << 10;
/// The same, where a body fills it each time.
const STREAM_MAX: usize = 128 << 10;

/// Says that the body may come.
pub(crate) const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// A connection and what was read of it.
#[derive(Debug)]
pub(crate) struct Side {
    pub(crate) io: Stream,
    pub(crate) bytes: BytesMut,
    /// The last read filled all the room there was.
    is_flowing: bool,
}

impl Side {
    pub(crate) fn new(io: Stream) -> Self {
        Self { io, bytes: BytesMut::new(), is_flowing: false }
    }

    /// The connection, and what was read of it.
    pub(crate) fn into_parts(self) -> (Stream, BytesMut) {
        (self.io, self.bytes)
    }

    /// Reads once; 0 where the other end has sent its last byte. A side that waits with nothing read
    /// holds no buffer.
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>, worker: &Worker) -> Poll<io::Result<usize>> {
        if self.bytes.capacity() == 0 {
            self.bytes = worker.buffers.take();
        }
        let room = if self.is_flowing { STREAM_MAX } else { READ_MAX };
        if self.bytes.is_empty() || self.bytes.capacity() == self.bytes.len() {
            self.bytes.reserve(room);
        }
        let room = self.bytes.capacity() - self.bytes.len();
        match poll_read_buf(Pin::new(&mut self.io), cx, &mut self.bytes) {
            Poll::Ready(read) => {
                self.is_flowing = read.as_ref().is_ok_and(|len| *len == room);
                Poll::Ready(read)
            }
            Poll::Pending => {
                self.rest(worker);
                Poll::Pending
            }
        }
    }

    /// Ready when the other end has closed the connection. It may send more meanwhile, up to a bound.
    pub(crate) fn poll_left(&mut self, cx: &mut Context<'_>, worker: &Worker) -> Poll<()> {
        while self.bytes.len() < READ_MAX {
            match ready!(self.poll_read(cx, worker)) {
                Ok(1..) => {}
                Ok(0) | Err(_) => return Poll::Ready(()),
            }
        }
        Poll::Pending
    }

    /// Ready when there is anything to read, or the end.
    pub(crate) fn poll_any(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut byte = [0];
        Pin::new(&mut self.io).poll_read(cx, &mut ReadBuf::new(&mut byte)).map(|_either| ())
    }

    /// Says something before an answer, as a whole or, while there is no room, not at all; false where nobody is
    /// there to hear it.
    pub(crate) fn poll_tell(&mut self, cx: &mut Context<'_>, what: &[u8]) -> Poll<bool> {
        // So few bytes fit at once where nothing else is under way.
        let is_told = self.poll_write(cx, what, &[]).map(|told| told.is_ok_and(|len| len == what.len()));
        self.push(cx);
        is_told
    }

    /// Writes all.
    pub(crate) async fn write_all(&mut self, out: &mut BytesMut) -> io::Result<()> {
        poll_fn(|cx| {
            while !out.is_empty() {
                let len = ready!(self.poll_write(cx, out, &[]))?;
                out.advance(len);
            }
            Poll::Ready(Ok(()))
        })
        .await
    }

    /// Sends what TLS may still hold back. Reading does it too.
    pub(crate) fn push(&mut self, cx: &mut Context<'_>) {
        drop(Pin::new(&mut self.io).poll_flush(cx));
    }

    /// Says that nothing more will be written.
    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    /// Gives the buffer back if it is empty.
    pub(crate) fn rest(&mut self, worker: &Worker) {
        if self.bytes.is_empty() && self.bytes.capacity() > 0 {
            worker.buffers.give_back(std::mem::take(&mut self.bytes));
        }
    }

    /// Writes once from the front of `first` and then of `second`; how many bytes of the two together.
    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        first: &[u8],
        second: &[u8],
    ) -> Poll<io::Result<usize>> {
        let io = Pin::new(&mut self.io);
        let written = ready!(match (first, second) {
            ([], only) | (only, []) => io.poll_write(cx, only),
            (first, second) => {
                io.poll_write_vectored(cx, &[io::IoSlice::new(first), io::IoSlice::new(second)])
            }
        })?;
        if written == 0 {
            Poll::Ready(Err(io::ErrorKind::WriteZero.into()))
        } else {
            Poll::Ready(Ok(written))
        }
    }
}
