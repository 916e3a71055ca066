//! Lists in header values (RFC 9110 §5.6.1).

/// One member of a list, with what is known of its syntax.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Member<'a> {
    pub(super) text: &'a [u8],
    /// A quoted string in it begins and does not end.
    pub(super) is_open: bool,
}

/// The members of a list: split at commas outside quoted strings, without the space around them; empty
/// ones are left out.
pub fn members(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    split(value).map(|member| member.text)
}

pub(super) fn split(value: &[u8]) -> impl Iterator<Item = Member<'_>> {
    split_all(value).filter(|member| !member.text.is_empty())
}

/// As [`split`], with the empty ones.
pub(super) fn split_all(value: &[u8]) -> impl Iterator<Item = Member<'_>> {
    let mut rest = Some(value);
    core::iter::from_fn(move || {
        let text = rest?;
        let (len, is_open) = first_len(text);
        rest = text.get(len + 1..);
        Some(Member { text: trim(text.get(..len).unwrap_or_default()), is_open })
    })
}

/// The length of what comes before the first comma outside quotes, and whether a quote stays open.
fn first_len(text: &[u8]) -> (usize, bool) {
    let (mut quoted, mut escaped) = (false, false);
    for (at, byte) in text.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' if !quoted => return (at, false),
            _ => {}
        }
    }
    (text.len(), quoted)
}

/// Without the space and tabs at both ends (OWS of RFC 9110 §5.6.3).
pub(super) fn trim(text: &[u8]) -> &[u8] {
    let is_text = |byte: &u8| !matches!(byte, b' ' | b'\t');
    let start = text.iter().position(is_text).unwrap_or(text.len());
    let end = text.iter().rposition(is_text).map_or(start, |last| last + 1);
    text.get(start..end).unwrap_or_default()
}

/// A number of seconds (RFC 9111 §1.2.2): digits only. More than fits stands for the largest.
pub(super) fn seconds(text: &[u8]) -> Option<u32> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(text.iter().fold(0_u32, |sum, digit| sum.saturating_mul(10).saturating_add(u32::from(digit - b'0'))))
}
