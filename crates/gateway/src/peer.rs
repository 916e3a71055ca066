//! Who is at the other end of a connection, and who asks through it, in the words that a service is told.

use std::net::IpAddr;

use bytes::{BufMut, BytesMut};
use floodway_policy::trust::{Origin, TrustedProxies};
use http::uri::Authority;

/// Whoever is at the other end of a connection.
#[derive(Debug)]
pub(crate) struct Peer {
    /// Its address; behind a proxy that passes bytes on, the one that the proxy told.
    pub(crate) address: IpAddr,
    /// What it says of others is believed.
    pub(crate) is_trusted: bool,
    /// How it is spoken to.
    pub(crate) scheme: Scheme,
    /// Its certificate, as a service is told of it. Where there is none, a trusted proxy may tell of one.
    pub(crate) certificate: Option<Box<str>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    Http,
    Https,
}

/// What a request says of whom it comes from. It counts where a trusted proxy says it.
#[derive(Debug, Default)]
pub(crate) struct Claims<'a> {
    /// The values of `X-Forwarded-For`, in their order.
    pub(crate) forwarded_for: Vec<&'a [u8]>,
    /// The values of `X-Forwarded-Proto`.
    pub(crate) proto: Vec<&'a [u8]>,
    /// The values of `X-Forwarded-Host`.
    pub(crate) host: Vec<&'a [u8]>,
}

/// Who asks, as far as it can be believed.
#[derive(Debug)]
pub(crate) struct Asker<'a> {
    /// The address that limits and balancing go by.
    pub(crate) address: IpAddr,
    pub(crate) forwarded_for: Vec<u8>,
    pub(crate) scheme: Scheme,
    /// The host that was asked for, where a proxy told another one than the request does.
    pub(crate) host: Option<&'a [u8]>,
    certificate: Option<&'a str>,
}

// === impl Scheme ===

impl Scheme {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    fn parse(text: &[u8]) -> Option<Self> {
        [Self::Http, Self::Https]
            .into_iter()
            .find(|scheme| text.eq_ignore_ascii_case(scheme.as_str().as_bytes()))
    }
}

// === impl Peer ===

impl Peer {
    /// Who asks in a request of this peer, which is trusted.
    pub(crate) fn asker<'a>(&'a self, trusted: &TrustedProxies, claims: &Claims<'a>) -> Asker<'a> {
        let members =
            || claims.forwarded_for.iter().rev().flat_map(|value| value.rsplit(|byte| *byte == b','));
        let Origin { client, known } = trusted.origin(self.address, members());
        let mut known: Vec<&[u8]> = members().take(known).map(<[u8]>::trim_ascii).collect();
        known.reverse();
        let own = self.address.to_canonical().to_string();
        known.push(own.as_bytes());
        Asker {
            address: client,
            forwarded_for: known.join(&b", "[..]),
            scheme: only(&claims.proto).and_then(Scheme::parse).unwrap_or(self.scheme),
            certificate: self.certificate.as_deref(),
            host: only(&claims.host).filter(|host| Authority::try_from(*host).is_ok()),
        }
    }

    /// The headers of HTTP/1.1 that tell who asks where that is the peer itself.
    pub(crate) fn introduction(&self) -> Box<[u8]> {
        let mut out = BytesMut::new();
        let own = self.address.to_canonical().to_string();
        introduce(&mut out, own.as_bytes(), self.scheme, self.certificate.as_deref());
        out[..].into()
    }
}

// === impl Asker ===

impl Asker<'_> {
    /// The same as [`Peer::introduction`].
    pub(crate) fn introduce(&self, out: &mut BytesMut) {
        introduce(out, &self.forwarded_for, self.scheme, self.certificate);
    }
}

fn introduce(out: &mut BytesMut, forwarded_for: &[u8], scheme: Scheme, certificate: Option<&str>) {
    out.put_slice(b"x-forwarded-for: ");
    out.put_slice(forwarded_for);
    out.put_slice(b"\r\nx-forwarded-proto: ");
    out.put_slice(scheme.as_str().as_bytes());
    if let Some(certificate) = certificate {
        out.put_slice(b"\r\nx-forwarded-client-cert: ");
        out.put_slice(certificate.as_bytes());
    }
    out.put_slice(b"\r\n");
}

/// What is said once; what is said twice may be two opinions.
fn only<'a>(values: &[&'a [u8]]) -> Option<&'a [u8]> {
    match values {
        [only] => Some(only),
        _ => None,
    }
}

/// Whether a header, given in lower case or not, is the one that tells of a client's certificate.
pub(crate) fn is_certificate(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"x-forwarded-client-cert")
}

/// Whether a header, given in lower case or not, tells of whom a request comes from. A service that finds
/// one believes it, so none passes that comes from the client.
pub(crate) fn is_claim(name: &[u8]) -> bool {
    const PREFIX: &[u8] = b"x-forwarded-";
    let has_prefix = name.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX));
    has_prefix || name.eq_ignore_ascii_case(b"x-real-ip")
}
