//! Where responses are kept: shared by the workers of a node, bounded in bytes.
//!
//! A hit takes a shared lock on one of many shards for as long as it takes to count up a reference.

use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use floodway_policy::Time;
use floodway_policy::http_cache::{CachePolicy, Headers, Stored, Wall};
use floodway_policy::rng::hash_bytes;
use http::header::{HOST, HeaderMap};
use http::{Request, StatusCode};
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, Equivalent, OptionsBuilder, Weighter};

use super::flights::Flights;
use super::head::Head;
use super::tally::{CacheCounts, Tallies, Tally, TallyPlace};
use crate::clock::Clock;
use crate::head::{FORWARDED_HOST, FORWARDED_PROTO};

/// What an entry and a response take beside their texts, with what the allocator rounds up; about, as measured
/// with bodies of 200 bytes.
const OVERHEAD: usize = 384;
/// What a header takes beside its text.
const HEADER_BYTES: usize = 160;
/// A shard has at least this many bytes, so that large bodies fit.
const SHARD_BYTES_MIN: u64 = 32 << 20;
const SHARDS_MAX: u64 = 64;
/// What an entry takes, to guess how many there will be.
const ENTRY_BYTES: u64 = 16 << 10;
/// Locks that writers of a key take in turn.
const TURNS: usize = 64;
/// Counters of what was made invalid, by key. Keys that share one keep each other's responses from being
/// stored while one changes, so there are many.
const EPOCHS: usize = 1 << 16;

/// The stored responses of a node.
#[derive(Debug)]
pub(crate) struct Store {
    pub(super) flights: Flights,
    entries: Cache<Key, Arc<Entry>, Weigher>,
    clock: Clock,
    bytes_max: u64,
    turns: Box<[Mutex<()>]>,
    epochs: Box<[AtomicU32]>,
    purges: AtomicU64,
    filling: AtomicU64,
    tallies: Tallies,
}

/// What a response is stored under: what it was asked for by, without its method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    is_https: bool,
    /// In lower case, with the port: as clients give it, also where a trusted proxy says so.
    pub(super) host: Box<str>,
    target: Box<str>,
    /// The host that a proxy asked for, where that is another.
    asked_host: Option<Box<str>>,
}

/// A key that is only looked for, of a client that asked itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeyRef<'a> {
    pub(super) is_https: bool,
    pub(super) host: &'a str,
    pub(super) target: &'a str,
}

/// A stored response.
#[derive(Debug)]
pub(super) struct Cached {
    pub(super) facts: Stored,
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// The status and the headers as HTTP/1.1 has them.
    pub(super) lines: Bytes,
    pub(super) body: Bytes,
    pub(super) tags: Box<[Box<str>]>,
}

/// What is stored under a key.
#[derive(Debug)]
struct Entry {
    /// The last stored is the last.
    variants: Vec<Arc<Cached>>,
    /// Until then nobody waits for a response that could be shared.
    pass_until: Time,
    bytes: u64,
}

/// What a look into the store finds.
#[derive(Debug, Clone)]
pub(super) enum Found {
    Nothing { is_pass: bool },
    Others { is_pass: bool },
    Fit(Arc<Cached>),
}

/// The state in which a request was sent on: what is made invalid since is not stored from its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    purges: u64,
    epoch: u32,
}

/// Which responses are taken out of the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purge {
    /// Of this host only, with its port as clients give it.
    pub host: Option<String>,
    /// Of these.
    pub by: PurgeBy,
}

/// What tells the responses that are purged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PurgeBy {
    /// This path with every query, or if it has a query with this one.
    Path(String),
    /// Every path, with its query, that begins so.
    Prefix(String),
    /// A tag of `Cache-Tag` or `Surrogate-Key`.
    Tag(String),
    /// All.
    Everything,
}

#[derive(Debug, Clone)]
struct Weigher;

// === impl Store ===

