//! What holds for any bytes, however they were made: the entry points of the fuzz targets in `fuzz`, and of the
//! property tests beside this. Each panics where it does not hold.
//!
//! What is taken is read again by the plainest means, which share no code with what took it.

#[cfg(test)]
mod tests;

use bytes::{Buf as _, BytesMut};

use crate::http1::{Decoder, Framing, Malformed, Next, parse_request, parse_response};
use crate::proxy_protocol::{self, HEADER_MAX, Parsed, Source};

/// Headers that a head may have here.
const FIELDS_MAX: u16 = 100;
/// So many parts of a head are tried.
const PARTS_MAX: usize = 256;

/// A request's head that is taken has one reading, and is read the same in parts.
pub fn request_head(bytes: &[u8]) {
    let read = |bytes: &[u8]| {
        let head = parse_request(bytes, FIELDS_MAX, &mut Vec::new())?;
        Ok(head.map(|head| (head.len, (head.framing, head.is_http_1_0))))
    };
    let Some((text, (framing, is_http_1_0))) = in_parts(bytes, read) else { return };
    let lines = lines(text.strip_prefix(b"\r\n").unwrap_or(text));
    let words: Vec<_> = lines[0].split(|byte| *byte == b' ').collect();
    assert_eq!(words.len(), 3, "{}", text.escape_ascii());
    assert!(words.iter().all(|word| word.iter().all(u8::is_ascii_graphic)), "{}", text.escape_ascii());
    let hosts = values(&lines, b"host").len();
    assert!(hosts == 1 || (hosts == 0 && is_http_1_0), "{hosts} Hosts: {}", text.escape_ascii());
    assert_eq!(framing, told(&lines).unwrap_or(Framing::Empty), "{}", text.escape_ascii());
    assert!(framing != Framing::Chunked || !is_http_1_0, "{}", text.escape_ascii());
}

/// The same of an answer's head.
pub fn response_head(bytes: &[u8], to_head: bool) {
    let read = |bytes: &[u8]| {
        let head = parse_response(bytes, to_head, FIELDS_MAX, &mut Vec::new())?;
        Ok(head.map(|head| (head.len, (head.framing, head.status))))
    };
    let Some((text, (framing, status))) = in_parts(bytes, read) else { return };
    let told = told(&lines(text)).unwrap_or(Framing::UntilClose);
    let has_none = to_head || status < 200 || matches!(status, 204 | 304);
    assert_eq!(framing, if has_none { Framing::Empty } else { told }, "{}", text.escape_ascii());
    assert!((100..1000).contains(&status), "{}", text.escape_ascii());
}

/// A body in chunks comes out the same in whatever pieces it arrives, and as a plain reading of it has it.
pub fn chunks(bytes: &[u8], piece_len: usize) {
    // Why it is refused may differ: of a line that is wrong and too long, a piece may show the one or the other.
    let decode = |piece_len| decode(bytes, piece_len).map_err(|_why| ());
    let whole = decode(bytes.len());
    for piece_len in [1, piece_len] {
        assert_eq!(whole, decode(piece_len), "{piece_len}: {}", bytes.escape_ascii());
    }
    if let Ok(Some((data, len))) = whole {
        assert_eq!((data, len), plainly(bytes), "{}", bytes.escape_ascii());
    }
}

/// A header of the PROXY protocol that is taken says the same whatever follows it, none of its parts is refused or
/// whole, and one of version 1 says what it says.
pub fn proxy_header(bytes: &[u8]) {
    let Ok(Parsed::Whole { source, len }) = proxy_protocol::parse(bytes) else { return };
    assert!(len <= bytes.len().min(HEADER_MAX), "{}", bytes.escape_ascii());
    let text = &bytes[..len];
    assert_eq!(proxy_protocol::parse(text), Ok(Parsed::Whole { source, len }), "{}", text.escape_ascii());
    for part in 0..len {
        assert_eq!(
            proxy_protocol::parse(&text[..part]),
            Ok(Parsed::Part),
            "{part} of {}",
            text.escape_ascii()
        );
    }
    let (Source::Client { from, to }, Some(line)) = (source, text.strip_prefix(b"PROXY TCP")) else { return };
    let family = if from.is_ipv4() { b'4' } else { b'6' };
    assert!(line[0] == family && from.is_ipv4() == to.is_ipv4(), "{}", text.escape_ascii());
    let ports = format!(" {} {}\r\n", from.port(), to.port());
    assert!(line.ends_with(ports.as_bytes()), "{}", text.escape_ascii());
}

