//! The PROXY protocol, versions 1 and 2: what a proxy that passes bytes on says of the connection that it
//! took, before the first byte of the client (<https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt>).
//!
//! [`parse`] is pure and strict: what is not exactly a header is refused, as the specification asks, and
//! whatever follows the header is left alone. Public, so that it can be fuzzed.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// The longest header that is taken, in bytes. Addresses need 232 at most; the rest is room for fields that
/// are skipped. Version 2 could say 64 KiB, which nobody has use for.
pub const HEADER_MAX: usize = 4096;

/// Bytes of the longest header of version 1, with its line end (§2.1).
const LINE_MAX: usize = 107;
const LINE_START: &[u8] = b"PROXY ";
/// How a header of version 2 begins (§2.2).
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family and transport, length.
const FIXED: usize = 16;
/// Type and length of a field after the addresses.
const FIELD_HEAD: usize = 3;

/// What the bytes so far are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parsed {
    /// The beginning of a header, all of it; more must come.
    Part,
    /// A header of `len` bytes.
    Whole {
        /// What it says.
        source: Source,
        /// Its length; what follows is the client's.
        len: usize,
    },
}

/// Whose connection it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The proxy's own, as for a health check, or one of which it cannot say more: what the socket knows
    /// holds.
    Proxy,
    /// A client's, with its address and the one that it connected to.
    Client {
        /// The client's address.
        from: SocketAddr,
        /// Where the client connected to.
        to: SocketAddr,
    },
}

/// Why bytes are no header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// They begin like neither version.
    #[error("there is no PROXY header")]
    NoHeader,
    /// It is longer than [`HEADER_MAX`], or than its version allows.
    #[error("the PROXY header is too long")]
    TooLong,
    /// A line of version 1 that does not have its form.
    #[error("the line of the PROXY header is malformed")]
    Line,
    /// A version, command, family or transport that does not exist or is none of a TCP connection.
    #[error("the PROXY header is of a kind that does not exist here")]
    Kind,
    /// Version 2: its length does not fit what it must hold.
    #[error("the length of the PROXY header does not fit what is in it")]
    Length,
}

/// Reads a header at the beginning of `bytes`.
pub fn parse(bytes: &[u8]) -> Result<Parsed, Malformed> {
    if has_common_start(bytes, SIGNATURE) {
        parse_binary(bytes)
    } else if has_common_start(bytes, LINE_START) {
        parse_line(bytes)
    } else {
        Err(Malformed::NoHeader)
    }
}

/// Takes the header off a connection, and nothing of what follows it. Not cancel safe: what was read of the
/// header is lost.
pub(crate) async fn take(stream: &mut TcpStream) -> io::Result<Source> {
    let mut bytes = [0; HEADER_MAX];
    let mut len = 0;
    loop {
        let seen = len + stream.peek(&mut bytes[len..]).await?;
        if seen == len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let parsed = parse(&bytes[..seen])
            .map_err(|malformed| io::Error::new(io::ErrorKind::InvalidData, malformed))?;
        let header_len = match parsed {
            Parsed::Part => seen,
            Parsed::Whole { len, .. } => len,
        };
        stream.read_exact(&mut bytes[len..header_len]).await?;
        len = header_len;
        if let Parsed::Whole { source, .. } = parsed {
            return Ok(source);
        }
    }
}

/// Whether one is the beginning of the other.
fn has_common_start(bytes: &[u8], start: &[u8]) -> bool {
    let len = bytes.len().min(start.len());
    bytes[..len] == start[..len]
}

// === version 1 ===

fn parse_line(bytes: &[u8]) -> Result<Parsed, Malformed> {
    let within = &bytes[..bytes.len().min(LINE_MAX)];
    let Some(end) = within.windows(2).position(|pair| pair == b"\r\n") else {
        // A line ends in both; one of them alone is no end, and belongs nowhere else.
        let is_part = !within.contains(&b'\n') && !within[..within.len().saturating_sub(1)].contains(&b'\r');
        return match (within.len() == LINE_MAX, is_part) {
            (false, true) => Ok(Parsed::Part),
            (true, true) => Err(Malformed::TooLong),
            (_, false) => Err(Malformed::Line),
        };
    };
    // Neither may be in a line of an unknown kind either: in pieces it would be refused.
    let line =
        within.get(LINE_START.len()..end).filter(|line| !line.iter().any(|b| matches!(b, b'\r' | b'\n')));
    let source = line.and_then(line_source).ok_or(Malformed::Line)?;
    Ok(Parsed::Whole { source, len: end + 2 })
}

