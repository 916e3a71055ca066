//! What a connection does that is not ours to read: whether it moves, and what is under way on it.
//!
//! A watchdog looks at it a few times per timeout, so that the stream itself never reads a clock.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;
use floodway_policy::snapshot::Limits;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Client;
use crate::http1::Side;
use crate::stream::Stream;

/// How often per timeout the watchdog looks: a timeout is kept to within this part of it.
const LOOKS: u32 = 8;

/// What bytes on a connection mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speaks {
    /// First a request; once that was there, also acknowledgements, window updates and pings.
    Http2,
    /// Anything: it was upgraded.
    Other,
}

/// What a connection does, for its own thread.
#[derive(Debug)]
pub(crate) struct Activity {
    shared: Arc<Shared>,
    speaks: Cell<Speaks>,
    has_served: Cell<bool>,
    /// Requests that wait for the head of their answer.
    waiting: Cell<u32>,
}

/// The part that the stream knows of. The stream must be free to move between threads for upgrades, so
/// these are atomics, though one thread uses them.
#[derive(Debug)]
struct Shared {
    /// Bytes were read or written since the watchdog last looked.
    has_moved: AtomicBool,
    /// Bytes were read since the last request was over.
    has_read: AtomicBool,
    /// Requests whose answer was not handed over whole.
    open: AtomicU32,
}

/// A request under way, until its answer was handed over whole.
#[derive(Debug)]
pub(super) struct Underway {
    client: Rc<Client>,
    is_waiting: bool,
}

/// A stream that says what it does.
#[derive(Debug)]
pub(crate) struct Watched {
    stream: Stream,
    /// What was read of it before.
    before: BytesMut,
    shared: Arc<Shared>,
}

// === impl Activity ===

impl Activity {
    pub(super) fn new() -> Self {
        let shared = Shared {
            has_moved: AtomicBool::new(false),
            has_read: AtomicBool::new(false),
            open: AtomicU32::new(0),
        };
        Self {
            shared: Arc::new(shared),
            speaks: Cell::new(Speaks::Other),
            has_served: Cell::new(false),
            waiting: Cell::new(0),
        }
    }

    pub(super) fn speaks(&self, what: Speaks) {
        self.speaks.set(what);
    }

    pub(super) fn watched(&self, side: Side) -> Watched {
        let (stream, before) = side.into_parts();
        Watched { stream, before, shared: Arc::clone(&self.shared) }
    }

    /// Ends when the connection has taken too long over a head, or has not moved for too long.
    pub(crate) async fn watch(&self, limits: Limits) {
        let pause = (limits.header_timeout.min(limits.idle_timeout) / LOOKS).max(Duration::from_millis(10));
        let (mut idle, mut in_head) = (Duration::ZERO, Duration::ZERO);
        loop {
            tokio::time::sleep(pause).await;
            let has_moved = self.shared.has_moved.swap(false, Ordering::Relaxed);
            // A service has its own time to answer in.
            let is_idle = !has_moved && self.waiting.get() == 0;
            idle = if is_idle { idle + pause } else { Duration::ZERO };
            in_head = if self.is_in_head() { in_head + pause } else { Duration::ZERO };
            if idle >= limits.idle_timeout || in_head >= limits.header_timeout {
                return;
            }
        }
    }

    fn is_in_head(&self) -> bool {
        let can_only_be_head = match self.speaks.get() {
            Speaks::Http2 => !self.has_served.get(),
            Speaks::Other => false,
        };
        can_only_be_head && self.shared.open() == 0 && self.shared.has_read.load(Ordering::Relaxed)
    }
}

// === impl Shared ===

impl Shared {
    fn open(&self) -> u32 {
        self.open.load(Ordering::Relaxed)
    }

    fn moved(&self) {
        self.has_moved.store(true, Ordering::Relaxed);
    }
}

// === impl Underway ===

impl Underway {
    pub(super) fn begin(client: &Rc<Client>) -> Self {
        let Activity { shared, waiting, has_served, .. } = &client.activity;
        waiting.set(waiting.get() + 1);
        has_served.set(true);
        shared.open.store(shared.open() + 1, Ordering::Relaxed);
        Self { client: Rc::clone(client), is_waiting: true }
    }

    /// The head of the answer is there; its body follows.
    pub(super) fn answered(mut self) -> Self {
        self.wait_is_over();
        self
    }

    fn wait_is_over(&mut self) {
        if std::mem::take(&mut self.is_waiting) {
            let waiting = &self.client.activity.waiting;
            waiting.set(waiting.get() - 1);
        }
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        self.wait_is_over();
        let shared = &self.client.activity.shared;
        shared.open.store(shared.open() - 1, Ordering::Relaxed);
        shared.has_read.store(false, Ordering::Relaxed);
    }
}

// === impl Watched ===

impl Watched {
    fn wrote(&self, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if polled.is_ready() {
            self.shared.moved();
        }
        polled
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.before.is_empty() {
            let len = self.before.len().min(buf.remaining());
            buf.put_slice(&self.before.split_to(len));
            return Poll::Ready(Ok(()));
        }
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if polled.is_ready() {
            self.shared.moved();
            self.shared.has_read.store(true, Ordering::Relaxed);
        }
        polled
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.wrote(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.wrote(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
