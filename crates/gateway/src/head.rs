//! Headers on their way through: what belongs to one connection stays on it, and the service learns who
//! asked (RFC 9110 §7.6.1).

use std::fmt::Write as _;
use std::net::IpAddr;

use bytes::{Bytes, BytesMut};
use http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, FORWARDED, HOST,
    HeaderMap, HeaderName, HeaderValue, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING,
    UPGRADE,
};

use crate::connection::Client;
use crate::peer::{Asker, Claims, Scheme, is_claim};

/// Names a request in logs and error answers.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const FORWARDED_CERT: HeaderName = HeaderName::from_static("x-forwarded-client-cert");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub(crate) const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
/// How the client reached us: `http` or `https`.
pub(crate) const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

const TRAILERS: HeaderValue = HeaderValue::from_static("trailers");

/// The longest request id taken over from a client; a longer one is replaced.
const REQUEST_ID_MAX: usize = 128;

/// Takes out what is meant for the next hop only. Returns the protocol that an upgrade asks for.
pub(crate) fn strip_hop_by_hop(headers: &mut HeaderMap) -> Option<HeaderValue> {
    let mut upgrade = None;
    if headers.contains_key(CONNECTION) {
        let options: Vec<_> = headers.get_all(CONNECTION).iter().cloned().collect();
        headers.remove(CONNECTION);
        for name in options.iter().flat_map(tokens) {
            if name.eq_ignore_ascii_case("upgrade") {
                upgrade = headers.remove(UPGRADE).or(upgrade);
            } else if !is_end_to_end(name.as_bytes()) {
                headers.remove(name);
            }
        }
    }
    if headers.contains_key(TE) {
        let wants_trailers = headers.get_all(TE).iter().flat_map(tokens).any(|te| te == TRAILERS);
        headers.remove(TE);
        if wants_trailers {
            headers.insert(TE, TRAILERS);
        }
    }
    for name in
        [KEEP_ALIVE, PROXY_CONNECTION, TRANSFER_ENCODING, UPGRADE, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION]
    {
        headers.remove(name);
    }
    upgrade
}

/// Whether an answer says once at most, and plainly, where its body ends (RFC 9112 §6.3).
pub(crate) fn has_one_framing(headers: &HeaderMap) -> bool {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    match [lengths.next(), lengths.next(), codings.next(), codings.next()] {
        [None, None, None, None] => true,
        [Some(length), None, None, None] => length.as_bytes().iter().all(u8::is_ascii_digit),
        [None, None, Some(coding), None] => coding.as_bytes().eq_ignore_ascii_case(b"chunked"),
        _ => false,
    }
}

/// The members of a list that is a header's value.
fn tokens(list: &HeaderValue) -> impl Iterator<Item = &str> {
    list.to_str().unwrap_or_default().split(',').map(str::trim).filter(|token| !token.is_empty())
}

/// Whether no `Connection` header may take this one out: whoever names it there wants the service to see
/// another request than we do.
pub(crate) fn is_end_to_end(name: &[u8]) -> bool {
    let all = [HOST, CONTENT_LENGTH, AUTHORIZATION, COOKIE, CACHE_CONTROL];
    all.iter().any(|end_to_end| name.eq_ignore_ascii_case(end_to_end.as_str().as_bytes()))
}

/// Whether the client speaks gRPC.
pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let rest = content_type.and_then(|kind| kind.strip_prefix(b"application/grpc"));
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

/// Makes one header of a cookie that came in several, as HTTP/2 allows (RFC 9113 §8.2.3).
pub(crate) fn join_cookies(headers: &mut HeaderMap) {
    if headers.get_all(COOKIE).iter().nth(1).is_some() {
        let crumbs: Vec<_> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
        let joined = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])).expect("each part is a value");
        headers.insert(COOKIE, joined);
    }
}