/// What stands between `PROXY ` and the line end.
fn line_source(line: &[u8]) -> Option<Source> {
    let line = std::str::from_utf8(line).ok()?;
    if line == "UNKNOWN" || line.starts_with("UNKNOWN ") {
        return Some(Source::Proxy);
    }
    let mut words = line.split(' ');
    let mut next = || words.next();
    let read: fn(&str) -> Option<IpAddr> = match next()? {
        "TCP4" => |word| Ipv4Addr::from_str(word).ok().map(IpAddr::V4),
        "TCP6" => |word| Ipv6Addr::from_str(word).ok().map(IpAddr::V6),
        _ => return None,
    };
    let (from, to) = (read(next()?)?, read(next()?)?);
    let (from_port, to_port) = (port(next()?)?, port(next()?)?);
    let source = Source::Client { from: SocketAddr::new(from, from_port), to: SocketAddr::new(to, to_port) };
    next().is_none().then_some(source)
}

/// Digits only, and no zero before others.
fn port(word: &str) -> Option<u16> {
    let is_plain =
        word.bytes().all(|byte| byte.is_ascii_digit()) && (word.len() == 1 || !word.starts_with('0'));
    word.parse().ok().filter(|_| is_plain)
}

// === version 2 ===

fn parse_binary(bytes: &[u8]) -> Result<Parsed, Malformed> {
    let Some(fixed) = bytes.first_chunk::<FIXED>() else { return Ok(Parsed::Part) };
    let rest_len = usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    let len = FIXED + rest_len;
    let is_local = match fixed[12] {
        0x20 => true,
        0x21 => false,
        _ => return Err(Malformed::Kind),
    };
    // TCP over IPv4, TCP over IPv6, a Unix stream; datagrams are no connections.
    let addresses_len = match fixed[13] {
        0x00 => None,
        0x11 => Some(12),
        0x21 => Some(36),
        0x31 => Some(216),
        // A proxy that speaks of itself may fill in anything that exists (§2.2).
        0x12 | 0x22 | 0x32 if is_local => None,
        _ => return Err(Malformed::Kind),
    };
    if len > HEADER_MAX {
        return Err(Malformed::TooLong);
    }
    let addresses_len = addresses_len.filter(|_| !is_local);
    if addresses_len.is_some_and(|needed| rest_len < needed) {
        return Err(Malformed::Length);
    }
    let Some(rest) = bytes.get(FIXED..len) else { return Ok(Parsed::Part) };
    let Some(addresses_len) = addresses_len else { return Ok(Parsed::Whole { source: Source::Proxy, len }) };
    let (addresses, fields) = rest.split_at(addresses_len);
    check_fields(fields)?;
    Ok(Parsed::Whole { source: binary_source(addresses), len })
}

/// From here the lengths are known to be right.
fn binary_source(addresses: &[u8]) -> Source {
    let (from, to): (IpAddr, IpAddr) = match addresses.len() {
        12 => (octets::<4>(addresses, 0).into(), octets::<4>(addresses, 4).into()),
        36 => (octets::<16>(addresses, 0).into(), octets::<16>(addresses, 16).into()),
        _ => return Source::Proxy,
    };
    let ports = addresses.len() - 4;
    let port = |place| u16::from_be_bytes(octets::<2>(addresses, place));
    Source::Client { from: SocketAddr::new(from, port(ports)), to: SocketAddr::new(to, port(ports + 2)) }
}

fn octets<const N: usize>(bytes: &[u8], place: usize) -> [u8; N] {
    let found = bytes.get(place..).and_then(<[u8]>::first_chunk);
    *found.expect("the length was compared with the family's")
}

/// None of the fields is used, but each must end where the next begins, the last with the header.
fn check_fields(mut fields: &[u8]) -> Result<(), Malformed> {
    while !fields.is_empty() {
        let head = fields.first_chunk::<FIELD_HEAD>().ok_or(Malformed::Length)?;
        let len = FIELD_HEAD + usize::from(u16::from_be_bytes([head[1], head[2]]));
        fields = fields.get(len..).ok_or(Malformed::Length)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
