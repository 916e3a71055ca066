//! The materialised view: what the log's operations amount to, by key. It may lag behind the log, never
//! contradict it: opening replays what it lacks, and replaying an operation twice changes nothing.
//!
//! ```text
//! meta     "durable" -> last operation the view is sure to hold      "closed" -> last operation at close
//!          "j" component 0 owner 0 name -> version u64 | due u64 | body
//!          "g" component 0 topic 0 group -> cursor, beyond           "l" component 0 resource -> lease
//! expiry   due u64 (big endian) | length u8 | store | key -> nothing
//! store    key -> etag u64 | expires u64 | value                     one space per store
//! ```

use std::fmt;
use std::io;
use std::sync::Arc;

use fjall::Slice;

pub(crate) mod fjall_view;
#[cfg(any(test, fuzzing))]
pub(crate) mod memory;

/// One ordered map of the view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Space(pub(crate) usize);

/// Cursors, leases, jobs and how far the view reaches.
pub(crate) const META: Space = Space(0);
/// Which values expire when.
pub(crate) const EXPIRY: Space = Space(1);

/// One change to the view; `None` removes the key.
#[derive(Debug)]
pub(crate) struct Edit {
    pub(crate) space: Space,
    pub(crate) key: Slice,
    pub(crate) value: Option<Slice>,
}

/// Keys and values, ascending.
pub(crate) type Pairs = Vec<(Slice, Slice)>;

/// A few ordered maps that change together.
pub(crate) trait View: fmt::Debug + Send + Sync {
    /// The space of a store, made if need be.
    fn space(&self, store: &str) -> io::Result<Space>;
    /// Reads one key.
    fn get(&self, space: Space, key: &[u8]) -> io::Result<Option<Slice>>;
    /// Reads several keys as of one moment.
    fn get_many(&self, space: Space, keys: &[String]) -> io::Result<Vec<Option<Slice>>>;
    /// At most `most` pairs with keys in `from..to`.
    fn range(&self, space: Space, from: &[u8], to: &[u8], most: usize) -> io::Result<Pairs>;
    /// Makes all edits visible, all or nothing, but not durable.
    fn apply(&self, edits: Vec<Edit>) -> io::Result<()>;
    /// Makes durable all that was applied before.
    fn persist(&self) -> io::Result<()>;
}

/// A value as it is stored.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) etag: u64,
    pub(crate) expires: u64,
    bytes: Slice,
}

const VALUE_HEAD: usize = 16;

impl Stored {
    /// Takes a stored value apart; `None` if it is not one.
    pub(crate) fn parse(bytes: Slice) -> Option<Self> {
        let etag = u64::from_le_bytes(bytes.get(..8)?.try_into().ok()?);
        let expires = u64::from_le_bytes(bytes.get(8..VALUE_HEAD)?.try_into().ok()?);
        Some(Self { etag, expires, bytes })
    }

    pub(crate) fn value(&self) -> &[u8] {
        &self.bytes[VALUE_HEAD..]
    }

    /// Whether it is still there at `now`.
    pub(crate) fn is_live(&self, now_ms: u64) -> bool {
        self.expires == 0 || self.expires > now_ms
    }
}

/// Sets a value, and its place in the expiry index.
pub(crate) fn put(edits: &mut Vec<Edit>, place: Place<'_>, etag: u64, expires: u64, value: &[u8]) {
    let mut bytes = Vec::with_capacity(VALUE_HEAD + value.len());
    bytes.extend_from_slice(&etag.to_le_bytes());
    bytes.extend_from_slice(&expires.to_le_bytes());
    bytes.extend_from_slice(value);
    edits.push(Edit { space: place.space, key: place.key.into(), value: Some(bytes.into()) });
    if expires > 0 {
        let key = expiry_key(expires, place.store, place.key);
        edits.push(Edit { space: EXPIRY, key: key.into(), value: Some(Slice::empty()) });
    }
}

/// A key of a store.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) space: Space,
    pub(crate) store: &'a str,
    pub(crate) key: &'a str,
}

pub(crate) fn delete(edits: &mut Vec<Edit>, place: Place<'_>) {
    edits.push(Edit { space: place.space, key: place.key.into(), value: None });
}

fn expiry_key(expires: u64, store: &str, key: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(9 + store.len() + key.len());
    out.extend_from_slice(&expires.to_be_bytes());
    out.push(u8::try_from(store.len()).expect("store names are checked when the engine opens"));
    out.extend_from_slice(store.as_bytes());
    out.extend_from_slice(key.as_bytes());
    out
}

/// The store and key that an entry of the expiry index names.
pub(crate) fn parse_expiry_key(entry: &[u8]) -> Option<(u64, &str, &str)> {
    let (due, rest) = entry.split_at_checked(8)?;
    let (len, rest) = rest.split_first()?;
    let (store, key) = rest.split_at_checked(usize::from(*len))?;
    let due = u64::from_be_bytes(due.try_into().ok()?);
    Some((due, std::str::from_utf8(store).ok()?, std::str::from_utf8(key).ok()?))
}

/// Key of a number kept in the meta space.
pub(crate) const DURABLE: &str = "durable";
/// Key of a number kept in the meta space.
pub(crate) const CLOSED: &str = "closed";

/// Keeps a number in the meta space.
pub(crate) fn number_edit(key: &str, number: u64) -> Edit {
    Edit { space: META, key: key.into(), value: Some(number.to_le_bytes().as_slice().into()) }
}

/// Reads a number from the meta space; 0 if it was never set.
pub(crate) fn number(view: &dyn View, key: &str) -> io::Result<u64> {
    let Some(bytes) = view.get(META, key.as_bytes())? else { return Ok(0) };
    let bytes: [u8; 8] = (&*bytes).try_into().map_err(|error| damaged(key, error))?;
    Ok(u64::from_le_bytes(bytes))
}

fn damaged(key: &str, cause: impl fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the state's record {key} is damaged: {cause}"))
}

/// Key of a group's progress or of a lease: they never hold a zero byte in component or topic.
pub(crate) fn named_key(kind: char, parts: &[&str]) -> String {
    let mut key = String::from(kind);
    key.push_str(&parts.join("\0"));
    key
}

/// The parts of every record of one kind in the meta space, with its value.
pub(crate) fn named(view: &dyn View, kind: u8) -> io::Result<Vec<(Vec<String>, Slice)>> {
    let (mut from, mut found) = (vec![kind], Vec::new());
    loop {
        let pairs = view.range(META, &from, &[kind + 1], 1024)?;
        let Some((last, _)) = pairs.last() else { return Ok(found) };
        from = last.to_vec();
        from.push(0);
        for (key, value) in pairs {
            let text = std::str::from_utf8(&key[1..]).map_err(|error| damaged("meta", error))?;
            found.push((text.split('\0').map(str::to_owned).collect(), value));
        }
    }
}

/// Shared by everyone who reads or applies.
pub(crate) type SharedView = Arc<dyn View>;
