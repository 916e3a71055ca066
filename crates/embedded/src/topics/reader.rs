//! Reads messages that are no longer in memory, on a thread of its own: a cold disk stalls no worker.

use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use bytes::Bytes;
use floodway_blocks::Failure;
use floodway_blocks::topics::Received;
use tokio::sync::{mpsc, oneshot};

use super::{Topic, received};
use crate::error::{damaged, io_failure, stopping};
use crate::log::frame::{Frame, FrameReader, Next};
use crate::log::{Segment, Segments};
use crate::op::{self, Op};
use crate::options::NAME;
use crate::sync::lock;

/// Bytes of messages in one answer, except that there is always room for one message.
const ANSWER_BYTES: usize = 1 << 20;
/// Questions that wait.
const WAITING: usize = 64;

/// Where a reader goes on: the frame at `offset` of segment `number` holds nothing that it still needs
/// before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hint {
    number: u64,
    offset: u64,
}

/// A question: messages of a topic at positions `from..=upto`.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) topic: Arc<Topic>,
    pub(crate) from: u64,
    pub(crate) upto: u64,
    pub(crate) most: usize,
    pub(crate) hint: Option<Hint>,
}

/// The answer: all messages of the topic from `from` to `through`.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) messages: Vec<Received>,
    pub(crate) through: u64,
    pub(crate) hint: Option<Hint>,
}

type Question = (Wanted, oneshot::Sender<Result<Read, Failure>>);

/// Asks the reading thread.
#[derive(Debug)]
pub(crate) struct Reader {
    questions: Mutex<Option<mpsc::Sender<Question>>>,
}

impl Reader {
    /// Starts the thread. It ends after [`Reader::stop`].
    pub(crate) fn start(segments: Arc<Segments>) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (questions, mut waiting) = mpsc::channel::<Question>(WAITING);
        let thread = std::thread::Builder::new().name("floodway-read".into()).spawn(move || {
            while let Some((wanted, answer)) = waiting.blocking_recv() {
                // Nobody waits any more for an answer that cannot be sent.
                drop(answer.send(read(&segments, &wanted)));
            }
        })?;
        Ok((Self { questions: Mutex::new(Some(questions)) }, thread))
    }

    /// Reads from the log. Cancel safe: nothing is consumed.
    pub(crate) async fn read(&self, wanted: Wanted) -> Result<Read, Failure> {
        let (answer, answered) = oneshot::channel();
        let questions = lock(&self.questions).clone().ok_or_else(stopping)?;
        if questions.send((wanted, answer)).await.is_err() {
            return Err(stopping());
        }
        drop(questions);
        answered.await.unwrap_or_else(|_| Err(stopping()))
    }

    /// Ends the thread once it has answered what waits.
    pub(crate) fn stop(&self) {
        drop(lock(&self.questions).take());
    }
}

fn read(segments: &Segments, wanted: &Wanted) -> Result<Read, Failure> {
    let mut collected = Collected { wanted, messages: Vec::new(), bytes: 0, is_full: false };
    let mut hint = wanted.hint;
    loop {
        let number = hint.map_or(0, |hint| hint.number);
        let Some((segment, span)) = segments.with(wanted.topic.id, number, wanted.from) else {
            return Ok(collected.answer(wanted.upto, hint));
        };
        if segment.head.first > wanted.upto {
            return Ok(collected.answer(wanted.upto, hint));
        }
        let same = hint.filter(|hint| hint.number == segment.head.number);
        let offset = same.map_or(span.offset, |hint| hint.offset.max(span.offset));
        let stopped = read_segment(&segment, offset, span.last.min(wanted.upto), &mut collected)?;
        if let Some(offset) = stopped {
            let newest = collected.messages.last().filter(|_| collected.is_full);
            let through = newest.map_or(wanted.upto, |newest| newest.position.0);
            return Ok(collected.answer(through, Some(Hint { number: segment.head.number, offset })));
        }
        hint = Some(Hint { number: segment.head.number + 1, offset: 0 });
    }
}

/// Reads frames until the last wanted operation of this segment, or until enough is collected: then it
/// says at which offset to go on.
fn read_segment(
    segment: &Segment,
    offset: u64,
    last: u64,
    collected: &mut Collected<'_>,
) -> Result<Option<u64>, Failure> {
    let mut reader = FrameReader::new(segment.file.as_ref(), segment.head.salt, offset);
    loop {
        let offset = reader.offset();
        let next =
            reader.next().map_err(|error| io_failure(format!("read {}", segment.name), &Arc::new(error)))?;
        let Next::Frame(frame) = next else {
            return Err(damaged(format!("{} has no frame at byte {offset}", segment.name)));
        };
        if frame.first > last {
            return Ok(Some(offset).filter(|_| last >= collected.wanted.upto));
        }
        let frame_last = frame.last();
        collected.take(frame).ok_or_else(|| {
            damaged(format!("{} holds a frame at byte {offset} that {NAME} cannot read", segment.name))
        })?;
        if collected.is_full {
            return Ok(Some(offset));
        }
        if frame_last >= last {
            let done = last >= collected.wanted.upto;
            return Ok(done.then_some(if frame_last > last { offset } else { reader.offset() }));
        }
    }
}

struct Collected<'w> {
    wanted: &'w Wanted,
    messages: Vec<Received>,
    bytes: usize,
    is_full: bool,
}

impl Collected<'_> {
    /// Takes the wanted messages out of a frame; `None` if the frame makes no sense.
    fn take(&mut self, frame: Frame<'_>) -> Option<()> {
        if frame.last() < self.wanted.from {
            return Some(());
        }
        let (mut rest, mut position) = (frame.body, frame.first);
        while !rest.is_empty() {
            let op = op::decode(&mut rest)?;
            self.take_op(position, &op);
            if self.is_full {
                break;
            }
            position += 1;
        }
        Some(())
    }

    fn take_op(&mut self, position: u64, op: &Op<'_>) {
        let &Op::Message { topics, topic, expires, key, payload } = op else { return };
        if position < self.wanted.from
            || position > self.wanted.upto
            || !is_of(&self.wanted.topic, topics, topic)
        {
            return;
        }
        self.messages.push(received(position, Bytes::copy_from_slice(payload), expires, key));
        self.bytes += payload.len();
        self.is_full = self.messages.len() >= self.wanted.most || self.bytes >= ANSWER_BYTES;
    }

    fn answer(self, through: u64, hint: Option<Hint>) -> Read {
        Read { messages: self.messages, through, hint }
    }
}

fn is_of(topic: &Topic, component: &str, name: &str) -> bool {
    topic.name == name && topic.component.name == component
}
