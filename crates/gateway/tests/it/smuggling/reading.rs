//! A strict reading of HTTP/1.1 requests that shares no code with the gateway: what the gateway sends must
//! be a sequence of these, byte for byte without a second meaning (RFC 9112).

use std::fmt::Write as _;

/// A whole request as a service reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) target: String,
    /// In order of arrival, names in lower case, values escaped where they are not plain text.
    pub(super) headers: Vec<(String, String)>,
    /// Without chunks' framing.
    pub(super) body: Vec<u8>,
}

/// A whole answer as a client reads it.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// As a request's.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
}

/// What the gateway adds itself, or may pass on or keep: checked apart, and not part of a rendering.
const OWN: [&str; 7] =
    ["x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-request-id", "expect", "te", "trailer"];
const FRAMING: [&str; 2] = ["transfer-encoding", "content-length"];
/// What no trailer may say: framing, routing, identity (RFC 9110 §6.5.1).
const NO_TRAILERS: [&str; 8] = [
    "transfer-encoding",
    "content-length",
    "host",
    "connection",
    "authorization",
    "cookie",
    "x-forwarded-for",
    "trailer",
];

/// The first request of these bytes and its length; `None` when it is not whole yet.
pub(super) fn first(bytes: &[u8]) -> Result<Option<(Request, usize)>, String> {
    let Some(head_len) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        return if bytes.len() > 1 << 20 { Err("a head without an end".into()) } else { Ok(None) };
    };
    let mut request = head(&bytes[..head_len])?;
    let rest = &bytes[head_len + 4..];
    let Some((body, len)) = body(&request.headers, rest)? else { return Ok(None) };
    request.body = body;
    Ok(Some((request, head_len + 4 + len)))
}

/// The first answer of these bytes but interim ones, and its end; `None` when it is not whole. One that
/// ends with its connection never is, as it could be broken off: the gateway frames what it sends.
pub(super) fn answer(bytes: &[u8], to_head: bool) -> Result<Option<(Answer, usize)>, String> {
    let Some(head_len) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
    let mut lines = lines(&bytes[..head_len]);
    let line = lines.next().unwrap_or_default();
    let status = line.strip_prefix(b"HTTP/1.1 ").and_then(|rest| plain(rest.get(..3)?).parse().ok());
    let status: u16 = status.ok_or_else(|| format!("status line {}", line.escape_ascii()))?;
    let headers: Vec<_> = lines.map(header).collect::<Result<_, _>>()?;
    let rest = &bytes[head_len + 4..];
    if status < 200 {
        let next = answer(rest, to_head)?;
        return Ok(next.map(|(answer, end)| (answer, head_len + 4 + end)));
    }
    let is_framed = headers.iter().any(|(name, _)| FRAMING.contains(&name.as_str()));
    let body = match to_head || matches!(status, 204 | 304) {
        true => Some((Vec::new(), 0)),
        false if !is_framed => None,
        false => body(&headers, rest)?,
    };
    let Some((body, len)) = body else { return Ok(None) };
    Ok(Some((Answer { status, headers, body: plain(&body).replace("\\\"", "\"") }, head_len + 4 + len)))
}

fn head(bytes: &[u8]) -> Result<Request, String> {
    let mut lines = lines(bytes);
    let line = lines.next().unwrap_or_default();
    let mut words = line.split(|byte| *byte == b' ');
    let (Some(method), Some(target), Some(b"HTTP/1.1"), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(format!("request line {}", line.escape_ascii()));
    };
    if !is_token(method) || target.is_empty() || !target.iter().all(u8::is_ascii_graphic) {
        return Err(format!("request line {}", line.escape_ascii()));
    }
    let headers: Vec<_> = lines.map(header).collect::<Result<_, _>>()?;
    let request = Request { method: plain(method), target: plain(target), headers, body: Vec::new() };
    match request.values("host").count() {
        1 => Ok(request),
        hosts => Err(format!("{hosts} Host headers")),
    }
}

/// Parts at CR LF only; a stray CR or LF stays in its line, where no rule takes it.
fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(bytes);
    std::iter::from_fn(move || {
        let bytes = rest?;
        let end = bytes.windows(2).position(|window| window == b"\r\n");
        rest = end.map(|end| &bytes[end + 2..]);
        Some(&bytes[..end.unwrap_or(bytes.len())])
    })
}

fn header(line: &[u8]) -> Result<(String, String), String> {
    let bad = || format!("header {}", line.escape_ascii());
    let colon = line.iter().position(|byte| *byte == b':').ok_or_else(bad)?;
    let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
    let is_value = value.iter().all(|byte| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f));
    // Servers differ in the white space they take around these.
    let name = plain(name).to_ascii_lowercase();
    let is_tight = [value, &[b" ", value].concat()].contains(&&line[colon + 1..]);
    let must_be_tight = name == "host" || FRAMING.contains(&name.as_str());
    if !is_token(&line[..colon]) || !is_value || (must_be_tight && !is_tight) {
        return Err(bad());
    }
    Ok((name, plain(value)))
}

