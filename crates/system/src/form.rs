//! The forms of single values: how each is written, read, described and given to a schema.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::time::Duration;

use floodway_policy::routing::PathPattern;
use floodway_policy::schedule::Schedule;
use floodway_policy::trust::{Network, NetworkError};
use floodway_workload::Rate;

use crate::code::Code;
use crate::tree::{Scalar, Style};
use crate::value::Kind;
use crate::words;

/// How a single value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Any text but none.
    Text,
    /// Text, a number or a flag, taken as it is written.
    Literal,
    /// Names a thing of the system.
    Name,
    /// A whole number within bounds.
    Integer { min: i64, max: i64 },
    /// `true` or `false`.
    Flag,
    /// A length of time; only where `zero` may it be none.
    Duration { zero: bool },
    /// A number of bytes within bounds.
    Size { min: u64, max: u64 },
    /// So many in so much time.
    Rate,
    /// A length of time, or `p95`: what 95 of a hundred take.
    Late,
    /// So many of a hundred; taken as so many of a million.
    Share,
    /// An IP address with port.
    Address,
    /// An IP address.
    Ip,
    /// An IP network.
    Network,
    /// A file or folder, relative to the system file.
    File,
    /// A program and its arguments, split as a shell would.
    Command,
    /// A path, or the beginning of one and `*`.
    PathPattern,
    /// A path with a query or without.
    RequestPath,
    /// A host name without port.
    Host,
    /// The name of a header.
    Header,
    /// A status of HTTP.
    Status,
    /// When something is due; the field of seconds may be missing.
    Schedule,
}

/// Why a text does not have a form.
#[derive(Debug)]
pub(crate) struct Misfit {
    pub(crate) code: Code,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

/// So many of a million, from a percentage with at most four places.
fn share(text: &str) -> Option<i64> {
    let (whole, part) =
        text.strip_suffix('%').map(|number| number.split_once('.').unwrap_or((number, "0")))?;
    let is_digits = |digits: &str, max| {
        (1..=max).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit())
    };
    if !is_digits(whole, 3) || !is_digits(part, 4) {
        return None;
    }
    let parts: i64 = format!("{part:0<4}").parse().ok()?;
    let share = whole.parse::<i64>().ok()? * 10_000 + parts;
    (share <= 1_000_000).then_some(share)
}

const DURATIONS: [(&str, Duration); 6] = [
    ("us", Duration::from_micros(1)),
    ("ms", Duration::from_millis(1)),
    ("s", Duration::from_secs(1)),
    ("m", Duration::from_mins(1)),
    ("h", Duration::from_hours(1)),
    ("d", Duration::from_hours(24)),
];
/// Longer is a slip, and would not fit everywhere.
const DURATION_MAX: Duration = Duration::from_hours(24 * 366);
const SIZES: [(&str, u64); 9] = [
    ("B", 1),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];
const NAME_BYTES_MAX: usize = 63;

// === impl Form ===

impl Form {
    /// What it is called, with its article.
    pub(crate) fn title(self) -> String {
        match self {
            Self::Text => "a text".into(),
            Self::Literal => "a text, number or flag".into(),
            Self::Name => "a name such as `order-api`".into(),
            Self::Integer { min: i64::MIN, max: i64::MAX } => "a whole number".into(),
            Self::Integer { min, max } => format!("a whole number from {min} to {max}"),
            Self::Flag => "`true` or `false`".into(),
            Self::Duration { .. } => "a duration such as `250ms`, `2s`, `5m` or `24h`".into(),
            Self::Size { .. } => "a size such as `64KiB` or `10MiB`".into(),
            Self::Rate => "a rate such as `2000/s` or `100/m`".into(),
            Self::Late => "a duration such as `50ms`, or `p95`".into(),
            Self::Share => "a share such as `1%` or `0.01%`, at most `100%`".into(),
            Self::Address => "an address such as `127.0.0.1:8080`".into(),
            Self::Ip => "an IP address such as `127.0.0.1`".into(),
            Self::Network => "a network such as `10.0.0.0/8`".into(),
            Self::File => "a path of a file or folder".into(),
            Self::Command => "a command such as `target/release/shop order`".into(),
            Self::PathPattern => "a path such as `/orders`, or `/orders/*` for all below it".into(),
            Self::RequestPath => "a path such as `/orders?page=1`".into(),
            Self::Host => "a host name such as `shop.example`".into(),
            Self::Header => "a header name such as `Content-Type`".into(),
            Self::Status => "a status from 300 to 599".into(),
            Self::Schedule => "a schedule such as `0 */10 * * * *` or `@every 90s`".into(),
        }
    }

