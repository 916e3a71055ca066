//! Heads of HTTP/1.1 messages as they go out. Headers that pass are copied as they came, as many at once as
//! stand together.

use std::fmt::Write as _;

use bytes::{BufMut, BytesMut};
use floodway_policy::sticky::{SetCookie, StickyPolicy};
use http::header::CONTENT_LENGTH;
use http::response::Parts;

use super::parse::{Field, Name, RequestHead, ResponseHead, Span, tokens};
use crate::connection::Client;
use crate::head::is_end_to_end;
use crate::in_flight::InFlight;
use crate::peer::{Asker, Claims, is_certificate};
use crate::respond::{self, Problem};

/// How an answer ends, for the head to say so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ending {
    /// The body goes out in chunks.
    pub(super) in_chunks: bool,
    /// What becomes of the connection.
    pub(super) then: Then,
}

/// What becomes of a client's connection after an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// It stays open, as HTTP/1.1 has it.
    Stay,
    /// It stays open, which an HTTP/1.0 client must be told.
    StayAsAsked,
    Close,
}

impl Then {
    /// It stays open, in the words that the client's version needs.
    pub(super) const fn stay(head: &RequestHead) -> Self {
        if head.is_http_1_0 { Self::StayAsAsked } else { Self::Stay }
    }
}

/// Who asks, where that is not the peer itself but whom it tells of.
pub(super) fn asker<'a>(bytes: &'a [u8], fields: &[Field], client: &'a Client) -> Option<Asker<'a>> {
    if !client.peer.is_trusted {
        return None;
    }
    let all = |known| {
        fields.iter().filter(|field| field.known == known).map(|field| field.value.of(bytes)).collect()
    };
    let claims = Claims {
        forwarded_for: all(Name::ForwardedFor),
        proto: all(Name::ForwardedProto),
        host: all(Name::ForwardedHost),
    };
    Some(client.peer.asker(&client.worker.snapshot.trusted_proxies, &claims))
}

/// On whose behalf a request goes to a service.
#[derive(Clone, Copy)]
pub(super) struct Behalf<'a> {
    pub(super) client: &'a Client,
    /// Without one, the client asks for itself.
    pub(super) asker: Option<&'a Asker<'a>>,
    /// The cookie of its session is not for the service.
    pub(super) sticky: Option<&'a StickyPolicy>,
}

/// The head that a service gets.
pub(super) fn request_head(
    out: &mut BytesMut,
    bytes: &[u8],
    head: &RequestHead,
    fields: &[Field],
    behalf: Behalf<'_>,
    in_flight: &InFlight,
) {
    let Behalf { client, asker, sticky } = behalf;
    let session = |field: &Field| sticky.filter(|policy| has_session(bytes, field, policy));
    let hop = in_flight.hop();
    let host = head.target.authority.or(head.host);
    let path = head.target.path_and_query(bytes);
    out.put_slice(head.method.of(bytes));
    out.put_slice(b" ");
    out.put_slice(path);
    out.put_slice(b" HTTP/1.1\r\n");
    // What an absolute target says stands above the header; without either there is an empty one.
    let keeps_host = head.target.authority.is_none() && head.host.is_some();
    if !keeps_host {
        put(out, b"host", host.map_or(&[], |host| host.of(bytes)));
    }
    copy(out, bytes, fields, |field| match field.known {
        Name::Host => keeps_host,
        Name::RequestId
        | Name::Expect
        | Name::Forwarded
        | Name::ForwardedFor
        | Name::ForwardedHost
        | Name::ForwardedProto => false,
        Name::Claim if asker.is_none() => false,
        Name::TraceParent if hop.is_some() => false,
        Name::TraceState if hop.is_some_and(|hop| hop.parent.is_none()) => false,
        Name::Claim if client.peer.certificate.is_some() && is_certificate(field.name.of(bytes)) => false,
        Name::Other if session(field).is_some() => false,
        known if known.is_hop_by_hop() => false,
        known => !head.has_options || !is_named(bytes, fields, field, known),
    });
    for (field, policy) in fields.iter().filter_map(|field| session(field).map(|policy| (field, policy))) {
        put_other_cookies(out, field.value.of(bytes), policy);
    }
    if takes_trailers(bytes, fields) {
        put(out, b"te", b"trailers");
    }
    if head.framing == super::parse::Framing::Chunked {
        put(out, b"transfer-encoding", b"chunked");
    }
    match asker {
        None => out.put_slice(&client.introduction),
        Some(asker) => asker.introduce(out),
    }
    let told = asker.and_then(|asker| asker.host);
    if let Some(host) = told.or_else(|| host.map(|host| host.of(bytes))) {
        put(out, b"x-forwarded-host", host);
    }
    if let Some(hop) = hop {
        put(out, b"traceparent", &hop.told.text());
    }
    put(out, b"x-request-id", in_flight.id.as_bytes());
    out.put_slice(b"\r\n");
}

