//! Headers on their way through: what belongs to one connection stays on it, and the service learns who
//! asked (RFC 9110 §7.6.1).

use std::fmt::Write as _;
use std::net::IpAddr;

use bytes::BytesMut;
use http::header::{
    CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE,
    TRANSFER_ENCODING, UPGRADE,
};

/// Names a request in logs and error answers.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

const HTTP: HeaderValue = HeaderValue::from_static("http");
const TRAILERS: HeaderValue = HeaderValue::from_static("trailers");

/// The longest request id taken over from a client; a longer one is replaced.
const REQUEST_ID_MAX: usize = 128;

/// Takes out what is meant for the next hop only. Returns the protocol that an upgrade asks for.
pub(crate) fn strip_hop_by_hop(headers: &mut HeaderMap) -> Option<HeaderValue> {
    let mut upgrade = None;
    if let Some(connection) = headers.remove(CONNECTION) {
        let named = connection.to_str().unwrap_or_default().split(',').map(str::trim);
        for name in named.filter(|name| !name.is_empty()) {
            if name.eq_ignore_ascii_case("upgrade") {
                upgrade = headers.remove(UPGRADE);
            } else if !name.eq_ignore_ascii_case("close") && !name.eq_ignore_ascii_case("keep-alive") {
                headers.remove(name);
            }
        }
    }
    let wants_trailers = headers.remove(TE).is_some_and(|te| te == TRAILERS);
    if wants_trailers {
        headers.insert(TE, TRAILERS);
    }
    for name in
        [KEEP_ALIVE, PROXY_CONNECTION, TRANSFER_ENCODING, UPGRADE, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION]
    {
        headers.remove(name);
    }
    upgrade
}

/// Says who asked. What a client claims of itself is not passed on.
pub(crate) fn say_who_asks(headers: &mut HeaderMap, client: IpAddr, id: &HeaderValue) {
    headers.insert(FORWARDED_FOR, address(client));
    headers.insert(FORWARDED_PROTO, HTTP);
    match headers.get(HOST).cloned() {
        Some(host) => headers.insert(FORWARDED_HOST, host),
        None => headers.remove(FORWARDED_HOST),
    };
    headers.insert(REQUEST_ID, id.clone());
}

/// The client's own id where it is short and plain, else a new one.
pub(crate) fn request_id(headers: &HeaderMap, fresh: u64) -> HeaderValue {
    let given = headers.get(REQUEST_ID).filter(|id| {
        let bytes = id.as_bytes();
        (1..=REQUEST_ID_MAX).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic)
    });
    given.cloned().unwrap_or_else(|| text(16, |out| write!(out, "{fresh:016x}")))
}

fn address(client: IpAddr) -> HeaderValue {
    text(39, |out| write!(out, "{}", client.to_canonical()))
}

fn text(len_max: usize, write: impl FnOnce(&mut BytesMut) -> std::fmt::Result) -> HeaderValue {
    let mut out = BytesMut::with_capacity(len_max);
    write(&mut out).expect("a buffer takes all text");
    HeaderValue::from_maybe_shared(out.freeze()).expect("digits, letters, dots and colons")
}
