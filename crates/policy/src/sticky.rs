//! Sticky sessions: the requests of a client go to one endpoint, which a cookie names.
//!
//! The value of the cookie is the HMAC-SHA256 (RFC 2104) of the service and the endpoint's lasting name under a
//! secret, cut to 128 bits: half of it, which RFC 2104 §5 gives as the least. So it tells nothing, nobody makes one
//! for an endpoint of their choice, and whoever has the secret makes the same one: the next process, another node.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;
use core::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use crate::membership::Member;

/// How the sessions of a service's clients are kept together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StickyPolicy {
    /// The name of the cookie, a token (RFC 6265 §4.1.1).
    pub cookie: String,
    /// How long a client keeps the cookie; without it, until it ends its own session.
    pub ttl: Option<Duration>,
    /// What its value is made by; without one, what [`Cluster::sealed_by`](crate::Cluster::sealed_by) is given.
    pub secret: Option<Secret>,
    /// What stays the same of an endpoint.
    pub names: Names,
}

/// What names an endpoint over restarts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// Its number in the service: its port differs from start to start.
    Number,
    /// Its address: its place in a list may change.
    Address,
}

/// Bytes that `Debug` does not show.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

/// Names an endpoint of a service to who has the secret. Tokens are compared in a time that does not tell how
/// much of a wrong one is right, but for the place: it says nothing of the seal.
#[derive(Debug, Clone, Copy)]
pub struct Token {
    /// Finds the only seal that it can be.
    place: u32,
    seal: [u8; SEAL_LEN],
}

/// What a request says of its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Session {
    /// There are none: any endpoint will do, and nobody is told.
    #[default]
    None,
    /// It begins here.
    New,
    /// It goes on at this endpoint, if that is one.
    At(Token),
}

/// A `Set-Cookie` header's value, as text.
#[derive(Debug, Clone, Copy)]
pub struct SetCookie<'a> {
    /// Whose.
    pub policy: &'a StickyPolicy,
    /// The endpoint to come back to.
    pub token: Token,
    /// The client came by TLS, and is to show the cookie by nothing else.
    pub is_secure: bool,
}

/// Makes the tokens of one service.
#[derive(Clone)]
pub(crate) struct Sealer {
    keyed: Hmac<Sha256>,
    names: Names,
}

const PLACE_LEN: usize = 4;
const SEAL_LEN: usize = 12;
const TOKEN_LEN: usize = PLACE_LEN + SEAL_LEN;
/// Tells these seals from all others that the same secret may be used for, and this form of them from later ones.
const CONTEXT: &[u8] = b"floodway sticky 1";

// === impl StickyPolicy ===

impl StickyPolicy {
    /// What the `Cookie` headers of a request say: the first that can be a token counts. Whether it is one turns out
    /// where it is looked for; until then it is as good as none.
    pub fn session<'a>(&self, cookies: impl IntoIterator<Item = &'a [u8]>) -> Session {
        let pairs = cookies.into_iter().flat_map(pairs);
        let mut tokens = pairs.filter(|pair| self.is_own(pair)).filter_map(|pair| Token::parse(value(pair)));
        tokens.next().map_or(Session::New, Session::At)
    }

    /// Whether a `Cookie` header has this cookie, with whatever value.
    pub fn is_in(&self, cookies: &[u8]) -> bool {
        pairs(cookies).any(|pair| self.is_own(pair))
    }

    /// What else a `Cookie` header has, to be joined by `; `.
    pub fn others<'a>(&'a self, cookies: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        pairs(cookies).filter(|pair| !self.is_own(pair))
    }

    /// As some servers do, white space around a name is overlooked: who does not would find the cookie.
    fn is_own(&self, pair: &[u8]) -> bool {
        let name = pair.split(|byte| *byte == b'=').next().unwrap_or_default();
        name.trim_ascii() == self.cookie.as_bytes()
    }
}

/// RFC 6265 §4.2.1, with more or less white space.
fn pairs(cookies: &[u8]) -> impl Iterator<Item = &[u8]> {
    cookies.split(|byte| *byte == b';').map(<[u8]>::trim_ascii).filter(|pair| !pair.is_empty())
}

fn value(pair: &[u8]) -> &[u8] {
    let name_len = pair.iter().position(|byte| *byte == b'=').map_or(pair.len(), |at| at + 1);
    pair[name_len..].trim_ascii()
}

// === impl Secret ===

impl Secret {
    /// Fewer bytes could be guessed.
    pub const LEN_MIN: usize = 16;

    /// Any bytes will do; at least [`Secret::LEN_MIN`] that nobody guesses should be given.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

// === impl Token ===

impl Token {
    /// Reads what [`SetCookie`] writes; nothing else.
    fn parse(text: &[u8]) -> Option<Self> {
        let mut bytes = [0; TOKEN_LEN];
        if text.len() != 2 * TOKEN_LEN {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Some(Self::of(bytes))
    }

    fn of(bytes: [u8; TOKEN_LEN]) -> Self {
        let (mut place, mut seal) = ([0; PLACE_LEN], [0; SEAL_LEN]);
        place.copy_from_slice(&bytes[..PLACE_LEN]);
        seal.copy_from_slice(&bytes[PLACE_LEN..]);
        Self { place: u32::from_be_bytes(place), seal }
    }

    pub(crate) const fn place(self) -> u32 {
        self.place
    }
}

impl PartialEq for Token {
    fn eq(&self, other: &Self) -> bool {
        self.place == other.place && bool::from(self.seal.ct_eq(&other.seal))
    }
}

impl Eq for Token {}

const fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

// === impl SetCookie ===

impl fmt::Display for SetCookie<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { policy, token, is_secure } = self;
        write!(f, "{}={:08x}", policy.cookie, token.place)?;
        token.seal.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str("; Path=/; HttpOnly; SameSite=Lax")?;
        if let Some(ttl) = policy.ttl {
            // Of less than a second nothing would be left, and `Max-Age=0` removes a cookie.
            write!(f, "; Max-Age={}", ttl.as_secs().max(1))?;
        }
        if *is_secure { f.write_str("; Secure") } else { Ok(()) }
    }
}

// === impl Sealer ===

impl Sealer {
    pub(crate) fn new(service: &str, secret: &Secret, names: Names) -> Self {
        let Secret(secret) = secret;
        let mut keyed = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes keys of any length");
        keyed.update(CONTEXT);
        // With its length before it, no name runs into what follows.
        keyed.update(&(service.len() as u64).to_be_bytes());
        keyed.update(service.as_bytes());
        Self { keyed, names }
    }

    pub(crate) fn token(&self, member: &Member) -> Token {
        let mut keyed = self.keyed.clone();
        match self.names {
            Names::Number => {
                keyed.update(b"number");
                keyed.update(&member.id.slot.to_be_bytes());
            }
            Names::Address => {
                let ip = match member.address.ip() {
                    IpAddr::V4(ip) => ip.to_ipv6_mapped(),
                    IpAddr::V6(ip) => ip,
                };
                keyed.update(b"address");
                keyed.update(&ip.octets());
                keyed.update(&member.address.port().to_be_bytes());
            }
        }
        let mut bytes = [0; TOKEN_LEN];
        bytes.copy_from_slice(&keyed.finalize().into_bytes()[..TOKEN_LEN]);
        Token::of(bytes)
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer").field("names", &self.names).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
