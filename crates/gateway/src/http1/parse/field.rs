//! Header fields (RFC 9110 §5).

use super::{Framing, Malformed, line};
use crate::peer::is_claim;

/// A place in the bytes of a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Span {
    start: u32,
    end: u32,
}

/// One header line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field {
    pub(crate) known: Name,
    pub(crate) name: Span,
    /// Without the white space around it.
    pub(crate) value: Span,
    /// From the name to and with its CR LF.
    pub(crate) line: Span,
}

/// The names that a gateway acts upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Name {
    /// Tells of whom a request comes from.
    Claim,
    Connection,
    ContentLength,
    Expect,
    Forwarded,
    ForwardedFor,
    ForwardedHost,
    ForwardedProto,
    Host,
    Http2Settings,
    KeepAlive,
    ProxyAuthenticate,
    ProxyAuthorization,
    ProxyConnection,
    RequestId,
    Te,
    TraceParent,
    TraceState,
    TransferEncoding,
    Upgrade,
    Other,
}

/// What the fields of a message say about its framing and its connection.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "headers say these independently of each other")]
pub(super) struct Summary {
    length: Option<u64>,
    is_chunked: bool,
    /// `Connection` names `close`.
    pub(super) close: bool,
    /// `Connection` names `keep-alive`.
    pub(super) keep_alive: bool,
    /// `Connection` names `upgrade`, and there is an `Upgrade`.
    pub(super) upgrade: bool,
    names_upgrade: bool,
    has_upgrade: bool,
    /// `Connection` names other headers.
    pub(super) has_options: bool,
}

// === impl Span ===

impl Span {
    pub(super) fn new(start: usize, end: usize) -> Self {
        // A head is far shorter than 4 GiB: its limit is a u32.
        let place = |at| u32::try_from(at).unwrap_or(u32::MAX);
        Self { start: place(start), end: place(end) }
    }

    pub(crate) fn of(self, bytes: &[u8]) -> &[u8] {
        &bytes[self.start as usize..self.end as usize]
    }

    /// The same as text, where its grammar is ASCII.
    pub(crate) fn text(self, bytes: &[u8]) -> &str {
        std::str::from_utf8(self.of(bytes)).unwrap_or_default()
    }

    /// From the start of this to the end of a later one.
    pub(crate) const fn to(self, later: Self) -> Self {
        Self { start: self.start, end: later.end }
    }

    pub(crate) const fn is_empty(self) -> bool {
        self.start == self.end
    }

    pub(crate) const fn len(self) -> usize {
        (self.end - self.start) as usize
    }
}

// === impl Name ===

impl Name {
    fn of(name: &[u8]) -> Self {
        let (text, known): (&[u8], Self) = match name.len() {
            2 => (b"te", Self::Te),
            4 => (b"host", Self::Host),
            6 => (b"expect", Self::Expect),
            7 => (b"upgrade", Self::Upgrade),
            9 => (b"forwarded", Self::Forwarded),
            10 if name[0].eq_ignore_ascii_case(&b'c') => (b"connection", Self::Connection),
            10 if name[0].eq_ignore_ascii_case(&b't') => (b"tracestate", Self::TraceState),
            10 => (b"keep-alive", Self::KeepAlive),
            11 => (b"traceparent", Self::TraceParent),
            12 => (b"x-request-id", Self::RequestId),
            14 if name[0].eq_ignore_ascii_case(&b'h') => (b"http2-settings", Self::Http2Settings),
            14 => (b"content-length", Self::ContentLength),
            15 => (b"x-forwarded-for", Self::ForwardedFor),
            16 if name[0].eq_ignore_ascii_case(&b'p') => (b"proxy-connection", Self::ProxyConnection),
            16 => (b"x-forwarded-host", Self::ForwardedHost),
            17 if name[0].eq_ignore_ascii_case(&b't') => (b"transfer-encoding", Self::TransferEncoding),
            17 => (b"x-forwarded-proto", Self::ForwardedProto),
            18 => (b"proxy-authenticate", Self::ProxyAuthenticate),
            19 => (b"proxy-authorization", Self::ProxyAuthorization),
            _ => return Self::unknown(name),
        };
        if name.eq_ignore_ascii_case(text) { known } else { Self::unknown(name) }
    }

    fn unknown(name: &[u8]) -> Self {
        let may_be_claim = matches!(name.first(), Some(b'x' | b'X'));
        if may_be_claim && is_claim(name) { Self::Claim } else { Self::Other }
    }

    /// Whether it is meant for the next hop only (RFC 9110 §7.6.1).
    pub(crate) const fn is_hop_by_hop(self) -> bool {
        matches!(
            self,
            Self::Connection
                | Self::Http2Settings
                | Self::KeepAlive
                | Self::ProxyAuthenticate
                | Self::ProxyAuthorization
                | Self::ProxyConnection
                | Self::Te
                | Self::TransferEncoding
                | Self::Upgrade
        )
    }
}

// === impl Summary ===