fn body(headers: &[(String, String)], rest: &[u8]) -> Result<Option<(Vec<u8>, usize)>, String> {
    let [codings, lengths] = FRAMING.map(|name| {
        let found = headers.iter().filter(|(found, _)| found == name);
        found.map(|(_, value)| value.as_str()).collect::<Vec<_>>()
    });
    match (&codings[..], &lengths[..]) {
        ([], []) => Ok(Some((Vec::new(), 0))),
        (["chunked"], []) => chunks(rest),
        ([], [length]) if !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit()) => {
            let len: usize = length.parse().map_err(|_too_large| format!("length {length}"))?;
            Ok(rest.get(..len).map(|body| (body.to_vec(), len)))
        }
        _ => Err(format!("framing by {codings:?} and {lengths:?}")),
    }
}

fn chunks(bytes: &[u8]) -> Result<Option<(Vec<u8>, usize)>, String> {
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let Some(line) = line_at(bytes, at) else { return Ok(None) };
        at += line.len() + 2;
        let is_size = (1..=16).contains(&line.len()) && line.iter().all(u8::is_ascii_hexdigit);
        let size = usize::from_str_radix(&plain(line), 16).ok().filter(|_| is_size);
        match size.ok_or_else(|| format!("chunk size {}", line.escape_ascii()))? {
            0 => return Ok(trailers(bytes, at)?.map(|end| (body, end))),
            size => {
                let Some(chunk) = bytes.get(at..at.saturating_add(size).saturating_add(2)) else {
                    return Ok(None);
                };
                if !chunk.ends_with(b"\r\n") {
                    return Err("a chunk is longer than its size".into());
                }
                body.extend_from_slice(&chunk[..size]);
                at += chunk.len();
            }
        }
    }
}

fn trailers(bytes: &[u8], mut at: usize) -> Result<Option<usize>, String> {
    loop {
        let Some(line) = line_at(bytes, at) else { return Ok(None) };
        at += line.len() + 2;
        if line.is_empty() {
            return Ok(Some(at));
        }
        let (name, _) = header(line)?;
        if NO_TRAILERS.contains(&name.as_str()) {
            return Err(format!("trailer {name}"));
        }
    }
}

fn line_at(bytes: &[u8], at: usize) -> Option<&[u8]> {
    let rest = &bytes[at..];
    rest.windows(2).position(|window| window == b"\r\n").map(|len| &rest[..len])
}

fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty()
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte))
}

fn plain(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

impl Request {
    pub(super) fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers.iter().filter(move |(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// Method and target, each header on a line in order of name, an empty line, the body; without what
    /// the gateway itself says.
    pub(super) fn text(&self) -> String {
        let mut headers: Vec<_> =
            self.headers.iter().filter(|(name, _)| !OWN.contains(&name.as_str())).collect();
        headers.sort_by(|(a, _), (b, _)| a.cmp(b));
        let mut text = format!("{} {}\n", self.method, self.target);
        for (name, value) in headers {
            writeln!(text, "{name}: {value}").expect("a string takes all text");
        }
        if !self.body.is_empty() {
            write!(text, "\n{}", self.body.escape_ascii()).expect("a string takes all text");
        }
        text
    }

    /// What the gateway says of the client is said once, and by the gateway.
    pub(super) fn check_own_words(&self) -> Result<(), String> {
        for (name, value) in [("x-forwarded-for", "127.0.0.1"), ("x-forwarded-proto", "http")] {
            let found: Vec<_> = self.values(name).collect();
            if found != [value] {
                return Err(format!("{name}: {found:?}"));
            }
        }
        match self.values("x-request-id").count() {
            1 => Ok(()),
            ids => Err(format!("{ids} request ids")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> Result<Option<String>, String> {
        first(bytes).map(|found| found.map(|(request, len)| format!("{len} {}", request.text())))
    }

    #[test]
    fn reads_what_has_one_meaning_and_nothing_else() {
        let get = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET";
        assert_eq!(text(get), Ok(Some("28 GET /a\nhost: a\n".into())));
        let post =
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX: y\r\n\r\n";
        assert_eq!(
            text(post),
            Ok(Some(format!("{} POST /\nhost: a\ntransfer-encoding: chunked\n\nhi", post.len())))
        );
        assert_eq!(text(&post[..post.len() - 1]), Ok(None));
        for bad in [
            "GET / HTTP/1.1\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\n\r\n",
            "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nX: a\n b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2;a\r\nhi\r\n0\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nHost: b\r\n\r\n",
        ] {
            assert!(text(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }
}