    /// Its short name in the reference.
    pub(crate) fn short(self) -> String {
        match self {
            Self::Text => "text".into(),
            Self::Literal => "text, number or flag".into(),
            Self::Name => "name".into(),
            Self::Integer { min: i64::MIN, max: i64::MAX } => "integer".into(),
            Self::Integer { min, max } => format!("integer, {min} to {max}"),
            Self::Flag => "flag".into(),
            Self::Duration { .. } => "duration".into(),
            Self::Size { .. } => "size".into(),
            Self::Rate => "rate".into(),
            Self::Late => "duration, or `p95`".into(),
            Self::Share => "share".into(),
            Self::Address => "address".into(),
            Self::Ip => "IP address".into(),
            Self::Network => "network".into(),
            Self::File => "file path".into(),
            Self::Command => "command".into(),
            Self::PathPattern => "path pattern".into(),
            Self::RequestPath => "request path".into(),
            Self::Host => "host".into(),
            Self::Header => "header name".into(),
            Self::Status => "status".into(),
            Self::Schedule => "schedule".into(),
        }
    }

    /// A pattern that the text has, for an editor; `None` where any text may do.
    pub(crate) const fn pattern(self) -> Option<&'static str> {
        match self {
            Self::Name => Some("^[a-z][a-z0-9-]{0,62}$"),
            Self::Duration { .. } => Some("^[0-9]+(us|ms|s|m|h|d)$"),
            Self::Size { .. } => Some("^[0-9]+([kMGT]?B|[KMGT]iB)$"),
            Self::Rate => Some("^[0-9]+/(ms|s|m|h|d)$"),
            Self::Late => Some("^([0-9]+(us|ms|s|m|h|d)|p95)$"),
            Self::Share => Some(r"^[0-9]{1,3}(\.[0-9]{1,4})?%$"),
            Self::Address => Some("^.+:[0-9]{1,5}$"),
            Self::PathPattern => Some(r"^/[^*?#]*(/\*)?$|^/\*$"),
            Self::RequestPath => Some(r"^/([^ #$]|\$\{[^}]*\}|\$)*$"),
            Self::Header => Some("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"),
            Self::Status => Some("^[345][0-9][0-9]$"),
            Self::Text | Self::File | Self::Command | Self::Host | Self::Schedule => Some("^(.|\n)+$"),
            Self::Literal | Self::Integer { .. } | Self::Flag | Self::Ip | Self::Network => None,
        }
    }

    /// Whether YAML must read the value as text. The others say themselves what they take.
    const fn wants_text(self) -> bool {
        match self {
            Self::Text
            | Self::Name
            | Self::File
            | Self::Command
            | Self::PathPattern
            | Self::RequestPath
            | Self::Host
            | Self::Schedule
            | Self::Header => true,
            Self::Literal
            | Self::Integer { .. }
            | Self::Flag
            | Self::Duration { .. }
            | Self::Size { .. }
            | Self::Rate
            | Self::Late
            | Self::Share
            | Self::Address
            | Self::Ip
            | Self::Network
            | Self::Status => false,
        }
    }

    /// Reads a value of the file.
    pub(crate) fn read(self, scalar: &Scalar) -> Result<Kind, Misfit> {
        let is_number_or_flag = matches!(self, Self::Integer { .. } | Self::Flag);
        if scalar.is_null() || (self.wants_text() && !scalar.is_text()) {
            return Err(self.misfit(Code::WrongType, None));
        }
        if is_number_or_flag && scalar.style == Style::Quoted {
            let help = self.parse(&scalar.text).is_ok().then(|| "remove the quotes".into());
            return Err(self.misfit(Code::WrongType, help));
        }
        self.parse(&scalar.text)
    }

    /// Reads a text whatever its style, as a default or a key is given.
    pub(crate) fn parse(self, text: &str) -> Result<Kind, Misfit> {
        let found = |kind: Option<Kind>, code| kind.ok_or_else(|| self.misfit(code, None));
        match self {
            Self::Literal => Ok(Kind::Text(text.into())),
            Self::Text | Self::File => found(non_empty(text), Code::WrongType),
            Self::Name => self.parse_name(text),
            Self::Integer { min, max } => self.parse_integer(text, min, max),
            Self::Flag => found(text.to_lowercase().parse().ok().map(Kind::Flag), Code::WrongType),
            Self::Duration { zero } => self.parse_duration(text, zero),
            Self::Size { min, max } => self.parse_size(text, min, max),
            Self::Rate => found(rate(text).map(Kind::Rate), Code::BadRate),
            Self::Late if text == "p95" => Ok(Kind::Text(text.into())),
            Self::Late => self.parse_duration(text, false),
            Self::Share => found(share(text).map(Kind::Integer), Code::OutOfRange),
            Self::Address => self.parse_address(text),
            Self::Ip => found(text.parse::<IpAddr>().ok().map(Kind::Ip), Code::BadAddress),
            Self::Network => self.parse_network(text),
            Self::Command => self.parse_command(text),
            Self::PathPattern => found(PathPattern::parse(text).map(Kind::Path), Code::BadPath),
            Self::RequestPath => found(is_request_path(text).then(|| Kind::Text(text.into())), Code::BadPath),
            Self::Host => found(host(text).map(Kind::Text), Code::BadHttp),
            Self::Header => found(is_token(text).then(|| Kind::Text(text.into())), Code::BadHttp),
            Self::Status => found(status(text).map(Kind::Integer), Code::BadHttp),
            Self::Schedule => self.parse_schedule(text),
        }
    }

    fn misfit(self, code: Code, help: Option<String>) -> Misfit {
        Misfit { code, message: format!("expected {}", self.title()), help }
    }

    fn parse_name(self, text: &str) -> Result<Kind, Misfit> {
        let is_name = text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && text.len() <= NAME_BYTES_MAX;
        if is_name {
            return Ok(Kind::Text(text.into()));
        }
        let help = format!(
            "lower-case letters, digits and `-`, a letter first, at most {NAME_BYTES_MAX} characters"
        );
        Err(self.misfit(Code::BadName, Some(help)))
    }

    fn parse_integer(self, text: &str, min: i64, max: i64) -> Result<Kind, Misfit> {
        let number: i64 = text.parse().map_err(|_not_whole| self.misfit(Code::WrongType, None))?;
        if (min..=max).contains(&number) {
            return Ok(Kind::Integer(number));
        }
        Err(self.misfit(Code::OutOfRange, None))
    }

    fn parse_duration(self, text: &str, zero: bool) -> Result<Kind, Misfit> {
        let (digits, unit) = split_unit(text);
        let unit = DURATIONS.iter().find(|(name, _)| *name == unit).map(|(_, unit)| *unit);
        let help = match (digits.is_empty(), unit) {
            (false, None) => Some("give a whole number and one unit of us, ms, s, m, h, d".into()),
            _ => None,
        };
        let number: Option<u32> = digits.parse().ok();
        let duration = number.zip(unit).and_then(|(number, unit)| unit.checked_mul(number));
        match duration {
            None => Err(self.misfit(Code::BadDuration, help)),
            Some(Duration::ZERO) if !zero => {
                Err(self.misfit(Code::BadDuration, Some("it must be longer than nothing".into())))
            }
            Some(duration) if duration > DURATION_MAX => {
                Err(self.misfit(Code::BadDuration, Some("at most 366 days".into())))
            }
            Some(duration) => Ok(Kind::Duration(duration)),
        }
    }

    fn parse_size(self, text: &str, min: u64, max: u64) -> Result<Kind, Misfit> {
        let (digits, unit) = split_unit(text);
        let unit = SIZES.iter().find(|(name, _)| *name == unit).map(|(_, unit)| *unit);
        let size = digits.parse::<u64>().ok().zip(unit).and_then(|(number, unit)| number.checked_mul(unit));
        let Some(size) = size else {
            let help = "give a whole number and one unit of B, KiB, MiB, GiB, TiB, kB, MB, GB, TB";
            return Err(self.misfit(Code::BadSize, Some(help.into())));
        };
        if (min..=max).contains(&size) {
            return Ok(Kind::Size(size));
        }
        let message = format!("expected a size from {} to {}", shown_size(min), shown_size(max));
        Err(Misfit { code: Code::OutOfRange, message, help: None })
    }

    fn parse_address(self, text: &str) -> Result<Kind, Misfit> {
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(Kind::Address(address));
        }
        let help = if text.starts_with(':') || text.parse::<u16>().is_ok() {
            let port = text.trim_start_matches(':');
            format!("write `127.0.0.1:{port}` for this machine only, `0.0.0.0:{port}` for all networks")
        } else if text.parse::<IpAddr>().is_ok() {
            "add a port after a `:`".into()
        } else {
            "an IPv4 address, or an IPv6 address in `[]`, then `:` and a port; no host name".into()
        };
        Err(self.misfit(Code::BadAddress, Some(help)))
    }

    fn parse_network(self, text: &str) -> Result<Kind, Misfit> {
        Network::parse(text).map(Kind::Network).map_err(|error| {
            let help = match error {
                NetworkError::Malformed => {
                    "an address, or an address, `/` and how many bits of it count".into()
                }
                NetworkError::HostBits(network) => format!("the network that it lies in is `{network}`"),
            };
            self.misfit(Code::BadAddress, Some(help))
        })
    }

    fn parse_schedule(self, text: &str) -> Result<Kind, Misfit> {
        match Schedule::parse_short(text) {
            Ok(_) => Ok(Kind::Text(text.into())),
            Err(error) => Err(self.misfit(Code::BadSchedule, Some(error.to_string()))),
        }
    }

    fn parse_command(self, text: &str) -> Result<Kind, Misfit> {
        words::split(text).map(Kind::Words).map_err(|error| {
            let help = format!("{error}; for more than words and quotes write `sh -c '…'`");
            self.misfit(Code::BadCommand, Some(help))
        })
    }
}

