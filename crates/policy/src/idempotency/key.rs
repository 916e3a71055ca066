//! The key of a request.

/// Why a key is none; what the client should do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadKey(pub &'static str);

/// A key may have so many characters.
const LEN_MAX: usize = 255;

/// The key that a header's values give, if there is one.
///
/// It is a string of RFC 8941 §3.3.3, `"8e03978e"`; without its quotes, as many clients send it, it is the
/// same key. Parameters have no meaning here, and so are refused.
///
/// # Errors
/// There are several, or it is empty, too long, or has characters that no such string has.
pub fn key<'a>(mut values: impl Iterator<Item = &'a [u8]>) -> Result<Option<&'a [u8]>, BadKey> {
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(BadKey("more than one idempotency key is given"));
    }
    let value = value.trim_ascii();
    let key = match value {
        [b'"', inner @ .., b'"'] => inner,
        _ => value,
    };
    // Escapes would make two spellings of one key.
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
    // Outside of quotes these end a member or begin a parameter.
    let is_bare = key.len() == value.len();
    let ends = |byte: &u8| is_bare && matches!(byte, b' ' | b',' | b';');
    match key.len() {
        0 => Err(BadKey("the idempotency key is empty")),
        LEN_MAX.. if key.len() > LEN_MAX => Err(BadKey("the idempotency key has more than 255 characters")),
        _ if !key.iter().all(is_plain) || key.iter().any(ends) => {
            Err(BadKey("the idempotency key is not a string such as \"8e03978e\""))
        }
        _ => Ok(Some(key)),
    }
}