/// Whether this is a `Cookie` header with that of a session.
fn has_session(bytes: &[u8], field: &Field, policy: &StickyPolicy) -> bool {
    is_cookie(bytes, field) && policy.is_in(field.value.of(bytes))
}

pub(super) fn is_cookie(bytes: &[u8], field: &Field) -> bool {
    field.name.of(bytes).eq_ignore_ascii_case(b"cookie")
}

fn put_other_cookies(out: &mut BytesMut, cookies: &[u8], policy: &StickyPolicy) {
    let mut before: &[u8] = b"cookie: ";
    for pair in policy.others(cookies) {
        out.put_slice(before);
        out.put_slice(pair);
        before = b"; ";
    }
    if before == b"; " {
        out.put_slice(b"\r\n");
    }
}

/// Whether a client takes trailers (RFC 9110 §10.1.4).
pub(super) fn takes_trailers(bytes: &[u8], fields: &[Field]) -> bool {
    let mut coded = fields.iter().filter(|field| field.known == Name::Te);
    coded.any(|field| tokens(field.value.of(bytes)).any(|te| te.eq_ignore_ascii_case(b"trailers")))
}

/// An interim answer that goes on to the client (RFC 9110 §15.2).
pub(super) fn interim(out: &mut BytesMut, bytes: &[u8], head: &ResponseHead, fields: &[Field]) {
    out.put_slice(b"HTTP/1.1 ");
    out.put_slice(head.status_line.of(bytes));
    out.put_slice(b"\r\n");
    copy(out, bytes, fields, |field| match field.known {
        // It has no body, whatever it says.
        Name::RequestId | Name::ContentLength => false,
        known if known.is_hop_by_hop() => false,
        known => !head.has_options || !is_named(bytes, fields, field, known),
    });
    out.put_slice(b"\r\n");
}

/// The head that a client gets of a service's answer.
pub(super) fn response_head(
    out: &mut BytesMut,
    bytes: &[u8],
    head: &ResponseHead,
    fields: &[Field],
    in_flight: &InFlight,
    ending: Ending,
    cookie: Option<SetCookie<'_>>,
) {
    out.put_slice(b"HTTP/1.1 ");
    out.put_slice(head.status_line.of(bytes));
    out.put_slice(b"\r\n");
    copy(out, bytes, fields, |field| match field.known {
        Name::RequestId => false,
        known if known.is_hop_by_hop() => false,
        known => !head.has_options || !is_named(bytes, fields, field, known),
    });
    if let Some(cookie) = cookie {
        write!(out, "set-cookie: {cookie}\r\n").expect("a buffer takes all text");
    }
    say_of_request(out, in_flight);
    finish_head(out, ending);
}

/// The whole answer of a problem.
pub(super) fn problem(out: &mut BytesMut, problem: Problem, in_flight: &InFlight, is_head: bool, then: Then) {
    let id = in_flight.id.value();
    let answer = match in_flight.fallback(problem) {
        Some(fallback) => respond::fallback(fallback, &id),
        None => problem.response(&id).map(|_same| problem.body(&id)),
    };
    let (mut parts, body) = answer.into_parts();
    in_flight.tell_allowance(&mut parts.headers);
    response(out, &parts, Some(body.len() as u64), is_head, Ending { in_chunks: false, then });
    if !is_head {
        out.put_slice(&body);
    }
}