/// The head at the front and what was read of it, if one was taken. None of its parts is one, none is refused,
/// and what follows it changes nothing.
fn in_parts<T: PartialEq + std::fmt::Debug>(
    bytes: &[u8],
    read: impl Fn(&[u8]) -> Result<Option<(usize, T)>, Malformed>,
) -> Option<(&[u8], T)> {
    let (len, head) = read(bytes).ok().flatten()?;
    let text = &bytes[..len];
    assert!(text.ends_with(b"\r\n\r\n"), "{}", text.escape_ascii());
    for part in (0..len).rev().take(PARTS_MAX).chain(0..len.min(PARTS_MAX)) {
        assert_eq!(read(&text[..part]), Ok(None), "{part} of {}", text.escape_ascii());
    }
    assert_eq!(read(text), Ok(Some((len, head))), "{}", text.escape_ascii());
    read(text).ok().flatten().map(|(_, head)| (text, head))
}

/// The lines of a head that was taken, without the empty one. There are no line ends and no control bytes but
/// tabs in them.
fn lines(text: &[u8]) -> Vec<&[u8]> {
    let mut lines = Vec::new();
    let mut rest = text;
    while let Some(len) = rest.windows(2).position(|window| window == b"\r\n") {
        let line = &rest[..len];
        let is_plain = |byte: &u8| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f);
        assert!(line.iter().all(is_plain), "{}", text.escape_ascii());
        assert!(!line.starts_with(b" ") && !line.starts_with(b"\t"), "{}", text.escape_ascii());
        lines.push(line);
        rest = &rest[len + 2..];
    }
    assert_eq!((rest, lines.pop()), (&b""[..], Some(&b""[..])), "{}", text.escape_ascii());
    lines
}

/// The values of a header, by any reading of its name: in whatever case, with white space around it.
fn values<'a>(lines: &[&'a [u8]], name: &[u8]) -> Vec<&'a [u8]> {
    let value = |line: &&'a [u8]| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        line[..colon].trim_ascii().eq_ignore_ascii_case(name).then(|| line[colon + 1..].trim_ascii())
    };
    lines[1..].iter().filter_map(value).collect()
}

/// How the body is framed; `None` where the headers say nothing of it.
fn told(lines: &[&[u8]]) -> Option<Framing> {
    match (&values(lines, b"content-length")[..], &values(lines, b"transfer-encoding")[..]) {
        ([], []) => None,
        ([length], []) => {
            assert!(!length.is_empty() && length.iter().all(u8::is_ascii_digit), "{length:?}");
            let length = length.iter().fold(0_u64, |sum, digit| sum * 10 + u64::from(digit - b'0'));
            Some(if length == 0 { Framing::Empty } else { Framing::Length(length) })
        }
        ([], [coding]) if coding.eq_ignore_ascii_case(b"chunked") => Some(Framing::Chunked),
        other => unreachable!("framed by {other:?}"),
    }
}

/// The data of a body that arrives in pieces, and where it ends; `None` where it is not whole.
fn decode(bytes: &[u8], piece_len: usize) -> Result<Option<(Vec<u8>, usize)>, Malformed> {
    let mut decoder = Decoder::new(Framing::Chunked);
    let (mut unread, mut data) = (BytesMut::new(), Vec::new());
    let mut pieces = bytes.chunks(piece_len.max(1));
    let mut read = 0;
    loop {
        match decoder.next(&mut unread)? {
            Next::Data(len) => {
                data.extend_from_slice(&unread[..len]);
                unread.advance(len);
                decoder.used(len);
            }
            Next::End => return Ok(Some((data, read - unread.len()))),
            Next::More => match pieces.next() {
                Some(piece) => {
                    read += piece.len();
                    unread.extend_from_slice(piece);
                }
                None => return Ok(None),
            },
        }
    }
}

/// The same of a body that was taken.
fn plainly(bytes: &[u8]) -> (Vec<u8>, usize) {
    let (mut data, mut at) = (Vec::new(), 0);
    let line = |at: usize| {
        let len = bytes[at..].windows(2).position(|window| window == b"\r\n").expect("a line");
        &bytes[at..at + len]
    };
    loop {
        let size = line(at);
        assert!(size.len() < 256 && !size.contains(&b'\n'), "{}", size.escape_ascii());
        at += size.len() + 2;
        let digits = size.split(|byte| *byte == b';').next().unwrap_or_default();
        let text = std::str::from_utf8(digits).expect("digits");
        let len = usize::from_str_radix(text, 16).expect("a size");
        if len == 0 {
            break;
        }
        data.extend_from_slice(&bytes[at..at + len]);
        assert_eq!(&bytes[at + len..at + len + 2], b"\r\n");
        at += len + 2;
    }
    loop {
        let trailer = line(at);
        at += trailer.len() + 2;
        if trailer.is_empty() {
            return (data, at);
        }
        assert!(!trailer.contains(&b'\n'), "{}", trailer.escape_ascii());
    }
}
