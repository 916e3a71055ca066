//! What the engine is opened with.

use std::time::Duration;

use floodway_blocks::engine::OptionKind;
use floodway_blocks::{Block, EngineDescription, OptionDescription};

/// The engine's name in the system file and in failures.
pub const NAME: &str = "embedded";

/// How the engine describes itself to the system file.
pub const DESCRIPTION: EngineDescription = EngineDescription {
    name: NAME,
    serves: &[Block::State, Block::Topics, Block::Locks, Block::Jobs],
    options: &[
        OptionDescription {
            name: "durability",
            blocks: &[Block::State, Block::Topics],
            kind: OptionKind::Choice(&["fsync", "interval", "none"]),
            default: Some("fsync"),
            doc: "When a write counts as done: on disk, written and synced soon, or written only.",
        },
        OptionDescription {
            name: "interval",
            blocks: &[Block::State, Block::Topics],
            kind: OptionKind::Duration,
            default: Some("50ms"),
            doc: "With `durability: interval`, the time after which written data is synced.",
        },
    ],
    outbox: true,
};

/// What must have happened before a write is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// The disk has it: it survives power loss.
    Fsync,
    /// The operating system has it, and the disk after this time at the latest: it survives the end
    /// of the process.
    Interval(Duration),
    /// The operating system has it, the disk when it pleases.
    None,
}

/// A store of the system file.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// Its name in the file.
    pub name: String,
    /// When its writes count as done.
    pub durability: Durability,
}

/// A topics component of the system file.
#[derive(Debug, Clone)]
pub struct TopicsOptions {
    /// Its name in the file.
    pub name: String,
    /// When its messages count as published.
    pub durability: Durability,
}

/// The engine's bounds.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Size of a log segment; disk space is given back in this unit.
    pub segment_bytes: u64,
    /// The longest key.
    pub key_bytes: usize,
    /// The largest value or message.
    pub value_bytes: usize,
    /// The most changes and messages in one transaction.
    pub transaction_changes: usize,
    /// The most bytes of keys, values and messages in one transaction, write of many, or publication.
    pub transaction_bytes: usize,
    /// The most operations that wait for the committer; more are refused as overload.
    pub queue_depth: usize,
    /// The most bytes of operations that wait for the committer.
    pub queue_bytes: usize,
    /// The most messages a group may have received and not yet settled; `receive` waits beyond.
    pub window: usize,
    /// While the log is no longer than this, messages of a topic that nobody has subscribed to are kept.
    pub unread_bytes: u64,
    /// The most topics.
    pub topics: usize,
    /// The most locks held at one time.
    pub locks: usize,
    /// The most jobs there are; their times are kept in memory.
    pub jobs: usize,
    /// Memory for recently published messages, so that a group at the head reads no file.
    pub tail_bytes: usize,
    /// Memory for recently read state.
    pub cache_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            segment_bytes: 64 << 20,
            key_bytes: 4 << 10,
            value_bytes: 16 << 20,
            transaction_changes: 10_000,
            transaction_bytes: 64 << 20,
            queue_depth: 65_536,
            queue_bytes: 256 << 20,
            window: 4096,
            unread_bytes: 256 << 20,
            topics: 65_536,
            locks: 1_000_000,
            jobs: 1_000_000,
            tail_bytes: 8 << 20,
            cache_bytes: 8 << 20,
        }
    }
}

/// Everything the engine serves, and its bounds.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The stores.
    pub stores: Vec<StoreOptions>,
    /// The topics components.
    pub topics: Vec<TopicsOptions>,
    /// The names of the lock components; their grants are always synced.
    pub locks: Vec<String>,
    /// The names of the jobs components; what they write is always synced.
    pub jobs: Vec<String>,
    /// The bounds.
    pub limits: Limits,
}
