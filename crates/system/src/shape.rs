//! The shape of the file, as data: one description that feeds the checker, the nearest valid name, the
//! JSON Schema and the reference page. The file's own shape is in [`file`].

mod fallback;
pub(crate) mod file;
mod hedge;
pub(crate) mod idempotency;
mod queue;
mod split;
mod sticky;
mod telemetry;

use floodway_blocks::engine::{OptionDescription, OptionKind};
use floodway_blocks::{Block, EngineDescription};

use crate::form::Form;

/// What may stand at a place.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shape {
    /// A single value.
    One(Form),
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Known keys.
    Object(&'static Object),
    /// Known keys, `engine`, and the options of that engine for this block.
    Engine(Block, &'static Object),
    /// Any keys of one form; at most `max`.
    Map { key: Form, value: &'static Shape, max: usize },
    /// Values in order; at most `max`.
    List { item: &'static Shape, max: usize },
    /// One value, or a list of them.
    OneOrMany { item: &'static Shape, max: usize },
    /// Known keys, or only the value of the first of them.
    Short(&'static Object),
    /// Any part of the file again, to lie over it.
    Overlay,
}

/// A map with known keys.
#[derive(Debug)]
pub(crate) struct Object {
    /// What it is, for messages and as a heading: `service`.
    pub(crate) name: &'static str,
    /// A sentence or two on what it is for.
    pub(crate) doc: &'static str,
    pub(crate) fields: &'static [Field],
}

/// One known key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
    pub(crate) need: Need,
    pub(crate) doc: &'static str,
    /// The version that brought it.
    pub(crate) since: &'static str,
}

/// Whether a key must be given.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Need {
    Required,
    /// The text says what holds without it.
    Optional(&'static str),
    /// An object that is there anyhow, with all of its defaults.
    Empty,
    /// What holds without it, as the file would say it.
    Default(&'static str),
}

/// The present version.
const NOW: &str = "0.0.0";

pub(crate) const fn field(name: &'static str, shape: Shape, need: Need, doc: &'static str) -> Field {
    Field { name, shape, need, doc, since: NOW }
}

/// The engines of the catalogue that serve a block.
pub(crate) fn serving(
    catalogue: &[EngineDescription],
    block: Block,
) -> impl Iterator<Item = &EngineDescription> {
    catalogue.iter().filter(move |engine| engine.serves.contains(&block))
}

/// The options of an engine for a block, as fields.
pub(crate) fn options(engine: &EngineDescription, block: Block) -> impl Iterator<Item = Field> {
    engine.options.iter().filter(move |option| option.blocks.contains(&block)).map(option_field)
}

fn option_field(option: &OptionDescription) -> Field {
    let shape = match option.kind {
        OptionKind::Text => Shape::One(Form::Text),
        OptionKind::Literal => Shape::One(Form::Literal),
        OptionKind::File => Shape::One(Form::File),
        OptionKind::Schedule => Shape::One(Form::Schedule),
        OptionKind::Integer => Shape::One(Form::Integer { min: i64::MIN, max: i64::MAX }),
        OptionKind::Flag => Shape::One(Form::Flag),
        OptionKind::Duration => Shape::One(Form::Duration { zero: false }),
        OptionKind::Size => Shape::One(Form::Size { min: 0, max: u64::MAX }),
        OptionKind::Choice(words) => Shape::Choice(words),
    };
    let need = option.default.map_or(Need::Required, Need::Default);
    field(option.name, shape, need, option.doc)
}
