//! What a commit does to topics: messages now and for later, names that are used up, groups.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use floodway_blocks::Failure;
use floodway_blocks::topics::{Forget, Once, Outgoing, Position, Received};

use super::Plan;
use crate::clock::{expiry, expiry_ms, to_ms};
use crate::error::{damaged, io_failure};
use crate::op::{self, Op, encode_positions};
use crate::shared::SEEN;
use crate::topics::Topic;
use crate::topics::group::Group;
use crate::topics::later::{LATER, due_of, later_key};
use crate::view::{self, Edit, META, Place, Stored, named_key};

/// Messages for later that are read at once.
const RELEASED_AT_ONCE: usize = 16;
/// A commit that has so many bytes takes no more messages whose time has come.
const RELEASED_BYTES: usize = 1 << 20;

impl Plan<'_> {
    /// Publishes messages to one topic; those without a name take the short way.
    pub(super) fn publish_to(&mut self, topic: &Arc<Topic>, messages: Vec<Outgoing>) -> Result<(), Failure> {
        self.needs(topic.component.durability);
        if messages.iter().all(|message| message.once.is_none()) {
            for message in messages {
                self.publish(topic, message);
            }
            return Ok(());
        }
        let messages = messages.into_iter().map(|message| (Arc::clone(topic), message)).collect();
        self.first_ones(messages).map(|messages| self.publish_all(messages))
    }

    pub(super) fn publish_all(&mut self, messages: Vec<(Arc<Topic>, Outgoing)>) {
        for (topic, message) in messages {
            if let Some(once) = &message.once {
                self.remember(&topic, once);
            }
            self.publish(&topic, message);
        }
    }

    /// Publishes a message now, or keeps it for later.
    pub(super) fn publish(&mut self, topic: &Arc<Topic>, mut message: Outgoing) {
        self.needs(topic.component.durability);
        message.key = message.key.filter(|key| !key.is_empty());
        match message.due.map(to_ms).filter(|due| *due > self.now_ms) {
            Some(due) => self.keep_for_later(topic, &message, due),
            None => self.append(topic, message),
        }
    }

    fn append(&mut self, topic: &Arc<Topic>, message: Outgoing) {
        let position = Position(self.next());
        self.frame.push(&message_op(topic, &message));
        let Outgoing { payload, expires, key, .. } = message;
        self.effects.messages.push((Arc::clone(topic), Received { position, payload, expires, key }));
    }

    fn keep_for_later(&mut self, topic: &Topic, message: &Outgoing, due: u64) {
        let (number, mut value) = (self.next(), Vec::new());
        message_op(topic, message).encode(&mut value);
        let key = later_key(due, number);
        self.frame.push(&Op::Put { store: LATER, key: &key, expires: 0, value: &value });
        let place = Place { space: self.core.spaces.later, store: LATER, key: &key };
        view::put(&mut self.effects.edits, place, number, 0, &value);
        self.effects.first_due = Some(self.effects.first_due.map_or(due, |first| first.min(due)));
    }

    /// Publishes messages whose time has come, as many as one commit takes; says when the next one's does.
    pub(super) fn release(&mut self) -> Result<Option<u64>, Failure> {
        // What this commit has done so far cannot be seen yet.
        if std::mem::replace(&mut self.has_released, true) {
            return Ok(Some(self.now_ms));
        }
        let mut from = Vec::new();
        loop {
            let found = self.core.view.range(self.core.spaces.later, &from, b"~", RELEASED_AT_ONCE);
            let found = found.map_err(|error| io_failure("read messages for later", &Arc::new(error)))?;
            let is_last = found.len() < RELEASED_AT_ONCE;
            for (key, value) in found {
                let due = due_of(&key);
                if due > Some(self.now_ms) || self.frame.len() >= RELEASED_BYTES {
                    return Ok(due);
                }
                self.release_one(&key, value)?;
                from = [&key, b"\0".as_slice()].concat();
            }
            if is_last {
                return Ok(None);
            }
        }
    }

    fn release_one(&mut self, key: &[u8], value: fjall::Slice) -> Result<(), Failure> {
        let wrong = || damaged("a message for later".to_owned());
        let key = std::str::from_utf8(key).map_err(|_error| wrong())?;
        let stored = Stored::parse(value).ok_or_else(wrong)?;
        let Some(Op::Message { topics, topic, expires, key: of, payload }) = op::decode(&mut stored.value())
        else {
            return Err(wrong());
        };
        let topic = self.core.registry.restore(topics, topic);
        let key_of = (!of.is_empty()).then(|| Arc::from(of));
        let message = Outgoing {
            expires: expiry(expires),
            key: key_of,
            ..Outgoing::new(Bytes::copy_from_slice(payload))
        };
        self.append(&topic, message);
        self.needs(topic.component.durability);
        self.frame.push(&Op::Delete { store: LATER, key });
        view::delete(&mut self.effects.edits, Place { space: self.core.spaces.later, store: LATER, key });
        Ok(())
    }

    /// The messages without those that were published before under their name.
    pub(super) fn first_ones(
        &self,
        mut messages: Vec<(Arc<Topic>, Outgoing)>,
    ) -> Result<Vec<(Arc<Topic>, Outgoing)>, Failure> {
        let (mut named, mut failed) = (HashSet::new(), None);
        messages.retain(|(topic, message)| {
            let Some(once) = &message.once else { return true };
            let key = seen_key(topic, once);
            let known = self.version(self.core.spaces.seen, &key).unwrap_or_else(|failure| {
                failed = Some(failure);
                None
            });
            known.is_none() && named.insert(key)
        });
        failed.map_or(Ok(messages), Err)
    }

    fn remember(&mut self, topic: &Topic, once: &Once) {
        let (number, expires, key) = (self.next(), self.due(once.keep), seen_key(topic, once));
        self.frame.push(&Op::Put { store: SEEN, key: &key, expires, value: b"" });
        let place = Place { space: self.core.spaces.seen, store: SEEN, key: &key };
        view::put(&mut self.effects.edits, place, number, expires, b"");
        self.overlay.entry(place.space).or_default().insert(key, Some(number));
    }

    pub(super) fn open(&mut self, topic: &Arc<Topic>, name: &str) {
        let is_opening =
            self.effects.opened.iter().any(|(other, opened, _)| Arc::ptr_eq(other, topic) && opened == name);
        if is_opening || topic.group(name).is_some_and(|group| !group.is_over()) {
            return;
        }
        let number = self.next();
        let is_first = self.effects.opened.iter().all(|(other, ..)| !Arc::ptr_eq(other, topic));
        let cursor = if is_first { topic.start_of_group(number) } else { number };
        let topics = topic.component.name.as_str();
        self.frame.push(&Op::Group { topics, topic: &topic.name, group: name });
        self.effects.edits.push(group_edit([topics, &topic.name, name], cursor, &[]));
        self.effects.opened.push((Arc::clone(topic), name.to_owned(), cursor));
        self.needs(topic.component.durability);
    }

    pub(super) fn forget(&mut self, topic: &Arc<Topic>, name: &str) -> Forget {
        let Some(group) = topic.group(name).filter(|group| !group.is_over()) else { return Forget::Unknown };
        if !group.end() {
            return Forget::InUse;
        }
        let topics = topic.component.name.as_str();
        self.frame.push(&Op::GroupOver { topics, topic: &topic.name, group: name });
        self.effects.edits.push(group_over_edit([topics, &topic.name, name]));
        self.effects.forgotten.push(group);
        self.needs(topic.component.durability);
        Forget::Done
    }

    pub(super) fn write_progress(&mut self, group: &Arc<Group>, and: Option<u64>) {
        // It would bring the group back.
        if group.is_over() {
            return;
        }
        let (cursor, beyond) = group.progress(and);
        let (topics, topic) = (group.topic.component.name.as_str(), group.topic.name.as_str());
        self.effects.edits.push(group_edit([topics, topic, &group.name], cursor, &beyond));
        self.frame.push(&Op::Progress { topics, topic, group: &group.name, cursor, beyond });
    }
}

fn message_op<'m>(topic: &'m Topic, message: &'m Outgoing) -> Op<'m> {
    let (topics, topic, expires) = (&topic.component.name, &topic.name, expiry_ms(message.expires));
    Op::Message {
        topics,
        topic,
        expires,
        key: message.key.as_deref().unwrap_or_default(),
        payload: &message.payload,
    }
}

/// Where the name of a message that is published once is kept.
fn seen_key(topic: &Topic, once: &Once) -> String {
    [&topic.component.name, topic.name.as_str(), &once.id].join("\0")
}

/// A group's progress in the view.
pub(crate) fn group_edit(name: [&str; 3], cursor: u64, beyond: &[u64]) -> Edit {
    let mut value = Vec::new();
    encode_positions(&mut value, cursor, beyond);
    Edit { space: META, key: named_key('g', &name).into(), value: Some(value.into()) }
}

/// A group is there no more.
pub(crate) fn group_over_edit(name: [&str; 3]) -> Edit {
    Edit { space: META, key: named_key('g', &name).into(), value: None }
}
