//! Who waits for a lock, in the order in which they came.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use floodway_blocks::lock::TryLock;

use super::Claim;
use crate::commit::request::Reply;

/// Times of waiters are rounded up to this, so that many of them end at once: 16 ms.
const ROUND_MS: u64 = 16;

/// Someone who waits for a lock.
#[derive(Debug)]
pub(crate) struct Waiter {
    pub(crate) claim: Claim,
    /// In wall milliseconds.
    pub(crate) until: u64,
    pub(crate) reply: Reply<TryLock>,
}

/// A lock of a component.
pub(crate) type Name = (Arc<str>, String);

/// All who wait. Belongs to the committer.
#[derive(Debug)]
pub(crate) struct Queue {
    limit: usize,
    len: usize,
    waiters: HashMap<Name, VecDeque<Waiter>>,
}

// === impl Waiter ===

impl Waiter {
    pub(crate) fn new(claim: Claim, until: u64, reply: Reply<TryLock>) -> Self {
        Self { claim, until: until.div_ceil(ROUND_MS).saturating_mul(ROUND_MS), reply }
    }

    pub(crate) fn name(&self) -> Name {
        (Arc::clone(&self.claim.locks), self.claim.resource.clone())
    }
}

// === impl Queue ===

impl Queue {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, len: 0, waiters: HashMap::new() }
    }

    /// Whether no more can wait.
    pub(crate) fn is_full(&self) -> bool {
        self.len >= self.limit
    }

    /// Adds one at the end.
    pub(crate) fn push(&mut self, waiter: Waiter) {
        self.len += 1;
        self.waiters.entry(waiter.name()).or_default().push_back(waiter);
    }

    /// Whether anybody waits for a lock, gone or not.
    pub(crate) fn has(&self, name: &Name) -> bool {
        self.waiters.contains_key(name)
    }

    /// Takes out the first who waits for a lock and is still there.
    pub(crate) fn pop(&mut self, name: &Name, now_ms: u64) -> Option<Waiter> {
        let queue = self.waiters.get_mut(name)?;
        let mut first = None;
        while first.is_none()
            && let Some(waiter) = queue.pop_front()
        {
            self.len -= 1;
            first = Some(waiter).filter(|waiter| !waiter.reply.is_closed() && waiter.until > now_ms);
        }
        if queue.is_empty() {
            self.waiters.remove(name);
        }
        first
    }

    /// Takes out those whose time is over.
    pub(crate) fn late(&mut self, now_ms: u64) -> Vec<Waiter> {
        let mut late = Vec::new();
        self.waiters.retain(|_, queue| {
            let (over, there) = std::mem::take(queue)
                .into_iter()
                .partition::<Vec<_>, _>(|waiter| waiter.until <= now_ms || waiter.reply.is_closed());
            late.extend(over);
            *queue = there.into();
            !queue.is_empty()
        });
        self.len -= late.len();
        late
    }

    /// The locks that somebody waits for.
    pub(crate) fn names(&self) -> Vec<Name> {
        self.waiters.keys().cloned().collect()
    }

    /// When the first of them stops waiting.
    pub(crate) fn first_over(&self) -> Option<u64> {
        self.waiters.values().flatten().map(|waiter| waiter.until).min()
    }
}