impl Store {
    /// Keeps at most `bytes_max` bytes. Takes next to nothing while it is empty.
    pub(crate) fn new(bytes_max: u64) -> Self {
        let shards = (bytes_max / SHARD_BYTES_MIN).clamp(1, SHARDS_MAX);
        let options = OptionsBuilder::new()
            .shards(usize::try_from(shards).unwrap_or(1))
            .estimated_items_capacity(usize::try_from(bytes_max / ENTRY_BYTES).unwrap_or(usize::MAX))
            .weight_capacity(bytes_max)
            .build()
            .expect("all options are set");
        let hasher = DefaultHashBuilder::default();
        Self {
            flights: Flights::new(),
            entries: Cache::with_options(options, Weigher, hasher, DefaultLifecycle::default()),
            clock: Clock::start(),
            bytes_max,
            turns: (0..TURNS).map(|_| Mutex::default()).collect(),
            epochs: (0..if bytes_max == 0 { 1 } else { EPOCHS }).map(|_| AtomicU32::default()).collect(),
            purges: AtomicU64::default(),
            filling: AtomicU64::default(),
            tallies: Tallies::new(),
        }
    }

    /// The time of this store, which all workers share.
    pub(super) fn now(&self) -> Time {
        self.clock.now()
    }

    pub(super) fn wall(&self) -> Wall {
        self.clock.wall()
    }

    /// What it did and holds.
    pub(crate) fn counts(&self) -> CacheCounts {
        self.tallies.sum(self.entries.weight())
    }

    /// A place for a worker to count at.
    pub(crate) fn take_place(&self) -> TallyPlace {
        self.tallies.take()
    }

    pub(super) fn tally(&self, place: TallyPlace) -> &Tally {
        self.tallies.of(place)
    }

    /// What stands for a request with this head; of several, the last stored.
    pub(super) fn find(&self, key: &Key, head: &HeaderMap, now: Time) -> Found {
        found(self.entries.get(key), &Head(head), now)
    }

    /// The same, by what is looked for alone.
    pub(super) fn find_by(&self, key: &KeyRef<'_>, head: &impl Headers, now: Time) -> Found {
        found(self.entries.get(key), head, now)
    }

    pub(super) fn stamp(&self, key: &Key) -> Stamp {
        Stamp {
            purges: self.purges.load(Ordering::SeqCst),
            epoch: self.epochs[key.bucket(self.epochs.len())].load(Ordering::SeqCst),
        }
    }

    /// Stores a response in the place of the one that stands for the same requests, unless that was made
    /// invalid since `stamp`.
    pub(super) fn insert(&self, key: &Key, stamp: Stamp, cached: Arc<Cached>) {
        let _turn = self.turn(key);
        if self.stamp(key) != stamp {
            return;
        }
        let mut variants = self.variants(key);
        variants.retain(|other| !cached.facts.replaces(&other.facts));
        if variants.len() == CachePolicy::VARIANTS_MAX {
            variants.remove(0);
        }
        variants.push(cached);
        self.put(key, variants, Time::ZERO);
    }

    /// Remembers for a while that what comes for this key cannot be stored.
    pub(super) fn pass(&self, key: &Key) {
        let _turn = self.turn(key);
        let variants = self.variants(key);
        self.put(key, variants, self.now().after(CachePolicy::PASS_TIME));
    }

    /// Takes a response out that is out of date.
    pub(super) fn remove(&self, key: &Key, cached: &Arc<Cached>) {
        let _turn = self.turn(key);
        let mut variants = self.variants(key);
        variants.retain(|other| !Arc::ptr_eq(other, cached));
        if variants.is_empty() {
            self.entries.remove(key);
        } else {
            self.put(key, variants, Time::ZERO);
        }
    }

    /// Takes out all that is stored under a key, and what is on its way there.
    pub(super) fn invalidate(&self, key: &Key) {
        let _turn = self.turn(key);
        self.epochs[key.bucket(self.epochs.len())].fetch_add(1, Ordering::SeqCst);
        self.entries.remove(key);
    }

