//! A group's progress in a topic.
//!
//! ```text
//!            cursor              next
//! … done done │ wait done wait done │ not handed out yet …
//!               └────── handed ────┘
//! ```

use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use floodway_blocks::Failure;
use tokio::sync::Notify;

use super::Topic;
use crate::error::stopping;
use crate::sync::lock;

/// The most positions that are remembered as settled before they are handed out again. Those above it
/// come again.
const BEYOND_MAX: usize = 65_536;

/// A group of a topic.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) topic: Arc<Topic>,
    pub(crate) name: String,
    state: Mutex<Progress>,
    /// Wakes a receiver that waits for settlements, or that was taken over.
    pub(crate) room: Notify,
    /// Whether there is progress that is not written yet.
    dirty: AtomicBool,
}

#[derive(Debug)]
struct Progress {
    /// Everything up to here is settled.
    cursor: u64,
    /// Settled beyond the cursor, not handed out by this opening.
    beyond: BTreeSet<u64>,
    handed: VecDeque<Handed>,
    unsettled: usize,
    /// The next position to hand out.
    next: u64,
    opening: u64,
    /// The present opening has a subscription.
    is_open: bool,
    /// The group is there no more.
    is_over: bool,
}

#[derive(Debug, Clone, Copy)]
struct Handed {
    position: u64,
    settled: bool,
}

impl Group {
    pub(crate) fn new(topic: Arc<Topic>, name: &str, cursor: u64, beyond: Vec<u64>) -> Self {
        let state = Progress {
            cursor,
            beyond: beyond.into_iter().collect(),
            handed: VecDeque::new(),
            unsettled: 0,
            next: cursor + 1,
            opening: 0,
            is_open: false,
            is_over: false,
        };
        let name = name.to_owned();
        Self { topic, name, state: Mutex::new(state), room: Notify::new(), dirty: AtomicBool::new(false) }
    }

    /// Opens the group: what was handed out and not settled comes again. Takes over from an earlier opening. `None` if
    /// the group is over.
    pub(crate) fn open(&self) -> Option<u64> {
        let mut state = lock(&self.state);
        if state.is_over {
            return None;
        }
        state.is_open = true;
        let settled: Vec<u64> =
            state.handed.drain(..).filter(|handed| handed.settled).map(|handed| handed.position).collect();
        state.beyond.extend(settled);
        state.unsettled = 0;
        state.next = state.cursor + 1;
        state.opening += 1;
        let opening = state.opening;
        drop(state);
        self.room.notify_waiters();
        Some(opening)
    }

    /// An opening ends.
    pub(crate) fn close(&self, opening: u64) {
        let mut state = lock(&self.state);
        if state.opening == opening {
            state.is_open = false;
        }
    }

    /// Ends the group, unless it is open; says whether it has.
    pub(crate) fn end(&self) -> bool {
        let mut state = lock(&self.state);
        state.is_over = !state.is_open;
        state.is_over
    }

    /// The group has not ended after all.
    pub(crate) fn go_on(&self) {
        lock(&self.state).is_over = false;
    }

    /// Whether it has ended.
    pub(crate) fn is_over(&self) -> bool {
        lock(&self.state).is_over
    }

    /// From which position this opening goes on, and how many messages it may still take.
    pub(crate) fn room(&self, opening: u64, window: usize) -> Result<(u64, usize), Failure> {
        let state = lock(&self.state);
        if state.opening != opening {
            return Err(stopping());
        }
        let room = if state.handed.len() >= 4 * window { 0 } else { window.saturating_sub(state.unsettled) };
        Ok((state.next, room))
    }

    /// Notes that a message is handed out; `false` if it was settled before or another opening goes on.
    pub(crate) fn hand_out(&self, opening: u64, position: u64) -> bool {
        let mut state = lock(&self.state);
        if state.opening != opening || position < state.next {
            return false;
        }
        let settled = state.beyond.remove(&position);
        state.next = position + 1;
        state.handed.push_back(Handed { position, settled });
        state.unsettled += usize::from(!settled);
        state.advance();
        !settled
    }

    /// Notes that there is nothing for this opening up to `position`.
    pub(crate) fn skip_to(&self, opening: u64, position: u64) {
        let mut state = lock(&self.state);
        if state.opening == opening {
            state.next = state.next.max(position + 1);
        }
    }

    /// Settles a message. Settling it twice, or one that is not handed out, changes nothing.
    pub(crate) fn settle(&self, position: u64) {
        let mut state = lock(&self.state);
        let at = state.handed.partition_point(|handed| handed.position < position);
        let is_new = match state.handed.get_mut(at) {
            Some(handed) if handed.position == position => !std::mem::replace(&mut handed.settled, true),
            _ => {
                let is_ahead = position > state.cursor && position >= state.next;
                if is_ahead && state.beyond.len() < BEYOND_MAX {
                    state.beyond.insert(position);
                }
                false
            }
        };
        if is_new {
            state.unsettled -= 1;
            state.advance();
            drop(state);
            self.room.notify_waiters();
        }
    }

    /// The cursor, and what is settled beyond it, ascending. With `and`, as if that were settled too.
    pub(crate) fn progress(&self, and: Option<u64>) -> (u64, Vec<u64>) {
        let state = lock(&self.state);
        let mut cursor = state.cursor;
        let mut beyond: BTreeSet<u64> = state.beyond.iter().copied().filter(|&at| at > cursor).collect();
        let settled = state.handed.iter().filter(|handed| handed.settled).map(|handed| handed.position);
        beyond.extend(settled);
        if let Some(also) = and.filter(|&also| also > cursor) {
            beyond.insert(also);
            for handed in &state.handed {
                if !beyond.remove(&handed.position) {
                    break;
                }
                cursor = handed.position;
            }
        }
        (cursor, beyond.into_iter().collect())
    }

    /// Everything up to here is settled.
    pub(crate) fn cursor(&self) -> u64 {
        lock(&self.state).cursor
    }

    /// Merges progress that was read from the log; it never goes back.
    pub(crate) fn restore(&self, cursor: u64, beyond: Vec<u64>) {
        let mut state = lock(&self.state);
        if cursor < state.cursor {
            return;
        }
        state.cursor = cursor;
        state.next = cursor + 1;
        state.beyond = beyond.into_iter().collect();
    }

    /// Marks unwritten progress; `true` if there was none before.
    pub(crate) fn mark_dirty(&self) -> bool {
        !self.dirty.swap(true, Ordering::AcqRel)
    }

    /// The progress is about to be written.
    pub(crate) fn mark_clean(&self) {
        self.dirty.store(false, Ordering::Release);
    }
}

impl Progress {
    /// Moves the cursor over what is settled without a gap.
    fn advance(&mut self) {
        while let Some(handed) = self.handed.front().filter(|handed| handed.settled) {
            debug_assert!(handed.position > self.cursor, "positions are handed out in order");
            self.cursor = handed.position;
            self.handed.pop_front();
        }
        if self.handed.is_empty() && self.handed.capacity() > 8192 {
            self.handed.shrink_to(1024);
        }
    }
}
