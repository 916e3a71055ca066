//! Heads of HTTP/1.1 messages, read strictly (RFC 9112): what two servers could read differently is
//! refused. Nothing is copied; a head is a list of places in the bytes it was read from.

mod field;
mod request;
mod response;

pub(crate) use field::{Field, Name, Span, find, tokens};
pub(crate) use request::{RequestHead, is_authority, parse_request};
pub(crate) use response::{ResponseHead, parse_response};

/// How the end of a body is told (RFC 9112 §6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// There is none.
    Empty,
    /// After so many bytes, at least one.
    Length(u64),
    /// In chunks.
    Chunked,
    /// With the end of the connection; responses only.
    UntilClose,
}

/// Why a head is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    /// It breaks a rule of the grammar, or leaves room for two readings.
    #[error("{0}")]
    Bad(&'static str),
    /// It has more headers than allowed.
    #[error("there are more headers than allowed")]
    TooManyFields,
    /// It expects something else than a 100 (RFC 9110 §10.1.1).
    #[error("an expectation cannot be met")]
    Expectation,
    /// HTTP, but neither 1.0 nor 1.1.
    #[error("the version is neither HTTP/1.0 nor HTTP/1.1")]
    Version,
}

/// Bytes of the line at the front, without its CR LF; `None` where it is not all there.
pub(crate) fn line_len(bytes: &[u8]) -> Result<Option<usize>, Malformed> {
    let Some(len) = memchr::memchr2(b'\r', b'\n', bytes) else { return Ok(None) };
    match &bytes[len..] {
        [b'\r', b'\n', ..] => Ok(Some(len)),
        b"\r" => Ok(None),
        _ => Err(Malformed::Bad("a line does not end with CR LF")),
    }
}

/// A line's end without its CR LF, and where the next one starts; `None` where it is not all there.
fn line(bytes: &[u8], start: usize) -> Result<Option<(usize, usize)>, Malformed> {
    Ok(line_len(&bytes[start..])?.map(|len| (start + len, start + len + 2)))
}

/// What is never passed on in a trailer, beside what a gateway acts upon itself: who asks, what the content is,
/// and what may be kept of it (RFC 9110 §6.5.1).
const TOO_LATE: [&[u8]; 10] = [
    b"authorization",
    b"cache-control",
    b"content-encoding",
    b"content-range",
    b"content-type",
    b"cookie",
    b"set-cookie",
    b"trailer",
    b"vary",
    b"www-authenticate",
];

/// Checks one trailer line, without its CR LF, and says whether it may be passed on. None may frame or route the
/// message (RFC 9110 §6.5.1).
pub(crate) fn parse_trailer(line: &[u8]) -> Result<bool, Malformed> {
    let field = field::parse_field(line, 0, line.len())?;
    match field.known {
        Name::TransferEncoding | Name::ContentLength | Name::Host => {
            Err(Malformed::Bad("a trailer frames or routes the message"))
        }
        Name::Other => Ok(!TOO_LATE.iter().any(|name| field.name.of(line).eq_ignore_ascii_case(name))),
        _ => Ok(false),
    }
}

fn version(text: &[u8]) -> Result<bool, Malformed> {
    match text {
        b"HTTP/1.1" => Ok(false),
        b"HTTP/1.0" => Ok(true),
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            Err(Malformed::Version)
        }
        _ => Err(Malformed::Bad("this is no HTTP version")),
    }
}

#[cfg(test)]
mod tests;
