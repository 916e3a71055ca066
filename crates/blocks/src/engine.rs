//! How an engine describes itself, so that a wrong option is found at its line in the system file.

use serde::Serialize;

/// What a service can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Block {
    /// Values by key.
    State,
    /// Messages to groups.
    Topics,
    /// Leases.
    Locks,
    /// What is due at a time.
    Jobs,
    /// Texts that nobody may print.
    Secrets,
    /// Values that change from outside.
    Configuration,
    /// What is outside, as a service asks it or is told of it.
    Bindings,
}

/// An engine as the system file sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EngineDescription {
    /// What stands under `engine:`.
    pub name: &'static str,
    /// The blocks it can serve.
    pub serves: &'static [Block],
    /// The keys that may stand beside `engine:`.
    pub options: &'static [OptionDescription],
    /// Whether a state transaction can carry messages to topics of the same engine in one commit.
    pub outbox: bool,
}

/// One key beside `engine:`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OptionDescription {
    /// The key.
    pub name: &'static str,
    /// The blocks for which it may be given.
    pub blocks: &'static [Block],
    /// Its form.
    pub kind: OptionKind,
    /// What holds when it is not given, as the file would say it; `None` where it must be given.
    pub default: Option<&'static str>,
    /// One sentence for the reference and the editor.
    pub doc: &'static str,
}

/// The form of an option's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OptionKind {
    /// Any text but none.
    Text,
    /// Text, a number or a flag, taken as it is written; it may be empty.
    Literal,
    /// A file or folder, relative to the system file.
    File,
    /// When something is due: cron, `@every` and the like.
    Schedule,
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Flag,
    /// As in `250ms`.
    Duration,
    /// As in `64MiB`.
    Size,
    /// One of these words.
    Choice(&'static [&'static str]),
}

/// An option's value, checked against its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OptionValue {
    /// Text, or the chosen word.
    Text(String),
    /// A path, seen from where the node runs.
    File(std::path::PathBuf),
    /// A whole number.
    Integer(i64),
    /// Yes or no.
    Flag(bool),
    /// A length of time.
    Duration(std::time::Duration),
    /// A number of bytes.
    Size(u64),
}
