//! Heads of responses (RFC 9112 §4).

use super::field::{Field, Span, is_text, parse_fields};
use super::{Framing, Malformed, line, version};

/// A response's status and what its headers say of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ResponseHead {
    pub(crate) status: u16,
    /// Status and reason as they came, without the white space around.
    pub(crate) status_line: Span,
    pub(crate) framing: Framing,
    /// The connection may carry another request once the body was read.
    pub(crate) keeps_alive: bool,
    /// `Connection` names other headers.
    pub(crate) has_options: bool,
    /// Bytes that the head takes.
    pub(crate) len: usize,
}

/// Reads the head of a response; `None` where it is not all there. `to_head` says that it answers a HEAD
/// request, so that no body follows whatever it says.
pub(crate) fn parse_response(
    bytes: &[u8],
    to_head: bool,
    fields_max: u16,
    fields: &mut Vec<Field>,
) -> Result<Option<ResponseHead>, Malformed> {
    let Some((end, next)) = line(bytes, 0)? else { return Ok(None) };
    let text = &bytes[..end];
    let (protocol, rest) = text.split_at_checked(9).ok_or(BAD)?;
    let is_http_1_0 = version(protocol.strip_suffix(b" ").ok_or(BAD)?)?;
    let status = match rest {
        [a @ b'1'..=b'9', b, c] | [a @ b'1'..=b'9', b, c, b' ', ..]
            if b.is_ascii_digit() && c.is_ascii_digit() =>
        {
            u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0')
        }
        _ => return Err(BAD),
    };
    if !rest.iter().all(|byte| is_text(*byte)) {
        return Err(Malformed::Bad("the reason has a control byte"));
    }
    let Some((summary, len)) = parse_fields(bytes, next, fields_max, fields)? else { return Ok(None) };
    let told = summary.framing()?;
    if status < 200 && told.is_some() {
        return Err(Malformed::Bad("an interim answer has a body"));
    }
    // RFC 9112 §6.3: these have none, whatever they say.
    let has_none = to_head || matches!(status, 100..200 | 204 | 304);
    let framing = if has_none { Framing::Empty } else { told.unwrap_or(Framing::UntilClose) };
    if is_http_1_0 && framing == Framing::Chunked {
        return Err(Malformed::Bad("HTTP/1.0 has no transfer codings"));
    }
    let keeps_alive =
        !summary.close && (!is_http_1_0 || summary.keep_alive) && framing != Framing::UntilClose;
    Ok(Some(ResponseHead {
        status,
        status_line: Span::new(9, end),
        framing,
        keeps_alive,
        has_options: summary.has_options,
        len,
    }))
}

const BAD: Malformed = Malformed::Bad("this is no status line");
