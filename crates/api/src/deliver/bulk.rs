//! Several messages in one request: those that are to be delivered at about the same time wait for each other.
//! What becomes of each is its own affair: the answer has a status for each entry, and `policy::delivery` goes on
//! from there message by message.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use floodway_blocks::subscription::Bulk;
use floodway_policy::delivery::Outcome;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::perform::{CLOUD_EVENT, Letter};

/// Requests that are being filled, by their paths.
#[derive(Debug)]
pub(super) struct Batches {
    bulk: Bulk,
    open: RefCell<BTreeMap<String, Rc<Batch>>>,
}

/// A request takes no more entries once it is so large.
const BYTES_MAX: usize = 1 << 20;

#[derive(Debug, Default)]
struct Batch {
    entries: RefCell<Vec<Waiting>>,
    bytes: Cell<usize>,
    is_full: CancellationToken,
}

/// An entry whose message waits for what becomes of it.
#[derive(Debug)]
struct Waiting {
    entry: Entry,
    outcome: oneshot::Sender<Outcome>,
}

/// One message of a request.
#[derive(Debug, Serialize)]
struct Entry {
    /// Unique within a topic.
    #[serde(rename = "entryId")]
    id: String,
    /// The envelope, or the text of base64 that stands for a raw payload.
    event: Box<RawValue>,
    #[serde(rename = "contentType")]
    content_type: &'static str,
    metadata: BTreeMap<&'static str, String>,
}

#[derive(Debug, Serialize)]
struct Request<'a> {
    id: String,
    entries: Vec<&'a Entry>,
    metadata: BTreeMap<&'static str, String>,
    topic: &'a str,
    pubsubname: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
}

#[derive(Debug, Default, Deserialize)]
struct Answer {
    #[serde(default, alias = "Statuses")]
    statuses: Vec<Status>,
}

#[derive(Debug, Deserialize)]
struct Status {
    #[serde(default, rename = "entryId", alias = "entryID", alias = "EntryId")]
    id: String,
    #[serde(default, alias = "Status")]
    status: Option<String>,
}

/// What a request came to.
#[derive(Debug)]
pub(super) enum Came {
    /// The app answered, and not with 404.
    Answer(StatusCode, Bytes),
    /// It said nothing of the messages: the same for all.
    Nothing(Outcome),
}

// === impl Batches ===

impl Batches {
    /// `in_flight_max` messages are under way at once, so no more can meet in a request.
    pub(super) fn new(bulk: Bulk, in_flight_max: u16) -> Self {
        let count_max = bulk.count_max.clamp(1, usize::from(in_flight_max.max(1)));
        Self { bulk: Bulk { count_max, ..bulk }, open: RefCell::default() }
    }

    /// Delivers a message together with others that go the same way. Who comes first waits for others, until there
    /// are as many as may be, the time is over or `end` comes; then it sends for all. `send` posts a body.
    pub(super) async fn deliver(
        &self,
        (path, letter, attempt): (&str, &Letter, u32),
        (topics, topic): (&str, &str),
        end: &CancellationToken,
        send: impl AsyncFnOnce(Bytes) -> Came,
    ) -> Outcome {
        let (outcome, told) = oneshot::channel();
        if let Some(batch) = self.join(path, Waiting { entry: Entry::new(letter, attempt), outcome }) {
            tokio::select! {
                () = batch.is_full.cancelled() => {}
                () = end.cancelled() => {}
                () = tokio::time::sleep(self.bulk.wait_max) => {}
            }
            self.close(path, &batch);
            let waiting = batch.entries.take();
            let came = send(encode(&waiting, topics, topic)).await;
            tell(waiting, came);
        }
        told.await.unwrap_or(Outcome::Failed)
    }

    /// Adds an entry to the request that is being filled. The first one gets the request: it must send it.
    fn join(&self, path: &str, waiting: Waiting) -> Option<Rc<Batch>> {
        let mut open = self.open.borrow_mut();
        let is_first = !open.contains_key(path);
        let batch = Rc::clone(open.entry(path.to_owned()).or_default());
        batch.bytes.set(batch.bytes.get() + waiting.entry.event.get().len());
        batch.entries.borrow_mut().push(waiting);
        if batch.entries.borrow().len() >= self.bulk.count_max || batch.bytes.get() >= BYTES_MAX {
            open.remove(path);
            batch.is_full.cancel();
        }
        is_first.then_some(batch)
    }

