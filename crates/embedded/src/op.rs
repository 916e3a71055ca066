//! The operations that the log records. Each has its own sequence number, which is at once the etag of
//! a value, the position of a message and the fencing token of a grant.
//!
//! ```text
//! operation = kind u8 | length u32 | fields          text8 = length u8  + bytes
//!                                                    text16 = length u16 + bytes; integers little endian
//! ```

/// One operation, borrowing its fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Op<'a> {
    /// Sets a value; `expires` in wall milliseconds, 0 for never.
    Put { store: &'a str, key: &'a str, expires: u64, value: &'a [u8] },
    /// Removes a value.
    Delete { store: &'a str, key: &'a str },
    /// A message to a topic; the key is empty for none.
    Message { topics: &'a str, topic: &'a str, expires: u64, key: &'a str, payload: &'a [u8] },
    /// A group was opened for the first time: it starts after this operation.
    Group { topics: &'a str, topic: &'a str, group: &'a str },
    /// A group is there no more.
    GroupOver { topics: &'a str, topic: &'a str, group: &'a str },
    /// A group has settled everything up to `cursor`, and `beyond` it these (ascending).
    Progress { topics: &'a str, topic: &'a str, group: &'a str, cursor: u64, beyond: Vec<u64> },
    /// A lock was granted; the fencing token is the operation's own number.
    Grant { locks: &'a str, resource: &'a str, owner: &'a str, expires: u64 },
    /// A lock was given back.
    Release { locks: &'a str, resource: &'a str },
    /// A job was written; its version is the operation's own number. `due` in wall milliseconds.
    Job { jobs: &'a str, owner: &'a str, name: &'a str, due: u64, body: &'a [u8] },
    /// A job is over, or was removed.
    JobOver { jobs: &'a str, owner: &'a str, name: &'a str },
}

const HEAD: usize = 5;

impl Op<'_> {
    /// Appends the operation.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[self.kind(), 0, 0, 0, 0]);
        self.encode_fields(out);
        let len = u32::try_from(out.len() - start - HEAD).expect("a transaction is bounded far below 4 GiB");
        out[start + 1..start + HEAD].copy_from_slice(&len.to_le_bytes());
    }

    fn kind(&self) -> u8 {
        match self {
            Self::Put { .. } => 1,
            Self::Delete { .. } => 2,
            Self::Message { key: "", .. } => 3,
            Self::Message { .. } => 20,
            Self::GroupOver { .. } => 21,
            Self::Group { .. } => 4,
            Self::Progress { .. } => 5,
            Self::Grant { .. } => 6,
            Self::Release { .. } => 7,
            Self::Job { .. } => 8,
            Self::JobOver { .. } => 9,
        }
    }

    fn encode_fields(&self, out: &mut Vec<u8>) {
        match self {
            Self::Put { store, key, expires, value } => {
                text8(out, store);
                text16(out, key);
                out.extend_from_slice(&expires.to_le_bytes());
                out.extend_from_slice(value);
            }
            Self::Delete { store, key } => {
                text8(out, store);
                text16(out, key);
            }
            Self::Message { topics, topic, expires, key, payload } => {
                text8(out, topics);
                text16(out, topic);
                out.extend_from_slice(&expires.to_le_bytes());
                if !key.is_empty() {
                    text16(out, key);
                }
                out.extend_from_slice(payload);
            }
            Self::Group { topics, topic, group } | Self::GroupOver { topics, topic, group } => {
                text8(out, topics);
                text16(out, topic);
                text16(out, group);
            }
            Self::Progress { topics, topic, group, cursor, beyond } => {
                text8(out, topics);
                text16(out, topic);
                text16(out, group);
                encode_positions(out, *cursor, beyond);
            }
            Self::Grant { locks, resource, owner, expires } => {
                text8(out, locks);
                text16(out, resource);
                text16(out, owner);
                out.extend_from_slice(&expires.to_le_bytes());
            }
            Self::Release { locks, resource } => {
                text8(out, locks);
                text16(out, resource);
            }
            Self::Job { jobs, owner, name, due, body } => {
                text8(out, jobs);
                text16(out, owner);
                text16(out, name);
                out.extend_from_slice(&due.to_le_bytes());
                out.extend_from_slice(body);
            }
            Self::JobOver { jobs, owner, name } => {
                text8(out, jobs);
                text16(out, owner);
                text16(out, name);
            }
        }
    }
}

/// A cursor and ascending positions beyond it, as differences of variable length.
pub(crate) fn encode_positions(out: &mut Vec<u8>, cursor: u64, beyond: &[u64]) {
    out.extend_from_slice(&cursor.to_le_bytes());
    let mut last = cursor;
    for &position in beyond {
        debug_assert!(position > last, "positions beyond a cursor ascend");
        let mut rest = position - last;
        while rest >= 0x80 {
            out.push(rest.to_le_bytes()[0] | 0x80);
            rest >>= 7;
        }
        out.push(rest.to_le_bytes()[0]);
        last = position;
    }
}

/// What [`encode_positions`] wrote; `None` if it did not write this.
pub(crate) fn decode_positions(mut bytes: &[u8]) -> Option<(u64, Vec<u64>)> {
    let cursor = take_u64(&mut bytes)?;
    let (mut beyond, mut last) = (Vec::new(), cursor);
    while !bytes.is_empty() {
        let (mut step, mut shift) = (0u64, 0u32);
        loop {
            let (&byte, rest) = bytes.split_first()?;
            bytes = rest;
            step |= u64::from(byte & 0x7f).checked_shl(shift)?;
            if byte & 0x80 == 0 {
                break;
            }
            shift += 7;
        }
        last = last.checked_add(step).filter(|&next| next > last)?;
        beyond.push(last);
    }
    Some((cursor, beyond))
}

/// Takes the next operation off `bytes`; `None` if there is none that makes sense.
pub(crate) fn decode<'a>(bytes: &mut &'a [u8]) -> Option<Op<'a>> {
    let (head, rest) = bytes.split_at_checked(HEAD)?;
    let len = u32::from_le_bytes(head[1..].try_into().ok()?);
    let (mut fields, rest) = rest.split_at_checked(usize::try_from(len).ok()?)?;
    *bytes = rest;
    decode_fields(head[0], &mut fields)
}

fn decode_fields<'a>(kind: u8, fields: &mut &'a [u8]) -> Option<Op<'a>> {
    let component = take_text8(fields)?;
    let name = take_text16(fields)?;
    // Names are parts of keys that a zero separates; only keys of state may hold one.
    let is_state = matches!(kind, 1 | 2);
    if !is_state && (component.contains('\0') || name.contains('\0')) {
        return None;
    }
    Some(match kind {
        1 => Op::Put { store: component, key: name, expires: take_u64(fields)?, value: fields },
        2 => Op::Delete { store: component, key: name },
        3 => {
            let expires = take_u64(fields)?;
            Op::Message { topics: component, topic: name, expires, key: "", payload: fields }
        }
        21 => Op::GroupOver { topics: component, topic: name, group: take_name(fields)? },
        20 => {
            let (expires, key) = (take_u64(fields)?, take_text16(fields)?);
            Op::Message { topics: component, topic: name, expires, key, payload: fields }
        }
        4 => Op::Group { topics: component, topic: name, group: take_name(fields)? },
        5 => {
            let group = take_name(fields)?;
            let (cursor, beyond) = decode_positions(fields)?;
            Op::Progress { topics: component, topic: name, group, cursor, beyond }
        }
        6 => {
            let owner = take_text16(fields)?;
            Op::Grant { locks: component, resource: name, owner, expires: take_u64(fields)? }
        }
        7 => Op::Release { locks: component, resource: name },
        8 => {
            let (job, due) = (take_name(fields)?, take_u64(fields)?);
            Op::Job { jobs: component, owner: name, name: job, due, body: fields }
        }
        9 => Op::JobOver { jobs: component, owner: name, name: take_name(fields)? },
        _ => return None,
    })
}

