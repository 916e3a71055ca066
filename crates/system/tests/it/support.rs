//! A catalogue of engines, and ways to read a text.

use std::path::{Path, PathBuf};

use floodway_blocks::engine::OptionKind;
use floodway_blocks::{Block, EngineDescription, OptionDescription};
use floodway_system::{Context, Mistakes, System, parse};

const EVERY: &[Block] = &[Block::State, Block::Topics, Block::Locks];
const DURABLE: &[Block] = &[Block::State, Block::Topics];

/// The engine that every node has, as it describes itself.
pub(crate) const EMBEDDED: EngineDescription = EngineDescription {
    name: "embedded",
    serves: EVERY,
    options: &[
        OptionDescription {
            doc: "When a write counts as done: on disk, written and synced soon, or written only.",
            ..option("durability", DURABLE, OptionKind::Choice(&["fsync", "interval", "none"]), Some("fsync"))
        },
        OptionDescription {
            doc: "With `durability: interval`, the time after which written data is synced.",
            ..option("interval", DURABLE, OptionKind::Duration, Some("50ms"))
        },
    ],
    outbox: true,
};

/// Two engines: one that serves everything with an outbox, one for topics with every kind of option.
pub(crate) const CATALOGUE: &[EngineDescription] = &[
    EMBEDDED,
    floodway_engines::env::DESCRIPTION,
    floodway_engines::file::DESCRIPTION,
    floodway_engines::folder::DESCRIPTION,
    floodway_engines::http::DESCRIPTION,
    floodway_engines::cron::DESCRIPTION,
    EngineDescription {
        name: "elsewhere",
        serves: &[Block::Topics],
        options: &[
            option("url", &[Block::Topics], OptionKind::Text, None),
            option("prefetch", &[Block::Topics], OptionKind::Integer, Some("100")),
            option("tls", &[Block::Topics], OptionKind::Flag, Some("true")),
            option("buffer", &[Block::Topics], OptionKind::Size, Some("1MiB")),
        ],
        outbox: false,
    },
];

const fn option(
    name: &'static str,
    blocks: &'static [Block],
    kind: OptionKind,
    default: Option<&'static str>,
) -> OptionDescription {
    OptionDescription { name, blocks, kind, default, doc: "An option." }
}

/// Reads a text with no profile, the columns `customer` and `amount` in every CSV file but `locked.csv`,
/// and one variable, `SET`, whose value is `7`.
pub(crate) fn read(text: &str) -> Result<System, Mistakes> {
    read_with(text, None)
}

pub(crate) fn read_with(text: &str, profile: Option<&str>) -> Result<System, Mistakes> {
    let env = |name: &str| (name == "SET").then(|| "7".to_owned());
    let columns = |path: &Path| {
        if path.ends_with("locked.csv") {
            return Err("the rows cannot be read: permission denied".to_owned());
        }
        Ok(Some(vec!["customer".to_owned(), "amount".to_owned()]))
    };
    let file = Path::new("floodway.yaml");
    parse(text, Context { file, profile, env: &env, catalogue: CATALOGUE, columns: &columns })
}

pub(crate) fn crate_folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn root_folder() -> PathBuf {
    crate_folder().join("../..")
}
