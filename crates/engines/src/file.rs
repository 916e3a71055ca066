//! Secrets and configuration from a file of JSON, read anew whenever it has changed.

mod configuration;
mod secrets;
mod watched;

pub use self::configuration::FileConfiguration;
pub use self::secrets::{FileSecrets, Layout};

use floodway_blocks::engine::OptionKind;
use floodway_blocks::{Block, EngineDescription, OptionDescription};

/// The engine's name in the system file and in failures.
pub const NAME: &str = "file";

/// How the engine describes itself to the system file.
pub const DESCRIPTION: EngineDescription = EngineDescription {
    name: NAME,
    serves: &[Block::Secrets, Block::Configuration],
    options: &[
        OptionDescription {
            name: "path",
            blocks: &[Block::Secrets, Block::Configuration],
            kind: OptionKind::File,
            default: None,
            doc: "A JSON file, relative to the system file. It is read anew when it has changed.",
        },
        OptionDescription {
            name: "separator",
            blocks: &[Block::Secrets],
            kind: OptionKind::Literal,
            default: Some(":"),
            doc: "Stands between the names of a nested text: `{\"db\":{\"password\":…}}` is `db:password`.",
        },
        OptionDescription {
            name: "multi-valued",
            blocks: &[Block::Secrets],
            kind: OptionKind::Flag,
            default: Some("false"),
            doc: "A map at the top is one secret with several texts, not several secrets.",
        },
    ],
    outbox: false,
};
