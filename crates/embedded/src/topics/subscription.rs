//! A group's open subscription.

use std::collections::VecDeque;
use std::sync::Arc;

use floodway_blocks::topics::{Outgoing, Position, Received, Settlement, Subscription};
use floodway_blocks::{Failure, PortFuture};

use super::group::Group;
use super::reader::{Hint, Wanted};
use super::{Recent, Topic};
use crate::commit::request::Request;
use crate::error::refused;
use crate::shared::Shared;

/// Messages read from the log at once.
const READ_MESSAGES: usize = 1024;

/// The place of one opening of a group.
#[derive(Debug)]
pub(crate) struct OpenGroup {
    core: Arc<Shared>,
    group: Arc<Group>,
    opening: u64,
    /// Read from the log, not handed out yet.
    ahead: VecDeque<Received>,
    ahead_through: u64,
    hint: Option<Hint>,
}

enum Look {
    Found(Vec<Received>),
    Wait,
    ReadUpto { from: u64, upto: u64 },
}

impl OpenGroup {
    /// `None` if the group is over.
    pub(crate) fn new(core: Arc<Shared>, group: Arc<Group>) -> Option<Self> {
        let opening = group.open()?;
        Some(Self { core, group, opening, ahead: VecDeque::new(), ahead_through: 0, hint: None })
    }

    async fn next_messages(&mut self, most: usize) -> Result<Vec<Received>, Failure> {
        loop {
            let group = Arc::clone(&self.group);
            let (published, room) = (group.topic.published.notified(), group.room.notified());
            let (mut published, mut room) = (std::pin::pin!(published), std::pin::pin!(room));
            // Registered before the look, so that nothing that comes after it is missed.
            published.as_mut().enable();
            room.as_mut().enable();
            match self.look(most)? {
                Look::Found(messages) => return Ok(messages),
                Look::ReadUpto { from, upto } => self.read_ahead(from, upto).await?,
                Look::Wait => {
                    self.core.check_open()?;
                    tokio::select! { () = published => {}, () = room => {} }
                }
            }
        }
    }

    fn look(&mut self, most: usize) -> Result<Look, Failure> {
        loop {
            let (next, room) = self.group.room(self.opening, self.core.limits.window)?;
            let most = most.min(room);
            if most == 0 {
                return Ok(Look::Wait);
            }
            let candidates = if self.ahead.is_empty() {
                match self.group.topic.recent(next, most) {
                    Recent::Here(messages) if messages.is_empty() => return Ok(Look::Wait),
                    Recent::Here(messages) => messages,
                    Recent::From(from) => return Ok(Look::ReadUpto { from: next, upto: from - 1 }),
                }
            } else {
                self.take_ahead(most)
            };
            let messages = self.hand_out(candidates);
            if !messages.is_empty() {
                return Ok(Look::Found(messages));
            }
        }
    }

    fn take_ahead(&mut self, most: usize) -> Vec<Received> {
        let most = most.min(self.ahead.len());
        self.ahead.drain(..most).collect()
    }

    fn hand_out(&mut self, candidates: Vec<Received>) -> Vec<Received> {
        let messages = candidates
            .into_iter()
            .filter(|message| self.group.hand_out(self.opening, message.position.0))
            .collect();
        if self.ahead.is_empty() {
            self.group.skip_to(self.opening, self.ahead_through);
        }
        messages
    }

    async fn read_ahead(&mut self, from: u64, upto: u64) -> Result<(), Failure> {
        let topic = Arc::clone(&self.group.topic);
        let wanted = Wanted { topic, from, upto, most: READ_MESSAGES, hint: self.hint };
        let read = self.core.reader.read(wanted).await?;
        self.hint = read.hint;
        self.ahead_through = read.through;
        if read.messages.is_empty() {
            self.group.skip_to(self.opening, read.through);
        }
        self.ahead = read.messages.into();
        Ok(())
    }

    async fn bury(&self, position: u64, dead_letters: &str) -> Result<(), Failure> {
        let component = &self.group.topic.component;
        let topic = self.core.registry.topic(component, dead_letters)?;
        let message = self.find(position).await?;
        let group = Arc::clone(&self.group);
        self.core.ask(|reply| Request::Bury { group, position, topic, message, reply }).await?
    }

    /// Reads a message that was handed out once more. Its time may be what it was given up for: as a dead letter it
    /// has all of it.
    async fn find(&self, position: u64) -> Result<Outgoing, Failure> {
        let topic = &self.group.topic;
        let found = match topic.recent(position, 1) {
            Recent::Here(messages) => messages.into_iter().next(),
            Recent::From(_) => self.find_in_log(topic, position).await?,
        };
        let found = found.filter(|message| message.position.0 == position);
        let outgoing = found.map(|Received { payload, key, .. }| Outgoing { key, ..Outgoing::new(payload) });
        outgoing.ok_or_else(|| {
            let why = "the log does not hold it any more".to_owned();
            refused(format!("find message {position} of topic {}", topic.name), why)
        })
    }

    async fn find_in_log(&self, topic: &Arc<Topic>, position: u64) -> Result<Option<Received>, Failure> {
        let topic = Arc::clone(topic);
        let wanted = Wanted { topic, from: position, upto: position, most: 1, hint: None };
        Ok(self.core.reader.read(wanted).await?.messages.into_iter().next())
    }
}

impl Drop for OpenGroup {
    fn drop(&mut self) {
        self.group.close(self.opening);
    }
}

impl Subscription for OpenGroup {
    fn receive(&mut self, most: usize) -> PortFuture<'_, Result<Vec<Received>, Failure>> {
        Box::pin(self.next_messages(most.max(1)))
    }

    fn settle(
        &self,
        Position(position): Position,
        settlement: Settlement,
    ) -> PortFuture<'_, Result<(), Failure>> {
        Box::pin(async move {
            match settlement {
                Settlement::Done => {
                    self.group.settle(position);
                    self.core.queue.note_progress(&self.group);
                    Ok(())
                }
                Settlement::DeadLetter { topic } => self.bury(position, &topic).await,
            }
        })
    }
}
