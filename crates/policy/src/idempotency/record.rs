//! What a store has under a key, and its bytes.
//!
//! ```text
//! version 1 │ kind │ fingerprint 32 │ taken:    who 8
//!                                   │ answered: status 2 │ bytes of fields 4 │ fields │ body
//!                                   │ unkept:   status 2
//! field: bytes of name 2 │ bytes of value 4 │ name │ value        (numbers are big-endian)
//! ```

use alloc::vec::Vec;

/// Tells requests apart: a cryptographic hash over what makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint(pub [u8; 32]);

/// Tells those apart who take keys; drawn anew for each try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taker(pub u64);

/// What is known of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// The request that it came with.
    pub fingerprint: Fingerprint,
    /// What became of it.
    pub state: State<'a>,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State<'a> {
    /// Somebody runs it.
    Taken(Taker),
    /// It was answered.
    Answered(Answer<'a>),
    /// It was answered with this status; the answer is not kept.
    Unkept(u16),
}

/// A whole answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer<'a> {
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub fields: Fields<'a>,
    /// Its body.
    pub body: &'a [u8],
}

/// Headers in their order, as bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fields<'a>(&'a [u8]);

const VERSION: u8 = 1;
const TAKEN: u8 = 0;
const ANSWERED: u8 = 1;
const UNKEPT: u8 = 2;

impl<'a> Record<'a> {
    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let size = match self.state {
            State::Answered(answer) => answer.fields.0.len() + answer.body.len(),
            State::Taken(_) | State::Unkept(_) => 0,
        };
        let mut out = Vec::with_capacity(size + 48);
        let kind = match self.state {
            State::Taken(_) => TAKEN,
            State::Answered(_) => ANSWERED,
            State::Unkept(_) => UNKEPT,
        };
        out.extend([VERSION, kind]);
        out.extend(self.fingerprint.0);
        match self.state {
            State::Taken(Taker(who)) => out.extend(who.to_be_bytes()),
            State::Answered(Answer { status, fields, body }) => {
                out.extend(status.to_be_bytes());
                let len = u32::try_from(fields.0.len()).expect("fields are no larger than a u32 tells");
                out.extend(len.to_be_bytes());
                out.extend(fields.0);
                out.extend(body);
            }
            State::Unkept(status) => out.extend(status.to_be_bytes()),
        }
        out
    }

    /// A record of these bytes; `None` where they are none, or of another version.
    pub fn decode(bytes: &'a [u8]) -> Option<Self> {
        let (&[VERSION, kind], rest) = bytes.split_first_chunk()? else { return None };
        let (fingerprint, rest) = rest.split_first_chunk()?;
        let state = match kind {
            TAKEN => State::Taken(Taker(u64::from_be_bytes(rest.try_into().ok()?))),
            ANSWERED => State::Answered(Answer::decode(rest)?),
            UNKEPT => State::Unkept(u16::from_be_bytes(rest.try_into().ok()?)),
            _ => return None,
        };
        Some(Self { fingerprint: Fingerprint(*fingerprint), state })
    }
}

impl<'a> Answer<'a> {
    fn decode(bytes: &'a [u8]) -> Option<Self> {
        let (status, rest) = bytes.split_first_chunk()?;
        let (len, rest) = rest.split_first_chunk()?;
        let (fields, body) = rest.split_at_checked(u32::from_be_bytes(*len) as usize)?;
        let fields = Fields::decode(fields)?;
        Some(Self { status: u16::from_be_bytes(*status), fields, body })
    }
}

impl<'a> Fields<'a> {
    /// Puts headers in `out`, of which they are a view then; `None` where one is larger than can be told.
    pub fn encode<'h>(
        fields: impl Iterator<Item = (&'h [u8], &'h [u8])>,
        out: &'a mut Vec<u8>,
    ) -> Option<Self> {
        out.clear();
        for (name, value) in fields {
            out.extend(u16::try_from(name.len()).ok()?.to_be_bytes());
            out.extend(u32::try_from(value.len()).ok()?.to_be_bytes());
            out.extend(name);
            out.extend(value);
        }
        u32::try_from(out.len()).ok()?;
        Some(Self(out))
    }

    fn decode(bytes: &'a [u8]) -> Option<Self> {
        let mut rest = bytes;
        while !rest.is_empty() {
            (_, rest) = field(rest)?;
        }
        Some(Self(bytes))
    }

    /// Names and values.
    pub fn iter(self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        let mut rest = self.0;
        core::iter::from_fn(move || {
            let (one, left) = field(rest)?;
            rest = left;
            Some(one)
        })
    }
}

type Field<'a> = (&'a [u8], &'a [u8]);

/// The first field, and the rest.
fn field(bytes: &[u8]) -> Option<(Field<'_>, &[u8])> {
    let (name_len, rest) = bytes.split_first_chunk()?;
    let (value_len, rest) = rest.split_first_chunk()?;
    let (name, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*name_len)))?;
    let (value, rest) = rest.split_at_checked(u32::from_be_bytes(*value_len) as usize)?;
    Some(((name, value), rest))
}