fn text8(out: &mut Vec<u8>, text: &str) {
    out.push(u8::try_from(text.len()).expect("component names are checked when the engine opens"));
    out.extend_from_slice(text.as_bytes());
}

fn text16(out: &mut Vec<u8>, text: &str) {
    let len = u16::try_from(text.len()).expect("keys and names are checked before they are queued");
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

fn take<'a>(bytes: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(len)?;
    *bytes = rest;
    Some(taken)
}

fn take_u64(bytes: &mut &[u8]) -> Option<u64> {
    Some(u64::from_le_bytes(take(bytes, 8)?.try_into().ok()?))
}

fn take_text8<'a>(bytes: &mut &'a [u8]) -> Option<&'a str> {
    let len = usize::from(*take(bytes, 1)?.first()?);
    std::str::from_utf8(take(bytes, len)?).ok()
}

fn take_name<'a>(bytes: &mut &'a [u8]) -> Option<&'a str> {
    take_text16(bytes).filter(|name| !name.contains('\0'))
}

fn take_text16<'a>(bytes: &mut &'a [u8]) -> Option<&'a str> {
    let len = u16::from_le_bytes(take(bytes, 2)?.try_into().ok()?);
    std::str::from_utf8(take(bytes, usize::from(len))?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_reads_back_as_written() {
        let ops = [
            Op::Put { store: "s", key: "k", expires: 7, value: b"v" },
            Op::Delete { store: "s", key: "" },
            Op::Message { topics: "t", topic: "a/b", expires: 0, key: "", payload: b"" },
            Op::Message { topics: "t", topic: "a/b", expires: 7, key: "k", payload: b"p" },
            Op::Group { topics: "t", topic: "a", group: "g" },
            Op::GroupOver { topics: "t", topic: "a", group: "g" },
            Op::Progress { topics: "t", topic: "a", group: "g", cursor: 9, beyond: vec![10, 300, 1 << 40] },
            Op::Grant { locks: "l", resource: "r", owner: "o", expires: u64::MAX },
            Op::Release { locks: "l", resource: "r" },
            Op::Job { jobs: "j", owner: "o", name: "n", due: 3, body: b"body" },
            Op::JobOver { jobs: "j", owner: "o", name: "n" },
        ];
        let mut bytes = Vec::new();
        for op in &ops {
            op.encode(&mut bytes);
        }
        let mut rest = bytes.as_slice();
        for op in &ops {
            assert_eq!(decode(&mut rest).as_ref(), Some(op));
        }
        assert!(rest.is_empty());
    }

    #[test]
    fn a_message_without_a_key_is_written_as_before_there_were_keys() {
        let mut bytes = Vec::new();
        Op::Message { topics: "t", topic: "a", expires: 1, key: "", payload: b"p" }.encode(&mut bytes);
        assert_eq!(bytes, b"\x03\x0e\0\0\0\x01t\x01\0a\x01\0\0\0\0\0\0\0p");
    }

    #[test]
    fn every_cut_of_an_operation_is_refused() {
        let mut bytes = Vec::new();
        Op::Grant { locks: "l", resource: "r", owner: "o", expires: 5 }.encode(&mut bytes);
        for len in 0..bytes.len() {
            assert_eq!(decode(&mut &bytes[..len]), None, "cut at {len}");
        }
    }
}
