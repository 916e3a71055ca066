//! What a connection does: whether it moves, what is under way on it, what hyper says on its own.
//!
//! A watchdog looks at it a few times per timeout, so that the stream itself never reads a clock.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use floodway_policy::snapshot::Limits;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::Client;

/// How often per timeout the watchdog looks: a timeout is kept to within this part of it.
const LOOKS: u32 = 8;

/// What bytes on a connection mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speaks {
    /// Between two requests, only a head.
    Http1,
    /// Once a request was there, also acknowledgements, window updates and pings.
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
    /// The client has sent its last byte.
    has_ended: AtomicBool,
    /// Requests whose answer was not handed over whole.
    open: AtomicU32,
    /// No request is open, and all that was written has left.
    is_quiet: AtomicBool,
    /// What is written while it is quiet is hyper's own bare answer to what it cannot read. It is held
    /// back, so that a problem can be said in its place.
    holds_back: AtomicBool,
    /// The status of an answer that was held back; 0 for none.
    held_back: AtomicU16,
}

/// A request under way, until its answer was handed over whole.
#[derive(Debug)]
pub(super) struct Underway {
    client: Rc<Client>,
    is_waiting: bool,
}

/// A stream that says what it does.
#[derive(Debug)]
pub(super) struct Watched {
    stream: TcpStream,
    shared: Arc<Shared>,
}

// === impl Activity ===

impl Activity {
    pub(super) fn new() -> Self {
        let shared = Shared {
            has_moved: AtomicBool::new(false),
            has_read: AtomicBool::new(false),
            has_ended: AtomicBool::new(false),
            open: AtomicU32::new(0),
            is_quiet: AtomicBool::new(true),
            holds_back: AtomicBool::new(false),
            held_back: AtomicU16::new(0),
        };
        Self {
            shared: Arc::new(shared),
            speaks: Cell::new(Speaks::Other),
            has_served: Cell::new(false),
            waiting: Cell::new(0),
        }
    }

    pub(crate) fn speaks(&self, what: Speaks) {
        self.speaks.set(what);
        self.shared.holds_back.store(what == Speaks::Http1, Ordering::Relaxed);
    }

    pub(super) fn stream(&self, stream: TcpStream) -> Watched {
        Watched { stream, shared: Arc::clone(&self.shared) }
    }

    /// The status that hyper would have answered to what it could not read.
    pub(super) fn held_back(&self) -> Option<u16> {
        Some(self.shared.held_back.load(Ordering::Relaxed)).filter(|status| *status != 0)
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
            Speaks::Http1 => true,
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
        shared.is_quiet.store(false, Ordering::Relaxed);
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
    /// Whether the client has sent its last byte.
    pub(super) fn has_ended(&self) -> bool {
        self.shared.has_ended.load(Ordering::Relaxed)
    }

    /// The stream itself.
    pub(super) fn into_inner(self) -> TcpStream {
        self.stream
    }

    /// Takes an answer that must not go out, if this is one.
    fn hold_back(&self, bytes: &[u8]) -> bool {
        let Shared { is_quiet, holds_back, held_back, .. } = &*self.shared;
        let is_held = is_quiet.load(Ordering::Relaxed) && holds_back.load(Ordering::Relaxed);
        if is_held && held_back.load(Ordering::Relaxed) == 0 {
            let status = bytes.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
            held_back.store(status.unwrap_or(400), Ordering::Relaxed);
        }
        is_held
    }

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
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if polled.is_ready() {
            self.shared.moved();
            self.shared.has_read.store(true, Ordering::Relaxed);
            if buf.filled().len() == before {
                self.shared.has_ended.store(true, Ordering::Relaxed);
            }
        }
        polled
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.hold_back(buf) {
            return Poll::Ready(Ok(buf.len()));
        }
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.wrote(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.hold_back(bufs.first().map_or(&[], |first| first)) {
            return Poll::Ready(Ok(bufs.iter().map(|buf| buf.len()).sum()));
        }
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.wrote(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// hyper comes here once its buffer is empty.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.shared.open() == 0 {
            self.shared.is_quiet.store(true, Ordering::Relaxed);
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// What is held back is still to be replaced, so the last word is not hyper's.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.shared.holds_back.load(Ordering::Relaxed) {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
