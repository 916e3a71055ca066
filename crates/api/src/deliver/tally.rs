//! What is counted of a subscription's deliveries.
//!
//! The thread that delivers writes; whoever asks reads, from any thread.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use floodway_blocks::topics::{Position, Received};
use floodway_policy::delivery::Reason;
use serde::Deserialize;

use crate::clock;

/// What a node counted of one subscription since it was started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeliveryMetrics {
    /// The app that subscribes.
    pub app: String,
    /// The topics component.
    pub topics: String,
    /// The topic in it.
    pub topic: String,
    /// Deliveries of messages that were tried.
    pub attempts: u64,
    /// Those of them that were not the first of their message.
    pub redeliveries: u64,
    /// Messages that the app took.
    pub consumed: u64,
    /// Messages that it did not take, and that are over: dropped, expired, or without a route.
    pub dropped: u64,
    /// Messages that were given up and went to the dead-letter topic.
    pub dead_letters: u64,
    /// Messages that are being delivered, or wait for another attempt.
    pub in_flight: u64,
    /// How old the oldest message is that is not settled; `None` where all that were received are. Known to the
    /// second.
    pub oldest: Option<Duration>,
}

/// The counts of one subscription.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    attempts: AtomicU64,
    redeliveries: AtomicU64,
    consumed: AtomicU64,
    dropped: AtomicU64,
    dead_letters: AtomicU64,
    in_flight: AtomicU64,
    /// When the oldest unsettled message was published, in milliseconds since 1970; 0 for none.
    oldest_ms: AtomicU64,
}

/// The messages that a subscription holds; a new one begins with none.
#[derive(Debug)]
pub(super) struct Held {
    tally: Arc<Tally>,
    messages: BTreeMap<Position, (SystemTime, Bytes)>,
    /// The oldest when it was last told.
    oldest: Option<Position>,
}

// === impl Tally ===

impl Tally {
    pub(super) fn count_attempt(&self, attempt: u32) {
        self.attempts.fetch_add(1, Ordering::Relaxed);
        self.redeliveries.fetch_add(u64::from(attempt > 1), Ordering::Relaxed);
    }

    pub(super) fn count_end(&self, reason: Reason, is_dead_letter: bool) {
        let count = match reason {
            Reason::Consumed => &self.consumed,
            _ if is_dead_letter => &self.dead_letters,
            Reason::Dropped | Reason::NotFound | Reason::Unmatched | Reason::Expired | Reason::Exhausted => {
                &self.dropped
            }
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// As it is now.
    pub(crate) fn read(&self, [app, topics, topic]: [&str; 3], now: SystemTime) -> DeliveryMetrics {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let oldest = Some(of(&self.oldest_ms)).filter(|oldest| *oldest > 0);
        let oldest = oldest.map(|ms| UNIX_EPOCH + Duration::from_millis(ms));
        DeliveryMetrics {
            app: app.to_owned(),
            topics: topics.to_owned(),
            topic: topic.to_owned(),
            attempts: of(&self.attempts),
            redeliveries: of(&self.redeliveries),
            consumed: of(&self.consumed),
            dropped: of(&self.dropped),
            dead_letters: of(&self.dead_letters),
            in_flight: of(&self.in_flight),
            oldest: oldest.map(|oldest| now.duration_since(oldest).unwrap_or_default()),
        }
    }
}

// === impl Held ===

impl Held {
    pub(super) fn new(tally: Arc<Tally>) -> Self {
        Self { tally, messages: BTreeMap::new(), oldest: None }
    }

    pub(super) fn receive(&mut self, message: &Received) {
        self.messages.insert(message.position, (clock::wall(), message.payload.clone()));
        self.tally.in_flight.store(self.messages.len() as u64, Ordering::Relaxed);
    }

    pub(super) fn settle(&mut self, position: Position) {
        self.messages.remove(&position);
        self.tally.in_flight.store(self.messages.len() as u64, Ordering::Relaxed);
    }

    /// Tells the age of the oldest message. Reads an envelope: not for every message.
    pub(super) fn tell_oldest(&mut self) {
        let oldest = self.messages.first_key_value();
        let position = oldest.map(|(position, _)| *position);
        if position == self.oldest {
            return;
        }
        self.oldest = position;
        let since = oldest.map(|(_, (received, payload))| published(payload).unwrap_or(*received));
        let since = since.and_then(|moment| moment.duration_since(UNIX_EPOCH).ok());
        let since = since.and_then(|since| u64::try_from(since.as_millis()).ok());
        self.tally.oldest_ms.store(since.unwrap_or(0), Ordering::Relaxed);
    }
}

impl Drop for Held {
    /// What is held no more is nobody's until it is received again.
    fn drop(&mut self) {
        self.messages.clear();
        self.tally.in_flight.store(0, Ordering::Relaxed);
        self.tell_oldest();
    }
}

/// When a message was published, as its envelope says.
fn published(payload: &[u8]) -> Option<SystemTime> {
    #[derive(Deserialize)]
    struct Envelope<'a> {
        time: &'a str,
    }
    let envelope: Envelope<'_> = serde_json::from_slice(payload).ok()?;
    envelope.time.parse::<jiff::Timestamp>().ok().map(SystemTime::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(position: u64, payload: &str) -> Received {
        Received {
            position: Position(position),
            payload: Bytes::copy_from_slice(payload.as_bytes()),
            expires: None,
            key: None,
        }
    }

    #[test]
    fn the_oldest_is_what_is_not_settled_and_as_old_as_its_envelope_says() {
        let tally = Arc::new(Tally::default());
        let mut held = Held::new(Arc::clone(&tally));
        let now = UNIX_EPOCH + Duration::from_secs(1_000_000_100);
        let read = |held: &mut Held| {
            held.tell_oldest();
            let metrics = tally.read(["app", "events", "a"], now);
            (metrics.in_flight, metrics.oldest)
        };
        assert_eq!(read(&mut held), (0, None));
        held.receive(&message(7, r#"{"time":"2001-09-09T01:47:40Z"}"#));
        held.receive(&message(5, r#"{"time":"2001-09-09T01:46:40Z"}"#));
        assert_eq!(read(&mut held), (2, Some(Duration::from_secs(100))));
        held.settle(Position(5));
        assert_eq!(read(&mut held), (1, Some(Duration::from_secs(40))));
        held.receive(&message(8, "no envelope"));
        held.settle(Position(7));
        let (in_flight, oldest) = read(&mut held);
        assert_eq!((in_flight, oldest), (1, Some(Duration::ZERO)), "it is as old as it was received");
        drop(held);
        assert_eq!(tally.read(["app", "events", "a"], now).oldest, None);
    }

    #[test]
    fn each_message_ends_once() {
        let tally = Tally::default();
        for attempt in [1, 2, 3] {
            tally.count_attempt(attempt);
        }
        tally.count_end(Reason::Consumed, false);
        tally.count_end(Reason::Exhausted, true);
        tally.count_end(Reason::Dropped, true);
        tally.count_end(Reason::Expired, false);
        let metrics = tally.read(["app", "events", "a"], UNIX_EPOCH);
        assert_eq!((metrics.attempts, metrics.redeliveries), (3, 2));
        assert_eq!((metrics.consumed, metrics.dead_letters, metrics.dropped), (1, 2, 1));
    }
}