/// The head of an answer that does not come as bytes. Where a `length` is given and not told, it is.
pub(super) fn response(
    out: &mut BytesMut,
    parts: &Parts,
    length: Option<u64>,
    is_head: bool,
    ending: Ending,
) {
    let Parts { status, headers, .. } = parts;
    let reason = status.canonical_reason().unwrap_or_default();
    write!(out, "HTTP/1.1 {} {reason}\r\n", status.as_u16()).expect("a buffer takes all text");
    for (name, value) in headers {
        put(out, name.as_str().as_bytes(), value.as_bytes());
    }
    let may_have_body = !(is_head || status.is_informational() || matches!(status.as_u16(), 204 | 304));
    if let Some(length) = length
        && may_have_body
        && !headers.contains_key(CONTENT_LENGTH)
    {
        write!(out, "content-length: {length}\r\n").expect("a buffer takes all text");
    }
    finish_head(out, ending);
}

/// A piece of a body.
pub(super) fn piece(out: &mut BytesMut, data: &[u8], in_chunks: bool) {
    if data.is_empty() {
        return;
    }
    if in_chunks {
        write!(out, "{:x}\r\n", data.len()).expect("a buffer takes all text");
    }
    out.put_slice(data);
    if in_chunks {
        out.put_slice(b"\r\n");
    }
}

/// What the gateway has to say of the request itself.
pub(super) fn say_of_request(out: &mut BytesMut, in_flight: &InFlight) {
    put(out, b"x-request-id", in_flight.id.as_bytes());
    if let Some(allowance) = in_flight.allowance() {
        allowance.write(out);
    }
}

/// What the connection must know, and the empty line.
pub(super) fn finish_head(out: &mut BytesMut, ending: Ending) {
    if ending.in_chunks {
        put(out, b"transfer-encoding", b"chunked");
    }
    match ending.then {
        Then::Stay => {}
        Then::StayAsAsked => put(out, b"connection", b"keep-alive"),
        Then::Close => put(out, b"connection", b"close"),
    }
    out.put_slice(b"\r\n");
}

pub(super) fn put(out: &mut BytesMut, name: &[u8], value: &[u8]) {
    out.put_slice(name);
    out.put_slice(b": ");
    out.put_slice(value);
    out.put_slice(b"\r\n");
}

/// Copies the lines that pass. What frames or routes is written anew where white space that not every server
/// takes is around it (RFC 9112 §5).
fn copy(out: &mut BytesMut, bytes: &[u8], fields: &[Field], passes: impl Fn(&Field) -> bool) {
    let mut run: Option<Span> = None;
    for field in fields {
        let passes = passes(field);
        if passes && is_tight(bytes, field) {
            run = Some(run.map_or(field.line, |run| run.to(field.line)));
            continue;
        }
        if let Some(run) = run.take() {
            out.put_slice(run.of(bytes));
        }
        if passes {
            put(out, field.name.of(bytes), field.value.of(bytes));
        }
    }
    if let Some(run) = run {
        out.put_slice(run.of(bytes));
    }
}

/// Whether a line may stay as it came.
fn is_tight(bytes: &[u8], field: &Field) -> bool {
    let frames_or_routes = matches!(field.known, Name::ContentLength | Name::Host);
    // A colon, a space, CR and LF are all there is besides.
    !frames_or_routes
        || field.line.len() == field.name.len() + field.value.len() + 4
            && field.line.of(bytes).get(field.name.len() + 1) == Some(&b' ')
}

/// Whether a `Connection` header names this one.
fn is_named(bytes: &[u8], fields: &[Field], field: &Field, known: Name) -> bool {
    let name = field.name.of(bytes);
    let names = |connection: &Field| {
        tokens(connection.value.of(bytes)).any(|option| option.eq_ignore_ascii_case(name))
    };
    let is_kept = matches!(known, Name::Host | Name::ContentLength) || is_end_to_end(name);
    !is_kept && fields.iter().filter(|field| field.known == Name::Connection).any(names)
}