// === readers ===

fn non_empty(text: &str) -> Option<Kind> {
    (!text.is_empty()).then(|| Kind::Text(text.into()))
}

/// Splits `250ms` into `250` and `ms`.
fn split_unit(text: &str) -> (&str, &str) {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    text.split_at(digits)
}

fn rate(text: &str) -> Option<Rate> {
    let (count, unit) = text.split_once('/')?;
    let count: NonZeroU32 = count.parse().ok()?;
    let (_, per) = DURATIONS.iter().find(|(name, _)| *name == unit)?;
    Rate::new(count, *per)
}

/// The name of a column in a gap may have any characters.
fn is_request_path(text: &str) -> bool {
    let mut outside = text.split("${").enumerate().map(|(place, part)| match part.split_once('}') {
        Some((_, rest)) if place > 0 => rest,
        _ => part,
    });
    text.starts_with('/') && !outside.any(|part| part.contains([' ', '#', '\n', '\r', '\t']))
}

fn host(text: &str) -> Option<String> {
    let is_host = !text.is_empty()
        && text.len() <= 253
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'));
    is_host.then(|| text.to_ascii_lowercase())
}

/// RFC 9110 §5.6.2.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

fn status(text: &str) -> Option<i64> {
    text.parse().ok().filter(|status| (300..600).contains(status))
}

/// In the largest binary unit that divides it.
pub(crate) fn shown_size(size: u64) -> String {
    let binary = SIZES.iter().filter(|(name, _)| name.len() != 2).rev();
    let exact =
        binary.clone().find(|(name, unit)| name.contains('i') && size >= *unit && size.is_multiple_of(*unit));
    exact.map_or_else(|| format!("{size}B"), |(name, unit)| format!("{}{name}", size / unit))
}

#[cfg(test)]
mod tests;