    /// Nothing more comes into this one.
    fn close(&self, path: &str, batch: &Rc<Batch>) {
        let mut open = self.open.borrow_mut();
        if open.get(path).is_some_and(|other| Rc::ptr_eq(other, batch)) {
            open.remove(path);
        }
    }
}

impl Entry {
    fn new(letter: &Letter, attempt: u32) -> Self {
        let envelope = || serde_json::from_slice::<Box<RawValue>>(&letter.envelope).ok();
        let envelope = if letter.is_raw { None } else { envelope() };
        let (event, content_type) = match envelope {
            Some(event) => (event, CLOUD_EVENT),
            None => (base64(&letter.payload), "application/octet-stream"),
        };
        let metadata = BTreeMap::from([(super::perform::ATTEMPT, attempt.to_string())]);
        Self { id: letter.position.0.to_string(), event, content_type, metadata }
    }
}

fn base64(payload: &[u8]) -> Box<RawValue> {
    to_raw_value(&STANDARD.encode(payload)).expect("a text is JSON")
}

fn encode(waiting: &[Waiting], topics: &str, topic: &str) -> Bytes {
    let request = Request {
        id: Uuid::new_v4().to_string(),
        entries: waiting.iter().map(|waiting| &waiting.entry).collect(),
        metadata: BTreeMap::new(),
        topic,
        pubsubname: topics,
        kind: "com.dapr.event.sent.bulk",
    };
    serde_json::to_vec(&request).expect("a request is JSON").into()
}

/// Tells each message what became of it.
fn tell(waiting: Vec<Waiting>, came: Came) {
    let of = outcomes(came);
    for Waiting { entry, outcome } in waiting {
        if outcome.send(of(&entry.id)).is_err() {
            tracing::debug!(entry = entry.id, "nobody waits for what became of an entry");
        }
    }
}

/// What became of each entry. Unlike the answer to a single message, one without a status for an entry wants
/// it again.
fn outcomes(came: Came) -> impl Fn(&str) -> Outcome {
    let (all, answer) = match came {
        Came::Nothing(outcome) => (Some(outcome), Answer::default()),
        Came::Answer(status, _) if !status.is_success() => (Some(Outcome::Failed), Answer::default()),
        Came::Answer(_, body) => (None, serde_json::from_slice(&body).unwrap_or_default()),
    };
    let mut each = BTreeMap::new();
    for Status { id, status } in answer.statuses {
        let outcome = match status.as_deref() {
            Some("SUCCESS") => Outcome::Success,
            Some("DROP") => Outcome::Drop,
            _ => Outcome::Retry,
        };
        each.entry(id).or_insert(outcome);
    }
    move |id| all.or_else(|| each.get(id).copied()).unwrap_or(Outcome::Retry)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: u16, body: &'static str) -> [Outcome; 3] {
        let came = Came::Answer(
            StatusCode::from_u16(status).expect("a status"),
            Bytes::from_static(body.as_bytes()),
        );
        ["1", "2", "3"].map(outcomes(came))
    }

    #[test]
    fn an_entry_without_a_status_comes_again() {
        use Outcome::{Drop, Failed, Retry, Success, Unreachable};
        let body = r#"{"statuses":[{"entryId":"1","status":"SUCCESS"},{"entryID":"2","status":"DROP"}]}"#;
        assert_eq!(of(200, body), [Success, Drop, Retry]);
        let body =
            r#"{"statuses":[{"entryId":"1","status":""},{"entryId":"2"},{"entryId":"3","status":"WHAT"}]}"#;
        assert_eq!(of(200, body), [Retry; 3]);
        for body in ["", "null", "no json", "{}", r#"{"status":"SUCCESS"}"#] {
            assert_eq!(of(200, body), [Retry; 3], "{body}");
        }
        assert_eq!(of(500, r#"{"statuses":[{"entryId":"1","status":"SUCCESS"}]}"#), [Failed; 3]);
        assert_eq!(["1"].map(outcomes(Came::Nothing(Unreachable))), [Unreachable]);
    }
}
