//! Slow clients: a third sends the head of a request a byte at a time, a third its body, and a third asks for much
//! and hardly reads. Whoever is sent away comes back.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Each does a little once a second; so many parts of them take turns.
const PARTS: usize = 20;
const TURN: Duration = Duration::from_millis(50);
/// Requests that a slow reader sends at once: their answers are more than the kernel holds for one connection, and
/// all together less than it has for all.
const ASKED: usize = 60;
/// Bytes that it reads in its turn.
const SIP: usize = 512;

/// Slow clients on a thread of their own.
#[derive(Debug)]
pub(super) struct Crowd {
    /// Dropped to end them.
    stop: SyncSender<()>,
    thread: JoinHandle<Tally>,
}

/// What became of them.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tally {
    /// Connections that the proxy closed or refused.
    pub(super) sent_away: u64,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Head,
    Body,
    Reader,
}

#[derive(Debug)]
struct Slow {
    kind: Kind,
    stream: TcpStream,
}

impl Crowd {
    /// Returns when all have come.
    pub(super) fn start(address: SocketAddr, count: u32) -> Self {
        let (stop, stopped) = mpsc::sync_channel(0);
        let kinds = [Kind::Head, Kind::Body, Kind::Reader].into_iter().cycle();
        let mut all: Vec<(Kind, Option<Slow>)> =
            kinds.take(count as usize).map(|kind| (kind, Slow::come(kind, address))).collect();
        let thread = thread::spawn(move || {
            let mut tally = Tally::default();
            let mut turns = (0..PARTS).cycle();
            while stopped.recv_timeout(TURN) == Err(RecvTimeoutError::Timeout) {
                for (kind, slow) in all.iter_mut().skip(turns.next().unwrap_or_default()).step_by(PARTS) {
                    let is_there = slow.as_mut().is_some_and(|slow| slow.take_a_step().is_ok());
                    if !is_there {
                        tally.sent_away += 1;
                        *slow = Slow::come(*kind, address);
                    }
                }
            }
            tally
        });
        Self { stop, thread }
    }

    pub(super) fn end(self) -> Tally {
        drop(self.stop);
        self.thread.join().expect("the slow clients do not panic")
    }
}

impl Slow {
    /// `None` where nobody listens.
    fn come(kind: Kind, address: SocketAddr) -> Option<Self> {
        let begin = || {
            let mut stream = TcpStream::connect(address)?;
            stream.write_all(&kind.beginning())?;
            stream.set_nonblocking(true)?;
            Ok::<_, io::Error>(Self { kind, stream })
        };
        begin().ok()
    }

    /// An error when the connection is no longer there.
    fn take_a_step(&mut self) -> io::Result<()> {
        let mut sip = [0; SIP];
        match self.stream.read(&mut sip) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        match self.kind {
            Kind::Head | Kind::Body => self.stream.write_all(b"x"),
            Kind::Reader => Ok(()),
        }
    }
}

impl Kind {
    fn beginning(self) -> Vec<u8> {
        match self {
            Self::Head => b"GET / HTTP/1.1\r\nhost: slow.example\r\nx-slow: ".to_vec(),
            Self::Body => {
                b"POST /body HTTP/1.1\r\nhost: slow.example\r\ncontent-length: 100000\r\n\r\n".to_vec()
            }
            Self::Reader => b"GET / HTTP/1.1\r\nhost: slow.example\r\n\r\n".repeat(ASKED),
        }
    }
}
