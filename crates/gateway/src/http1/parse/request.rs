//! Heads of requests (RFC 9112 §3).

use super::field::{Field, Name, Span, is_token, parse_fields};
use super::{Framing, Malformed, line, version};

/// A request's line and what its headers say of it.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "headers say these independently of each other")]
pub(crate) struct RequestHead {
    pub(crate) method: Span,
    pub(crate) target: Target,
    /// The method is HEAD, so the answer has no body.
    pub(crate) is_head: bool,
    pub(crate) is_http_1_0: bool,
    pub(crate) framing: Framing,
    /// The only `Host`.
    pub(crate) host: Option<Span>,
    /// The client wants the connection closed after this.
    pub(crate) wants_close: bool,
    /// The client waits for a 100 before it sends the body.
    pub(crate) waits_for_100: bool,
    pub(crate) upgrade: bool,
    /// `Connection` names other headers.
    pub(crate) has_options: bool,
    pub(crate) request_id: Option<Span>,
    /// Bytes that the head takes.
    pub(crate) len: usize,
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target {
    /// Path and query; empty where an absolute target has neither, which means `/`.
    pub(crate) path_and_query: Span,
    /// Of absolute form; it stands above `Host` (RFC 9112 §3.2.2).
    pub(crate) authority: Option<Span>,
}

impl Target {
    /// Path and query as they are sent on.
    pub(crate) fn path_and_query(self, bytes: &[u8]) -> &[u8] {
        if self.path_and_query.is_empty() { b"/" } else { self.path_and_query.of(bytes) }
    }
}

/// Reads a head; `None` where it is not all there. `fields` is what its headers are read into.
pub(crate) fn parse_request(
    bytes: &[u8],
    fields_max: u16,
    fields: &mut Vec<Field>,
) -> Result<Option<RequestHead>, Malformed> {
    // One empty line before a request is tolerated, as some clients send one after a body (RFC 9112 §2.2).
    let start = if bytes.starts_with(b"\r\n") { 2 } else { 0 };
    let Some((end, next)) = line(bytes, start)? else { return Ok(None) };
    let (method, target, is_http_1_0) = parse_line(bytes, start, end)?;
    let Some((summary, len)) = parse_fields(bytes, next, fields_max, fields)? else { return Ok(None) };
    let framing = summary.framing()?.unwrap_or(Framing::Empty);
    if is_http_1_0 && framing == Framing::Chunked {
        return Err(Malformed::Bad("HTTP/1.0 has no transfer codings"));
    }
    let waits_for_100 = match find(fields, Name::Expect) {
        Some(expect) if !expect.of(bytes).eq_ignore_ascii_case(b"100-continue") => {
            return Err(Malformed::Expectation);
        }
        expect => expect.is_some() && !is_http_1_0,
    };
    Ok(Some(RequestHead {
        method,
        target,
        is_head: method.of(bytes) == b"HEAD",
        is_http_1_0,
        framing,
        host: host(bytes, fields, is_http_1_0)?,
        wants_close: summary.close || (is_http_1_0 && !summary.keep_alive),
        waits_for_100,
        upgrade: summary.upgrade && !is_http_1_0,
        has_options: summary.has_options,
        request_id: find(fields, Name::RequestId),
        len,
    }))
}

fn parse_line(bytes: &[u8], start: usize, end: usize) -> Result<(Span, Target, bool), Malformed> {
    let text = &bytes[start..end];
    let method_len = text.iter().position(|byte| !is_token(*byte)).unwrap_or(text.len());
    if method_len == 0 || text.get(method_len) != Some(&b' ') {
        return Err(Malformed::Bad("the method is no token followed by a space"));
    }
    let rest = &text[method_len + 1..];
    let target_len = memchr::memchr(b' ', rest).ok_or(Malformed::Bad("the request line has no version"))?;
    let is_http_1_0 = version(&rest[target_len + 1..])?;
    let method = Span::new(start, start + method_len);
    let target_start = start + method_len + 1;
    let target = parse_target(bytes, method.of(bytes), target_start, target_start + target_len)?;
    Ok((method, target, is_http_1_0))
}

/// RFC 9112 §3.2.
fn parse_target(bytes: &[u8], method: &[u8], start: usize, end: usize) -> Result<Target, Malformed> {
    let text = &bytes[start..end];
    if !text.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'#') {
        return Err(Malformed::Bad("the target has a byte that no target has"));
    }
    let whole = Target { path_and_query: Span::new(start, end), authority: None };
    match text {
        [b'/', ..] => Ok(whole),
        b"*" if method == b"OPTIONS" => Ok(whole),
        _ if method == b"CONNECT" => {
            Ok(Target { path_and_query: Span::default(), authority: Some(Span::new(start, end)) })
        }
        _ => parse_absolute(bytes, start, end),
    }
}

fn parse_absolute(bytes: &[u8], start: usize, end: usize) -> Result<Target, Malformed> {
    let text = &bytes[start..end];
    let has_scheme =
        |scheme: &str| text.get(..scheme.len()).is_some_and(|t| t.eq_ignore_ascii_case(scheme.as_bytes()));
    let scheme = ["http://", "https://"].into_iter().find(|scheme| has_scheme(scheme));
    let scheme = scheme.ok_or(Malformed::Bad("the target is neither a path nor an http URL"))?;
    let authority_start = start + scheme.len();
    let rest = &bytes[authority_start..end];
    let len = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
    let authority = Span::new(authority_start, authority_start + len);
    if authority.is_empty() || !is_authority(authority.of(bytes)) {
        return Err(Malformed::Bad("the target's authority is none"));
    }
    if rest.get(len) == Some(&b'?') {
        return Err(Malformed::Bad("the target has a query and no path"));
    }
    Ok(Target { path_and_query: Span::new(authority_start + len, end), authority: Some(authority) })
}

/// The only `Host` (RFC 9112 §3.2).
fn host(bytes: &[u8], fields: &[Field], is_http_1_0: bool) -> Result<Option<Span>, Malformed> {
    let mut hosts = fields.iter().filter(|field| field.known == Name::Host).map(|field| field.value);
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(Malformed::Bad("more than one Host is given"));
    }
    match host {
        Some(host) if !is_authority(host.of(bytes)) => Err(Malformed::Bad("the Host is none")),
        None if !is_http_1_0 => Err(Malformed::Bad("there is no Host")),
        host => Ok(host),
    }
}

/// `host [":" port]`, without user information (RFC 3986 §3.2).
pub(crate) fn is_authority(text: &[u8]) -> bool {
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%".contains(byte);
    let host_len = match text {
        [b'[', address @ ..] => {
            let len =
                address.iter().take_while(|byte| byte.is_ascii_hexdigit() || b":.".contains(byte)).count();
            if address.get(len) != Some(&b']') {
                return false;
            }
            len + 2
        }
        name => name.iter().take_while(|byte| is_name(byte)).count(),
    };
    match &text[host_len..] {
        [] => true,
        _ if host_len == 0 => false,
        [b':', port @ ..] => port.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

fn find(fields: &[Field], name: Name) -> Option<Span> {
    fields.iter().find(|field| field.known == name).map(|field| field.value)
}