    /// Takes out what is named, and all that is on its way into the store. Returns how many responses
    /// were taken out. Looks at all that is stored.
    pub(crate) fn purge(&self, purge: &Purge) -> u64 {
        {
            // With all writers waiting: what was stored before is seen below, what comes later is not
            // stored.
            let _turns: Vec<_> = self.turns.iter().map(lock).collect();
            self.purges.fetch_add(1, Ordering::SeqCst);
        }
        let count = AtomicU64::new(0);
        self.entries.retain(|key, entry| {
            let is_kept = !purge.takes(key, entry);
            if !is_kept {
                count.fetch_add(entry.variants.len() as u64, Ordering::Relaxed);
            }
            is_kept
        });
        count.into_inner()
    }

    /// Counts bytes of a response that is on its way into the store; `false` where there are too many.
    pub(super) fn begin_filling(&self, bytes: u64) -> bool {
        let before = self.filling.fetch_add(bytes, Ordering::Relaxed);
        before + bytes <= self.bytes_max / 4
    }

    pub(super) fn end_filling(&self, bytes: u64) {
        self.filling.fetch_sub(bytes, Ordering::Relaxed);
    }

    fn variants(&self, key: &Key) -> Vec<Arc<Cached>> {
        self.entries.peek(key).map(|entry| entry.variants.clone()).unwrap_or_default()
    }

    fn put(&self, key: &Key, variants: Vec<Arc<Cached>>, pass_until: Time) {
        let bytes = variants.iter().map(|cached| cached.bytes()).sum::<usize>() + key.bytes() + OVERHEAD;
        let entry = Entry { variants, pass_until, bytes: bytes as u64 };
        self.entries.insert(key.clone(), Arc::new(entry));
    }

    fn turn(&self, key: &Key) -> MutexGuard<'_, ()> {
        lock(&self.turns[key.bucket(TURNS)])
    }
}

fn found(entry: Option<Arc<Entry>>, head: &impl Headers, now: Time) -> Found {
    let Some(entry) = entry else { return Found::Nothing { is_pass: false } };
    let is_pass = entry.pass_until > now;
    match entry.variants.iter().rev().find(|cached| cached.facts.matches(head)) {
        Some(cached) => Found::Fit(Arc::clone(cached)),
        None if entry.variants.is_empty() => Found::Nothing { is_pass },
        None => Found::Others { is_pass },
    }
}

/// There is nothing behind the lock that a panic could have left half done.
fn lock(turn: &Mutex<()>) -> MutexGuard<'_, ()> {
    turn.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Weighter<Key, Arc<Entry>> for Weigher {
    fn weight(&self, _key: &Key, entry: &Arc<Entry>) -> u64 {
        entry.bytes
    }
}

// === impl Key ===

impl Key {
    /// `None` where the host is no text.
    pub(super) fn of<T>(request: &Request<T>) -> Option<Self> {
        let headers = request.headers();
        let asked_host = headers.get(HOST)?;
        let host = headers.get(FORWARDED_HOST).unwrap_or(asked_host);
        let other = if host == asked_host { None } else { Some(asked_host.to_str().ok()?) };
        let host = host.to_str().ok()?.to_ascii_lowercase();
        // A service answers differently to http, most of all by sending the client to https.
        let is_https = headers.get(FORWARDED_PROTO).is_some_and(|proto| proto == "https");
        let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
        Some(Self { is_https, host: host.into(), target: target.into(), asked_host: other.map(Into::into) })
    }

    /// Another target of the same host.
    pub(super) fn beside(&self, target: &str) -> Self {
        Self { target: target.into(), ..self.clone() }
    }

    /// A place below `buckets`.
    pub(super) fn bucket(&self, buckets: usize) -> usize {
        let hash = hash_bytes(self.target.as_bytes());
        usize::try_from(hash % buckets as u64).expect("it is below a usize")
    }

    fn bytes(&self) -> usize {
        2 * (self.host.len() + self.target.len())
    }

    fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        KeyRef { is_https: self.is_https, host: &self.host, target: &self.target }.hash(state);
    }
}

impl Hash for KeyRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.is_https.hash(state);
        self.host.hash(state);
        self.target.hash(state);
    }
}

impl Equivalent<Key> for KeyRef<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        let is_same = *self.target == *key.target && *self.host == *key.host;
        is_same && self.is_https == key.is_https && key.asked_host.is_none()
    }
}