impl Summary {
    fn add(&mut self, known: Name, value: &[u8]) -> Result<(), Malformed> {
        match known {
            Name::ContentLength if self.length.is_some() => {
                return Err(Malformed::Bad("more than one Content-Length is given"));
            }
            Name::ContentLength => self.length = Some(content_length(value)?),
            Name::TransferEncoding if self.is_chunked || !value.eq_ignore_ascii_case(b"chunked") => {
                return Err(Malformed::Bad("the only transfer coding is chunked, once"));
            }
            Name::TransferEncoding => self.is_chunked = true,
            Name::Connection => tokens(value).for_each(|token| match token {
                _ if token.eq_ignore_ascii_case(b"close") => self.close = true,
                _ if token.eq_ignore_ascii_case(b"keep-alive") => self.keep_alive = true,
                _ if token.eq_ignore_ascii_case(b"upgrade") => self.names_upgrade = true,
                _ => self.has_options = true,
            }),
            // HTTP/2 begins by prior knowledge or in TLS, never so (RFC 9113 §3.1).
            Name::Upgrade => self.has_upgrade |= !tokens(value).any(|to| to.eq_ignore_ascii_case(b"h2c")),
            _ => {}
        }
        self.upgrade = self.names_upgrade && self.has_upgrade;
        Ok(())
    }

    /// The framing that length and coding give; `None` where they say nothing.
    pub(super) fn framing(&self) -> Result<Option<Framing>, Malformed> {
        match (self.length, self.is_chunked) {
            (Some(_), true) => Err(Malformed::Bad("both Content-Length and Transfer-Encoding are given")),
            (None, true) => Ok(Some(Framing::Chunked)),
            (Some(0), false) => Ok(Some(Framing::Empty)),
            (Some(length), false) => Ok(Some(Framing::Length(length))),
            (None, false) => Ok(None),
        }
    }
}

/// The value of the first header of this name.
pub(crate) fn find<'a>(bytes: &'a [u8], fields: &[Field], name: &str) -> Option<&'a [u8]> {
    let is_it = |field: &&Field| field.name.of(bytes).eq_ignore_ascii_case(name.as_bytes());
    fields.iter().find(is_it).map(|field| field.value.of(bytes))
}

/// The members of a list (RFC 9110 §5.6.1).
pub(crate) fn tokens(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|token| !token.is_empty())
}

/// Reads header lines from `start` to the empty line. `fields` is what is read into. Returns what they say
/// and where the head ends; `None` where it is not all there.
pub(super) fn parse_fields(
    bytes: &[u8],
    mut start: usize,
    fields_max: u16,
    fields: &mut Vec<Field>,
) -> Result<Option<(Summary, usize)>, Malformed> {
    fields.clear();
    let mut summary = Summary::default();
    while let Some((end, next)) = line(bytes, start)? {
        if start == end {
            return Ok(Some((summary, next)));
        }
        if fields.len() >= usize::from(fields_max) {
            return Err(Malformed::TooManyFields);
        }
        let field = parse_field(bytes, start, end)?;
        summary.add(field.known, field.value.of(bytes))?;
        fields.push(field);
        start = next;
    }
    Ok(None)
}

/// Reads one line; `end` is where its CR LF starts.
pub(super) fn parse_field(bytes: &[u8], start: usize, end: usize) -> Result<Field, Malformed> {
    let text = &bytes[start..end];
    let name_len = text.iter().position(|byte| !is_token(*byte)).unwrap_or(text.len());
    if name_len == 0 || text.get(name_len) != Some(&b':') {
        return Err(Malformed::Bad("a header's name is no token followed by a colon"));
    }
    let value = &text[name_len + 1..];
    if !value.iter().all(|byte| is_text(*byte)) {
        return Err(Malformed::Bad("a header's value has a control byte"));
    }
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t');
    let before = value.iter().take_while(|byte| is_space(byte)).count();
    let after = value[before..].iter().rev().take_while(|byte| is_space(byte)).count();
    Ok(Field {
        known: Name::of(&text[..name_len]),
        name: Span::new(start, start + name_len),
        value: Span::new(start + name_len + 1 + before, end - after),
        line: Span::new(start, end + 2),
    })
}

/// RFC 9110 §8.6, and no list of equal lengths.
fn content_length(value: &[u8]) -> Result<u64, Malformed> {
    let bad = Malformed::Bad("the Content-Length is no number");
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(bad);
    }
    let text = std::str::from_utf8(value).unwrap_or_default();
    text.parse::<u64>().ok().filter(|length| i64::try_from(*length).is_ok()).ok_or(bad)
}

/// RFC 9110 §5.6.2.
pub(super) const fn is_token(byte: u8) -> bool {
    TOKEN[byte as usize]
}

/// RFC 9110 §5.5: visible, space, tab, or beyond ASCII.
pub(super) const fn is_text(byte: u8) -> bool {
    byte >= b' ' && byte != 0x7f || byte == b'\t'
}

const TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let tokens = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let mut place = 0;
    while place < tokens.len() {
        table[tokens[place] as usize] = true;
        place += 1;
    }
    table
};