/// Says who asked, and returns that address. What a client claims of itself is not passed on.
pub(crate) fn say_who_asks(headers: &mut HeaderMap, client: &Client, id: &HeaderValue) -> IpAddr {
    let Client { peer, worker, .. } = client;
    headers.remove(FORWARDED);
    let (address, forwarded_for, scheme, host) = if peer.is_trusted {
        let Asker { address, forwarded_for, scheme, host, .. } =
            peer.asker(&worker.snapshot.trusted_proxies, &claims(headers));
        let text = HeaderValue::from_maybe_shared(Bytes::from(forwarded_for));
        let host = host.and_then(|host| HeaderValue::from_bytes(host).ok());
        (address, text.expect("addresses and commas"), scheme, host)
    } else {
        drop_claims(headers);
        (peer.address, self::address(peer.address), peer.scheme, None)
    };
    if let Some(certificate) = &peer.certificate {
        headers.insert(FORWARDED_CERT, HeaderValue::from_str(certificate).expect("plain text"));
    }
    headers.insert(FORWARDED_FOR, forwarded_for);
    headers.insert(FORWARDED_PROTO, HeaderValue::from_static(scheme.as_str()));
    match host.or_else(|| headers.get(HOST).cloned()) {
        Some(host) => headers.insert(FORWARDED_HOST, host),
        None => headers.remove(FORWARDED_HOST),
    };
    headers.insert(REQUEST_ID, id.clone());
    address
}

/// The address that asks.
pub(crate) fn who_asks(headers: &HeaderMap, client: &Client) -> IpAddr {
    let Client { peer, worker, .. } = client;
    if !peer.is_trusted {
        return peer.address;
    }
    peer.asker(&worker.snapshot.trusted_proxies, &claims(headers)).address
}

/// Whether the client came by TLS, to us or to a proxy that is believed.
pub(crate) fn is_https(headers: &HeaderMap, client: &Client) -> bool {
    let Client { peer, worker, .. } = client;
    let scheme = if peer.is_trusted {
        peer.asker(&worker.snapshot.trusted_proxies, &claims(headers)).scheme
    } else {
        peer.scheme
    };
    scheme == Scheme::Https
}

fn claims(headers: &HeaderMap) -> Claims<'_> {
    let all = |name| headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
    Claims { forwarded_for: all(FORWARDED_FOR), proto: all(FORWARDED_PROTO), host: all(FORWARDED_HOST) }
}

fn drop_claims(headers: &mut HeaderMap) {
    while let Some(claim) = headers.keys().find(|name| is_claim(name.as_str().as_bytes())).cloned() {
        headers.remove(claim);
    }
}

/// What names one request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RequestId {
    bytes: [u8; REQUEST_ID_MAX],
    len: usize,
}

impl RequestId {
    /// The client's own where it is short and plain, else a new one.
    pub(crate) fn new(given: Option<&[u8]>, random: u64) -> Self {
        let is_plain =
            |id: &&[u8]| (1..=REQUEST_ID_MAX).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic);
        given.filter(is_plain).map_or_else(|| Self::fresh(random), Self::of)
    }

    /// A new one.
    pub(crate) fn fresh(random: u64) -> Self {
        let mut digits = [0; 16];
        for (byte, pair) in random.to_be_bytes().into_iter().zip(digits.chunks_exact_mut(2)) {
            pair[0] = b"0123456789abcdef"[usize::from(byte >> 4)];
            pair[1] = b"0123456789abcdef"[usize::from(byte & 15)];
        }
        Self::of(&digits)
    }

    fn of(id: &[u8]) -> Self {
        let mut bytes = [0; REQUEST_ID_MAX];
        bytes[..id.len()].copy_from_slice(id);
        Self { bytes, len: id.len() }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    pub(crate) fn value(&self) -> HeaderValue {
        HeaderValue::from_bytes(self.as_bytes()).expect("plain text")
    }
}

fn address(client: IpAddr) -> HeaderValue {
    text(39, |out| write!(out, "{}", client.to_canonical()))
}

fn text(len_max: usize, write: impl FnOnce(&mut BytesMut) -> std::fmt::Result) -> HeaderValue {
    let mut out = BytesMut::with_capacity(len_max);
    write(&mut out).expect("a buffer takes all text");
    HeaderValue::from_maybe_shared(out.freeze()).expect("digits, letters, dots and colons")
}