impl Cached {
    fn bytes(&self) -> usize {
        let of_headers: usize =
            self.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + HEADER_BYTES).sum();
        let of_tags: usize = self.tags.iter().map(|tag| tag.len() + 16).sum();
        self.facts.size() + of_headers + self.lines.len() + of_tags + self.body.len() + OVERHEAD
    }
}

impl Purge {
    fn takes(&self, key: &Key, entry: &Entry) -> bool {
        let is_host = self.host.as_ref().is_none_or(|host| host.eq_ignore_ascii_case(&key.host));
        is_host
            && match &self.by {
                PurgeBy::Path(path) if path.contains('?') => *path == *key.target,
                PurgeBy::Path(path) => path == key.path(),
                PurgeBy::Prefix(prefix) => key.target.starts_with(prefix.as_str()),
                PurgeBy::Tag(tag) => {
                    entry.variants.iter().any(|cached| cached.tags.iter().any(|own| **own == **tag))
                }
                PurgeBy::Everything => true,
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use floodway_policy::http_cache::{Moments, judge};
    use http::HeaderValue;
    use http::header::CACHE_CONTROL;
    use std::thread;

    fn key(target: &str) -> Key {
        let request = Request::builder().uri(target).header(HOST, "a").body(()).expect("a request");
        Key::of(&request).expect("a key")
    }

    fn cached(body: &'static str) -> Arc<Cached> {
        let mut headers = HeaderMap::new();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("max-age=60"));
        let moments = Moments { asked: Time::ZERO, answered: Time::ZERO, answered_wall: Wall(0) };
        let none = HeaderMap::new();
        let facts = judge(&Head(&none), 200, &Head(&headers), &CachePolicy::default(), moments);
        let (facts, body) = (facts.expect("it may be stored"), Bytes::from(body));
        let (status, lines, tags) = (StatusCode::OK, Bytes::new(), Box::default());
        Arc::new(Cached { facts, status, headers, lines, body, tags })
    }

    fn has(store: &Store, target: &str) -> bool {
        let key = KeyRef { is_https: false, host: "a", target };
        matches!(store.find_by(&key, &Head(&HeaderMap::new()), Time::ZERO), Found::Fit(_))
    }

    #[test]
    fn finds_by_parts_what_was_stored_by_key() {
        let store = Store::new(1 << 20);
        let key = key("/a?b");
        store.insert(&key, store.stamp(&key), cached("x"));
        assert!(has(&store, "/a?b") && !has(&store, "/a"));
        let other = Key { asked_host: Some("b".into()), ..key.clone() };
        store.insert(&other, store.stamp(&other), cached("y"));
        store.invalidate(&key);
        assert!(!has(&store, "/a?b"), "what a proxy asked for otherwise is another");
    }

    #[test]
    fn stores_nothing_from_before_a_change_or_a_purge() {
        let store = Store::new(1 << 20);
        let key = key("/");
        for change in [&(|| store.invalidate(&key)) as &dyn Fn(), &|| {
            store.purge(&Purge { host: None, by: PurgeBy::Tag("none".into()) });
        }] {
            let before = store.stamp(&key);
            change();
            store.insert(&key, before, cached("old"));
            assert!(!has(&store, "/"));
        }
    }

    /// Writers of a few keys and a purger at once; in the end nothing is left from before the last purge.
    #[test]
    fn keeps_its_word_under_threads() {
        let store = Store::new(1 << 20);
        thread::scope(|scope| {
            for writer in 0..4 {
                let store = &store;
                scope.spawn(move || {
                    for round in 0..500 {
                        let key = key(if (round + writer) % 2 == 0 { "/a" } else { "/b" });
                        let stamp = store.stamp(&key);
                        store.insert(&key, stamp, cached("x"));
                        if round % 50 == 0 {
                            store.invalidate(&key);
                        }
                    }
                });
            }
            scope.spawn(|| {
                for _ in 0..50 {
                    store.purge(&Purge { host: None, by: PurgeBy::Everything });
                }
            });
        });
        store.purge(&Purge { host: None, by: PurgeBy::Everything });
        assert_eq!((store.counts().bytes, has(&store, "/a"), has(&store, "/b")), (0, false, false));
    }
}
