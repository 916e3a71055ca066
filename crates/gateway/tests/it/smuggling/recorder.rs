//! A service that keeps every byte it is sent and answers each request by naming it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::reading::{self, Request};

#[derive(Debug)]
pub(super) struct Recorder {
    pub(super) address: SocketAddr,
    kept: Arc<Kept>,
    /// Dropped with the recorder, which ends its thread.
    _open: tokio::sync::oneshot::Sender<()>,
}

/// One request, or what began like one.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    /// Which of the gateway's connections it came on.
    pub(super) connection: usize,
    pub(super) raw: Vec<u8>,
    pub(super) reading: Reading,
}

#[derive(Debug, Clone)]
pub(super) enum Reading {
    Whole(Request),
    /// The connection ended before the request did.
    CutOff,
    /// No service should be sent this.
    Malformed(String),
}

#[derive(Debug, Default)]
struct Kept {
    seen: Mutex<Vec<Seen>>,
    /// Connections in the middle of a request.
    partial: AtomicUsize,
}

impl Recorder {
    pub(super) fn start() -> Self {
        let (tell, told) = mpsc::sync_channel(1);
        let (open, closed) = tokio::sync::oneshot::channel();
        let kept = Arc::<Kept>::default();
        let shared = Arc::clone(&kept);
        thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
                tell.send(listener.local_addr().expect("an address")).expect("the test waits");
                tokio::select! {
                    () = accept(listener, shared) => {}
                    _ = closed => {}
                }
            });
        });
        Self { address: told.recv().expect("it listens"), kept, _open: open }
    }

    /// Whether some request has begun and neither ended nor broken off.
    pub(super) fn is_amid(&self) -> bool {
        self.kept.partial.load(Ordering::SeqCst) > 0
    }

    /// All that came since the last call.
    pub(super) fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut self.kept.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn accept(listener: TcpListener, kept: Arc<Kept>) {
    let mut connections = JoinSet::new();
    let mut count = 0;
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(serve(stream, count, Arc::clone(&kept)));
        count += 1;
    }
}

async fn serve(mut stream: TcpStream, connection: usize, kept: Arc<Kept>) {
    let mut unread = Vec::new();
    loop {
        let reading = match reading::first(&unread) {
            Ok(None) => {
                let was_empty = unread.is_empty();
                let more = stream.read_buf(&mut unread).await.unwrap_or(0) > 0;
                if more {
                    kept.partial.fetch_add(usize::from(was_empty), Ordering::SeqCst);
                    continue;
                }
                if was_empty {
                    return;
                }
                Reading::CutOff
            }
            Ok(Some((request, len))) => {
                let answer = answer(&request);
                let raw = unread.drain(..len).collect();
                kept.keep(Seen { connection, raw, reading: Reading::Whole(request) });
                kept.partial.fetch_sub(usize::from(unread.is_empty()), Ordering::SeqCst);
                if stream.write_all(&answer).await.is_err() {
                    return;
                }
                continue;
            }
            Err(why) => Reading::Malformed(why),
        };
        kept.keep(Seen { connection, raw: unread, reading });
        kept.partial.fetch_sub(1, Ordering::SeqCst);
        return;
    }
}

fn answer(request: &Request) -> Vec<u8> {
    let body = format!("{} {}", request.method, request.target);
    let head =
        format!("HTTP/1.1 200 OK\r\ncache-control: no-store\r\ncontent-length: {}\r\n\r\n", body.len());
    let body = if request.method == "HEAD" { "" } else { &body };
    [head.as_bytes(), body.as_bytes()].concat()
}

impl Kept {
    fn keep(&self, seen: Seen) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).push(seen);
    }
}
