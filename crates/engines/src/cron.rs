//! The node's own clock as an input binding. It needs no more than a description: the API runs it.

use floodway_blocks::engine::OptionKind;
use floodway_blocks::{Block, EngineDescription, OptionDescription};

/// The engine's name in the system file.
pub const NAME: &str = "cron";

/// How the engine describes itself to the system file.
pub const DESCRIPTION: EngineDescription = EngineDescription {
    name: NAME,
    serves: &[Block::Bindings],
    options: &[
        OptionDescription {
            name: "schedule",
            blocks: &[Block::Bindings],
            kind: OptionKind::Schedule,
            default: None,
            doc: "When services are told: a [schedule](jobs.md#schedules); the field of seconds may be missing.",
        },
        OptionDescription {
            name: "route",
            blocks: &[Block::Bindings],
            kind: OptionKind::Literal,
            default: Some(""),
            doc: "The path at which services are told; without it, the name of the binding.",
        },
    ],
    outbox: false,
};
