//! Part of a stored body (RFC 9110 §14).

use super::Headers;

/// What a request gets of a stored body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    Whole,
    /// From `first` to `last`, both in it; 206.
    Range {
        /// The place of the first byte.
        first: u64,
        /// The place of the last byte.
        last: u64,
    },
    /// Nothing: it asks for what is not there; 416.
    Unsatisfiable,
}

/// Reads `Range`. Several ranges, another unit and what is malformed are answered with the whole body, as
/// they may be (RFC 9110 §14.2): an answer to many ranges can be made larger than the body.
pub fn part(request: &impl Headers, body_len: u64) -> Part {
    let mut values = request.values("range");
    let (Some(value), None) = (values.next(), values.next()) else { return Part::Whole };
    let Some((unit, spec)) = value.split_at_checked(6) else { return Part::Whole };
    if !unit.eq_ignore_ascii_case(b"bytes=") {
        return Part::Whole;
    }
    let spec = super::list::trim(spec);
    let Some(dash) = spec.iter().position(|byte| *byte == b'-') else { return Part::Whole };
    let (first, last) = spec.split_at(dash);
    let last = last.get(1..).unwrap_or_default();
    match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => range(first, last, body_len),
        (Some(first), None) if last.is_empty() => range(first, u64::MAX, body_len),
        (None, Some(0)) if first.is_empty() => Part::Unsatisfiable,
        (None, Some(len)) if first.is_empty() && body_len > 0 => {
            range(body_len.saturating_sub(len), u64::MAX, body_len)
        }
        _ => Part::Whole,
    }
}

fn range(first: u64, last: u64, body_len: u64) -> Part {
    if first >= body_len { Part::Unsatisfiable } else { Part::Range { first, last: last.min(body_len - 1) } }
}

/// More than fits stands for the largest.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let push = |sum: u64, digit: &u8| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
    Some(digits.iter().fold(0, push))
}
