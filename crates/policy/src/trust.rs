//! Whom to believe: who the client is when a request came through proxies.
//!
//! A header that says who asked is worth what the one who wrote it is worth. So nothing is believed but
//! what a listed proxy says, and of that only its own word: the address that it saw. What stands left of
//! the first address that is no listed proxy was said by the client itself, and counts for nothing.

use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// An IP network, as in `10.0.0.0/8`. IPv4 addresses mapped into IPv6 are IPv4 addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix_len: u8,
}

/// Why a text is no network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkError {
    /// It is no address, or address and length.
    Malformed,
    /// The address has bits beyond the length; this is the network that it lies in.
    HostBits(Network),
}

/// The proxies whose word is taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<Network>);

/// Who asked, as far as it can be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// The address that limits, balancing and logs go by.
    pub client: IpAddr,
    /// How many members at the end of the list that came are known to be true: the client's address and
    /// the proxies after it. None where the client itself is at the other end.
    pub known: usize,
}

// === impl Network ===

impl Network {
    /// Reads `ADDRESS` or `ADDRESS/BITS`; no bit of the address may lie beyond the length.
    pub fn parse(text: &str) -> Result<Self, NetworkError> {
        let (address, len) = match text.split_once('/') {
            Some((address, len)) => (address, Some(len)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_no_address| NetworkError::Malformed)?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix_len = len.map_or(Some(bits), prefix_len).filter(|len| *len <= bits);
        let prefix_len = prefix_len.ok_or(NetworkError::Malformed)?;
        let network = Self { address: masked(address, prefix_len), prefix_len };
        if network.address == address { Ok(network) } else { Err(NetworkError::HostBits(network)) }
    }

    /// Whether an address lies in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = if self.address.is_ipv4() { address.to_canonical() } else { mapped(address, self) };
        address.is_ipv4() == self.address.is_ipv4() && masked(address, self.prefix_len) == self.address
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_len)
    }
}

fn prefix_len(text: &str) -> Option<u8> {
    let is_plain =
        text.bytes().all(|byte| byte.is_ascii_digit()) && (text.len() == 1 || !text.starts_with('0'));
    text.parse().ok().filter(|_| is_plain)
}

/// A network that lies among the mapped addresses means those; any other holds only true IPv6.
fn mapped(address: IpAddr, network: &Network) -> IpAddr {
    match (network.address, address.to_canonical()) {
        (IpAddr::V6(net), IpAddr::V4(v4)) if net.to_ipv4_mapped().is_some() => v4.to_ipv6_mapped().into(),
        (_, address) => address,
    }
}

/// The address with all bits beyond the length cleared.
fn masked(address: IpAddr, len: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(len)).unwrap_or(0);
            Ipv4Addr::from_bits(v4.to_bits() & mask).into()
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(len)).unwrap_or(0);
            Ipv6Addr::from_bits(v6.to_bits() & mask).into()
        }
    }
}

// === impl TrustedProxies ===

impl TrustedProxies {
    /// These networks and no others.
    pub const fn new(networks: Vec<Network>) -> Self {
        Self(networks)
    }

    /// Whether nobody is trusted.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the word of this address is taken. O(networks).
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }

    /// Finds the client behind `peer`, who is at the other end of the connection. `forwarded` are the
    /// members of `X-Forwarded-For` from last to first: each was written by the one after it, the last by
    /// `peer`. O(members until the client).
    pub fn origin<'a>(&self, peer: IpAddr, forwarded: impl IntoIterator<Item = &'a [u8]>) -> Origin {
        let mut origin = Origin { client: peer.to_canonical(), known: 0 };
        for member in forwarded {
            if !self.contains(origin.client) {
                break;
            }
            // A proxy that says what is no address has said nothing: it is as far as we can see.
            let Some(address) = member_address(member) else { break };
            origin = Origin { client: address, known: origin.known + 1 };
        }
        origin
    }
}

/// An address with or without a port, as proxies write it: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`,
/// `[2001:db8::1]`, `[2001:db8::1]:80`.
fn member_address(member: &[u8]) -> Option<IpAddr> {
    let text = core::str::from_utf8(member.trim_ascii()).ok()?;
    let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let address = match inner {
        Some(inner) => inner.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => text.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip())),
    };
    address.map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests;
