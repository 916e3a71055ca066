//! Plays a case against a gateway with a recording service behind it, and says what went otherwise.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::case::{Case, Must};
use super::recorder::{Reading, Recorder, Seen};
use crate::support::{Builder, Gateway, builder};

/// Bodies larger than this are refused.
pub(super) const BODY_MAX: u64 = 64 << 10;

/// A gateway and the service behind it.
pub(super) struct Stage {
    pub(super) gateway: Gateway,
    pub(super) recorder: Recorder,
    pub(super) patience: Duration,
    /// Cases are sent in pieces of this many bytes.
    pub(super) piece_len: usize,
}

/// A client of one connection that reads no further than an answer goes.
pub(super) struct Client {
    stream: TcpStream,
    unread: Vec<u8>,
}

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: String,
}

// === impl Stage ===

impl Stage {
    /// One worker, so that a request that follows another finds whatever that left behind.
    pub(super) fn new(patience: Duration) -> Self {
        Self::with(patience, |builder| builder)
    }

    /// As above, with more to it.
    pub(super) fn with(patience: Duration, more: impl FnOnce(Builder) -> Builder) -> Self {
        let recorder = Recorder::start();
        let builder = builder()
            .service(&[recorder.address])
            .route("/*", &[], 0)
            .limits(|limits| limits.body_max = BODY_MAX)
            .timeout(patience)
            .one_worker();
        Self { gateway: more(builder).start(), recorder, patience, piece_len: usize::MAX }
    }

    /// Plays a case; what the service was sent, or what is wrong.
    pub(super) fn play(&self, case: &Case) -> Result<Vec<Seen>, String> {
        let played = self.converse(case);
        let seen = self.settle()?;
        let (wanted, may_be_cut) = match case.must {
            Must::Forward(requests) | Must::Refuse(requests, _) => (requests, false),
            Must::Answer(_) => (&[][..], false),
            Must::Spoil(_) | Must::Break => (&[][..], true),
        };
        let mut whole = Vec::new();
        for seen in &seen {
            match &seen.reading {
                Reading::Whole(request) => {
                    request.check_own_words()?;
                    whole.push(request.text());
                }
                Reading::CutOff if may_be_cut => {}
                Reading::CutOff => return Err(format!("cut off: {}", seen.raw.escape_ascii())),
                Reading::Malformed(why) => return Err(format!("{why}: {}", seen.raw.escape_ascii())),
            }
        }
        played.map_err(|why| format!("{why}; the service saw {whole:?}"))?;
        let wanted: Vec<_> = wanted.iter().map(|text| with_line_end(text)).collect();
        if whole == wanted {
            Ok(seen)
        } else {
            Err(format!("the service saw {whole:?} instead of {wanted:?}"))
        }
    }

    /// The client's side of a case.
    fn converse(&self, case: &Case) -> Result<(), String> {
        let mut client = Client::to(self.gateway.address(), self.patience);
        // Those of a mebibyte would take a million writes.
        for piece in case.sent.chunks(self.piece_len.max(case.sent.len() / 1_000)) {
            client.send(piece)?;
        }
        match case.must {
            Must::Forward(requests) => {
                client.served(requests)?;
                client.say_no_more();
                client.end()
            }
            Must::Refuse(requests, statuses) => {
                client.served(requests)?;
                client.refused(statuses)
            }
            Must::Spoil(statuses) => client.refused(statuses),
            Must::Answer(statuses) => client.answered(statuses).map(drop),
            Must::Break => {
                client.say_no_more();
                match client.answer("GET")? {
                    Some(answer) if answer.status < 400 => Err(format!("answered {}", answer.status)),
                    Some(_) => client.end(),
                    None => Ok(()),
                }
            }
        }
    }

    /// Two requests through the same worker, each answered as itself. When they are, all that the gateway
    /// had to say to the service before has been read there.
    pub(super) fn settle(&self) -> Result<Vec<Seen>, String> {
        for target in ["/sentinel/1", "/sentinel/2"] {
            let mut client = Client::to(self.gateway.address(), self.patience);
            let request = format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
            client.send(request.as_bytes())?;
            let answer = client.answer("GET")?.ok_or("the next client was not answered")?;
            if answer.body != format!("GET {target}") {
                return Err(format!("the next client was answered {answer:?}"));
            }
        }
        let deadline = Instant::now() + self.patience;
        while self.recorder.is_amid() {
            if Instant::now() > deadline {
                return Err("the service still waits for the rest of a request".into());
            }
            std::thread::yield_now();
        }
        let is_own = |seen: &Seen| seen.raw.starts_with(b"GET /sentinel/");
        Ok(self.recorder.take().into_iter().filter(|seen| !is_own(seen)).collect())
    }
}

