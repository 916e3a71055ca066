//! What an app subscribes to, whether it says so itself or a document does.

pub mod routes;

use std::time::Duration;

pub use routes::{Condition, ConditionError, Routes};

/// One subscription of an app to one topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// The topics component.
    pub topics: String,
    /// The topic in it.
    pub topic: String,
    /// Where the app takes its messages.
    pub routes: Routes,
    /// Where its messages go that are given up.
    pub dead_letter: Option<String>,
    /// Messages are not envelopes: they were published by others.
    pub is_raw: bool,
    /// Several messages go in one request.
    pub bulk: Option<Bulk>,
}

/// How many messages go in one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bulk {
    /// At most; at least 1.
    pub count_max: usize,
    /// The first message of a request waits for others so long.
    pub wait_max: Duration,
}

impl Bulk {
    /// The most messages of one request that can be asked for.
    pub const COUNT_MAX: u64 = 10_000;
    /// The longest wait that can be asked for.
    pub const WAIT_MAX: Duration = Duration::from_mins(1);

    /// What is asked for, within what can be; where nothing is, 100 messages and 1,000 ms.
    pub fn new(count: Option<u64>, wait_ms: Option<u64>) -> Self {
        let count = count.filter(|count| *count > 0).unwrap_or(100).min(Self::COUNT_MAX);
        let wait = Duration::from_millis(wait_ms.unwrap_or(1000)).min(Self::WAIT_MAX);
        Self { count_max: usize::try_from(count).unwrap_or(100), wait_max: wait }
    }
}
