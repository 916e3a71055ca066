//! Bodies of HTTP/1.1 messages: where their data is in the bytes that were read (RFC 9112 §7.1).

use bytes::{Buf, BytesMut};

use super::parse::{self, Framing, Malformed, parse_trailer};

/// Digits of a chunk's size.
const SIZE_DIGITS_MAX: usize = 16;
/// Bytes of the line that tells a chunk's size, with its extensions, which are left out, and its CR LF.
const CHUNK_LINE_MAX: usize = 256;
/// Bytes of all trailers of one message.
const TRAILERS_MAX: usize = 4 << 10;

/// Where a body's reader is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decoder {
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// So many bytes are left.
    Length(u64),
    /// All there is until the connection ends.
    UntilClose,
    /// The line with a chunk's size comes next.
    Size,
    /// So many bytes of a chunk are left.
    Chunk(u64),
    /// The CR LF after a chunk comes next.
    ChunkEnd,
    /// Trailers come next, after so many bytes of them.
    Trailers(usize),
    Done,
}

/// What stands at the front of the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// So many bytes of data, at least one.
    Data(usize),
    /// Nothing: more must be read.
    More,
    /// The body is over.
    End,
}

impl Decoder {
    pub(crate) const fn new(framing: Framing) -> Self {
        let state = match framing {
            Framing::Empty => State::Done,
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::Size,
            Framing::UntilClose => State::UntilClose,
        };
        Self { state }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Bytes of data that are still to come, where that is known.
    pub(crate) const fn left(&self) -> Option<u64> {
        match self.state {
            State::Length(left) => Some(left),
            State::Done => Some(0),
            _ => None,
        }
    }

    /// Takes framing off the front of what was read, and says what stands there then. Whoever uses data
    /// takes it off and says so by [`Decoder::used`]. Trailers are left out.
    pub(crate) fn next(&mut self, bytes: &mut BytesMut) -> Result<Next, Malformed> {
        self.next_with(bytes, |_trailer| {})
    }

    /// The same; each trailer that may be passed on is handed over, a line without its CR LF.
    pub(super) fn next_with(
        &mut self,
        bytes: &mut BytesMut,
        mut trailer: impl FnMut(&[u8]),
    ) -> Result<Next, Malformed> {
        loop {
            match self.state {
                State::Done => return Ok(Next::End),
                _ if bytes.is_empty() => return Ok(Next::More),
                State::UntilClose => return Ok(Next::Data(bytes.len())),
                State::Length(left) | State::Chunk(left) => {
                    return Ok(Next::Data(usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len())));
                }
                State::Size => {
                    let Some(len) = line_len(bytes, CHUNK_LINE_MAX)? else { return Ok(Next::More) };
                    let size = chunk_size(&bytes[..len])?;
                    bytes.advance(len + 2);
                    self.state = if size == 0 { State::Trailers(0) } else { State::Chunk(size) };
                }
                State::ChunkEnd => match &bytes[..] {
                    [b'\r', b'\n', ..] => {
                        bytes.advance(2);
                        self.state = State::Size;
                    }
                    b"\r" => return Ok(Next::More),
                    _ => return Err(Malformed::Bad("a chunk is longer than it says")),
                },
                State::Trailers(before) => {
                    let Some(len) = line_len(bytes, TRAILERS_MAX - before)? else { return Ok(Next::More) };
                    self.state = if len == 0 {
                        State::Done
                    } else {
                        if parse_trailer(&bytes[..len])? {
                            trailer(&bytes[..len]);
                        }
                        State::Trailers((before + len + 2).min(TRAILERS_MAX))
                    };
                    bytes.advance(len + 2);
                }
            }
        }
    }

    /// So many bytes of the data at the front were taken off.
    pub(crate) fn used(&mut self, len: usize) {
        self.state = match self.state {
            State::Length(left) if left == len as u64 => State::Done,
            State::Length(left) => State::Length(left - len as u64),
            State::Chunk(left) if left == len as u64 => State::ChunkEnd,
            State::Chunk(left) => State::Chunk(left - len as u64),
            state => state,
        };
    }

    /// Nothing more will be read. Whether the body is whole.
    pub(crate) fn end(&mut self) -> bool {
        let is_whole = matches!(self.state, State::UntilClose | State::Done);
        self.state = State::Done;
        is_whole
    }
}

/// Bytes of the line at the front, without its CR LF; `None` where it is not all there.
fn line_len(bytes: &[u8], len_max: usize) -> Result<Option<usize>, Malformed> {
    let len = parse::line_len(bytes)?;
    if len.map_or(bytes.len(), |len| len + 2) > len_max {
        return Err(Malformed::Bad("a line between the chunks is too long"));
    }
    Ok(len)
}

/// `1*HEXDIG`, and extensions that nobody needs (RFC 9112 §7.1.1).
fn chunk_size(line: &[u8]) -> Result<u64, Malformed> {
    let bad = Malformed::Bad("a chunk's size is no hexadecimal number");
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (size, extensions) = line.split_at(digits);
    let is_plain = |byte: &u8| byte.is_ascii_graphic() || matches!(byte, b' ' | b'\t');
    let extension_is_well = match extensions {
        [] => true,
        [b';', ..] => extensions.iter().all(is_plain),
        _ => false,
    };
    if !(1..=SIZE_DIGITS_MAX).contains(&digits) || !extension_is_well {
        return Err(bad);
    }
    let size =
        u64::from_str_radix(std::str::from_utf8(size).unwrap_or_default(), 16).map_err(|_not_hex| bad)?;
    if i64::try_from(size).is_ok() { Ok(size) } else { Err(bad) }
}

#[cfg(test)]
mod tests;