fn with_line_end(text: &str) -> String {
    if text.contains("\n\n") { text.to_owned() } else { format!("{text}\n") }
}

// === impl Client ===

impl Client {
    pub(super) fn to(address: SocketAddr, patience: Duration) -> Self {
        let stream = TcpStream::connect(address).expect("the gateway listens");
        stream.set_read_timeout(Some(patience)).expect("a socket");
        stream.set_write_timeout(Some(patience)).expect("a socket");
        stream.set_nodelay(true).expect("a socket");
        Self { stream, unread: Vec::new() }
    }

    /// Sends; a gateway that has already closed the connection is no mistake, its answer is what counts.
    pub(super) fn send(&mut self, bytes: &[u8]) -> Result<(), String> {
        match self.stream.write_all(bytes) {
            Err(error) if !is_closed(error.kind()) => Err(format!("cannot send: {error}")),
            _ => Ok(()),
        }
    }

    pub(super) fn say_no_more(&self) {
        // Fails where the gateway has closed the connection already.
        drop(self.stream.shutdown(Shutdown::Write));
    }

    /// Each request is answered by the service, and by its own answer.
    fn served(&mut self, requests: &[&str]) -> Result<(), String> {
        for request in requests {
            let line = request.lines().next().unwrap_or_default();
            let method = line.split(' ').next().unwrap_or_default();
            let answer = self.answer(method)?.ok_or_else(|| format!("{line} was not answered"))?;
            let body = if method == "HEAD" { "" } else { line };
            if answer.status != 200 || answer.body != body {
                return Err(format!("{line} was answered {answer:?}"));
            }
        }
        Ok(())
    }

    fn answered(&mut self, statuses: &[u16]) -> Result<Answer, String> {
        match self.answer("GET")? {
            Some(answer) if statuses.contains(&answer.status) => Ok(answer),
            other => Err(format!("{other:?} instead of {statuses:?}")),
        }
    }

    fn refused(&mut self, statuses: &[u16]) -> Result<(), String> {
        let answer = self.answered(statuses)?;
        if !answer.head.contains("connection: close") {
            return Err(format!("does not say that the connection ends: {answer:?}"));
        }
        self.end()
    }

    /// Nothing more comes, and the other side closes.
    fn end(&mut self) -> Result<(), String> {
        while self.read()? {}
        if self.unread.is_empty() {
            Ok(())
        } else {
            Err(format!("more came: {}", self.unread.escape_ascii()))
        }
    }

    /// What has come so far, and comes before the patience is over.
    pub(super) fn so_far(&mut self) -> Vec<u8> {
        // Late is no mistake here, and the end comes again.
        drop(self.read());
        std::mem::take(&mut self.unread)
    }

    pub(super) fn waits(&self, patience: Duration) {
        self.stream.set_read_timeout(Some(patience)).expect("a socket");
    }

    /// Everything up to the end.
    pub(super) fn rest(&mut self) -> Result<Vec<u8>, String> {
        while self.read()? {}
        Ok(std::mem::take(&mut self.unread))
    }

    /// The next answer but interim ones; `None` when the connection ends first.
    pub(super) fn answer(&mut self, method: &str) -> Result<Option<Answer>, String> {
        loop {
            let Some(end) = self.unread.windows(4).position(|window| window == b"\r\n\r\n") else {
                match self.read()? {
                    true => continue,
                    false if self.unread.is_empty() => return Ok(None),
                    false => return Err(format!("half an answer: {}", self.unread.escape_ascii())),
                }
            };
            let head: Vec<_> = self.unread.drain(..end + 4).collect();
            let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
            let status = head.get(9..12).and_then(|status| status.parse().ok());
            let status: u16 = status.ok_or_else(|| format!("no status: {head}"))?;
            if status >= 200 {
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                let length = length.map_or(Ok(0), str::parse::<usize>);
                let length = length.map_err(|_not_a_number| format!("no length: {head}"))?;
                let body = self.body(if method == "HEAD" { 0 } else { length })?;
                return Ok(Some(Answer { status, head, body }));
            }
        }
    }

    fn body(&mut self, len: usize) -> Result<String, String> {
        while self.unread.len() < len {
            if !self.read()? {
                return Err("an answer that breaks off".into());
            }
        }
        let body: Vec<_> = self.unread.drain(..len).collect();
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    /// Reads on; `false` at the end.
    fn read(&mut self) -> Result<bool, String> {
        let mut buffer = [0; 4096];
        match self.stream.read(&mut buffer) {
            Ok(len) => {
                self.unread.extend_from_slice(&buffer[..len]);
                Ok(len > 0)
            }
            Err(error) if is_closed(error.kind()) => Ok(false),
            Err(_late) => Err(format!("waits after {}", self.unread.escape_ascii())),
        }
    }
}

fn is_closed(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::NotConnected)
}
