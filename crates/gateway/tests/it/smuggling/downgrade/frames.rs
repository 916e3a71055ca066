//! HTTP/2 written by hand, so that it can be wrong (RFC 9113 §4, RFC 7541).

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::Case;

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PUSH_PROMISE: u8 = 5;
pub(super) const PING: u8 = 6;
const GO_AWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;
pub(super) const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;

/// A client's connection, with the settings of both sides under way.
#[derive(Debug)]
pub(super) struct Session {
    stream: TcpStream,
}

/// What became of the first stream.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) enum Outcome {
    Answered(u16, String),
    /// With the error's code.
    Reset(u32),
    /// With the error's code.
    GoAway(u32),
    Closed,
    /// Nothing came in time.
    Silence,
}

impl Outcome {
    pub(super) fn is_refusal(&self) -> bool {
        match self {
            Self::Answered(status, _) => (400..500).contains(status) || *status == 501,
            Self::Reset(_) | Self::GoAway(_) | Self::Closed => true,
            Self::Silence => false,
        }
    }
}

impl Session {
    pub(super) fn to(address: SocketAddr, patience: Duration) -> Self {
        let stream = TcpStream::connect(address).expect("the gateway listens");
        stream.set_read_timeout(Some(patience)).expect("a socket");
        stream.set_nodelay(true).expect("a socket");
        let mut session = Self { stream };
        session.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        session.frame(SETTINGS, 0, 0, &[]);
        session
    }

    pub(super) fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let len = u32::try_from(payload.len()).expect("short").to_be_bytes();
        let head = [&len[1..], &[kind, flags], &stream.to_be_bytes()].concat();
        self.send(&[&head, payload].concat());
    }

    pub(super) fn request(&mut self, case: &Case) {
        let ends = |last: bool| if last { END_STREAM } else { 0 };
        let has_trailers = !case.trailers.is_empty();
        let bare = case.data.is_empty() && !has_trailers;
        self.frame(HEADERS, END_HEADERS | ends(bare), 1, &block(case.fields));
        for (index, data) in case.data.iter().enumerate() {
            let last = index + 1 == case.data.len() && !has_trailers;
            self.frame(DATA, ends(last), 1, data);
        }
        if has_trailers {
            self.frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(case.trailers));
        }
    }

    pub(super) fn send_request(&mut self, fields: &[(Vec<u8>, Vec<u8>)], data: &[u8]) {
        let ends = if data.is_empty() { END_STREAM } else { 0 };
        self.frame(HEADERS, END_HEADERS | ends, 1, &block(fields));
        if !data.is_empty() {
            self.frame(DATA, END_STREAM, 1, data);
        }
    }

    /// Reads until the first stream has its end.
    pub(super) fn outcome(&mut self) -> Outcome {
        let (mut status, mut body) = (None, Vec::new());
        loop {
            let (kind, flags, stream, payload) = match self.read_frame() {
                Ok(frame) => frame,
                Err(error) if is_late(&error) => return Outcome::Silence,
                Err(_ended) => return Outcome::Closed,
            };
            let code = |at: usize| payload.get(at..at + 4).map_or(0, to_u32);
            match kind {
                GO_AWAY if code(4) != 0 => return Outcome::GoAway(code(4)),
                RST_STREAM if stream == 1 => return Outcome::Reset(code(0)),
                HEADERS if stream == 1 && status.is_none() => {
                    // An interim answer is followed by the answer.
                    status = Some(status_of(&payload)).filter(|status| *status >= 200);
                }
                DATA if stream == 1 => body.extend_from_slice(&payload),
                _ => {}
            }
            let is_over = matches!(kind, HEADERS | DATA) && stream == 1 && flags & END_STREAM != 0;
            if is_over && let Some(status) = status {
                return Outcome::Answered(status, String::from_utf8_lossy(&body).into_owned());
            }
        }
    }

    fn read_frame(&mut self) -> std::io::Result<(u8, u8, u32, Vec<u8>)> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head)?;
        let len = to_u32(&[0, head[0], head[1], head[2]]) as usize;
        let mut payload = vec![0; len];
        self.stream.read_exact(&mut payload)?;
        Ok((head[3], head[4], to_u32(&head[5..9]), payload))
    }

    fn send(&mut self, bytes: &[u8]) {
        // A gateway that has refused already may have closed the connection; what it said is read later.
        drop(self.stream.write_all(bytes));
    }
}

fn is_late(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)
}

fn to_u32(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |number, byte| (number << 8) | u32::from(*byte))
}

/// Fields as literals that are not indexed, not compressed (RFC 7541 §6.2.2).
pub(super) fn block<N: AsRef<[u8]>, V: AsRef<[u8]>>(fields: &[(N, V)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name.as_ref(), value.as_ref()] {
            length(&mut block, text.len());
            block.extend_from_slice(text);
        }
    }
    block
}

/// An integer with a prefix of 7 bits (RFC 7541 §5.1).
fn length(block: &mut Vec<u8>, len: usize) {
    let byte = |len: usize| u8::try_from(len).expect("seven bits and one");
    if len < 127 {
        return block.push(byte(len));
    }
    block.push(127);
    let mut rest = len - 127;
    while rest >= 128 {
        block.push(byte(rest % 128 + 128));
        rest /= 128;
    }
    block.push(byte(rest));
}

/// The status, which comes first and is either in the static table or a literal under its name there
/// (RFC 7541 Appendix A).
fn status_of(block: &[u8]) -> u16 {
    match block {
        [index @ 0x88..=0x8e, ..] => [200, 204, 206, 304, 400, 404, 500][usize::from(index - 0x88)],
        [0x48 | 0x08 | 0x18, len, rest @ ..] if len & 0x80 != 0 => digits(&rest[..usize::from(len & 0x7f)]),
        [0x48 | 0x08 | 0x18, 3, rest @ ..] => {
            String::from_utf8_lossy(&rest[..3]).parse().expect("three digits")
        }
        other => panic!("no status: {}", other.escape_ascii()),
    }
}

/// Three digits in Huffman's code: 0 to 2 have five bits, 3 to 9 have six (RFC 7541 Appendix B).
fn digits(bytes: &[u8]) -> u16 {
    let bits =
        bytes.iter().fold(0_u32, |bits, byte| (bits << 8) | u32::from(*byte)) << (32 - 8 * bytes.len());
    let (mut at, mut number) = (0, 0);
    for _ in 0..3 {
        let short = (bits << at) >> 27;
        let (digit, len) = if short < 3 { (short, 5) } else { (((bits << at) >> 26) - 22, 6) };
        number = number * 10 + u16::try_from(digit).expect("a digit");
        at += len;
    }
    number
}

#[test]
fn statuses_are_read_as_they_are_written() {
    assert_eq!(status_of(&[0x88]), 200);
    assert_eq!(status_of(b"\x48\x03431"), 431);
    // 4 is 011010, 3 is 011001, 1 is 00001, and ones fill up.
    assert_eq!(status_of(&[0x48, 0x83, 0b0110_1001, 0b1001_0000, 0b1111_1111]), 431);
    // 5 is 011011, 0 is 00000.
    assert_eq!(status_of(&[0x48, 0x82, 0b0110_1100, 0b0000_0001]), 501);
}
