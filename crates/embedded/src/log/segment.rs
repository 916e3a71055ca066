//! One file of the log, and which topics have messages in it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, RwLock};

use super::frame::SegmentHead;
use crate::disk::DiskFile;
use crate::sync::{lock, read, write};
use crate::topics::TopicId;

/// A segment. Its file is written by the committer only and read by anyone.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) head: SegmentHead,
    pub(crate) name: String,
    pub(crate) file: Arc<dyn DiskFile>,
    spans: Mutex<Spans>,
}

#[derive(Debug)]
struct Spans {
    last: u64,
    topics: HashMap<TopicId, Span>,
}

/// Where in a segment a topic's messages are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    /// Position of the last message.
    pub(crate) last: u64,
    /// Offset of the frame that holds the first one.
    pub(crate) offset: u64,
}

impl Segment {
    pub(crate) fn new(head: SegmentHead, name: String, file: Arc<dyn DiskFile>) -> Self {
        let spans = Spans { last: head.first - 1, topics: HashMap::new() };
        Self { head, name, file, spans: Mutex::new(spans) }
    }

    /// Number of the last operation in it that is visible.
    pub(crate) fn last(&self) -> u64 {
        lock(&self.spans).last
    }

    /// The frame that ends with operation `last` is visible now.
    pub(crate) fn extend(&self, last: u64) {
        lock(&self.spans).last = last;
    }

    /// A frame at `offset` holds a message of the topic.
    pub(crate) fn note(&self, topic: TopicId, position: u64, offset: u64) {
        lock(&self.spans)
            .topics
            .entry(topic)
            .and_modify(|span| span.last = position)
            .or_insert(Span { last: position, offset });
    }

    /// Where the topic's messages are in it, if there are any.
    pub(crate) fn span(&self, topic: TopicId) -> Option<Span> {
        lock(&self.spans).topics.get(&topic).copied()
    }

    /// The topics that have messages in it, with the last position of each.
    pub(crate) fn topics(&self) -> Vec<(TopicId, u64)> {
        let mut topics: Vec<_> =
            lock(&self.spans).topics.iter().map(|(&topic, span)| (topic, span.last)).collect();
        topics.sort_unstable();
        topics
    }
}

/// All segments, oldest first; shared by the committer, the reader and the keeper.
#[derive(Debug, Default)]
pub(crate) struct Segments(RwLock<Vec<Arc<Segment>>>);

impl Segments {
    pub(crate) fn push(&self, segment: Arc<Segment>) {
        write(&self.0).push(segment);
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        read(&self.0).len()
    }

    pub(crate) fn oldest_two(&self) -> Option<[Arc<Segment>; 2]> {
        match read(&self.0).as_slice() {
            [first, second, ..] => Some([Arc::clone(first), Arc::clone(second)]),
            _ => None,
        }
    }

    /// The first segment from number `number` on that has messages of the topic at or after `position`.
    pub(crate) fn with(&self, topic: TopicId, number: u64, position: u64) -> Option<(Arc<Segment>, Span)> {
        read(&self.0).iter().filter(|segment| segment.head.number >= number).find_map(|segment| {
            let span = segment.span(topic).filter(|span| span.last >= position)?;
            Some((Arc::clone(segment), span))
        })
    }

    pub(crate) fn remove_oldest(&self) {
        let mut all = write(&self.0);
        if !all.is_empty() {
            all.remove(0);
        }
    }
}
