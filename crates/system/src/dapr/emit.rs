//! A component as the system file would say it, read by the very code that reads system files: so defaults
//! and checks are the same.

use std::fmt::Write as _;
use std::path::Path;

use floodway_blocks::EngineDescription;

use crate::load::{Context, parse};
use crate::model::System;

/// Where a component stands in a system file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    Stores,
    Topics,
    Secrets,
    Bindings,
    Configuration,
}

impl Section {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Stores => "stores",
            Self::Topics => "topics",
            Self::Secrets => "secrets",
            Self::Bindings => "bindings",
            Self::Configuration => "configuration",
        }
    }
}

/// A system of this one component; else what is wrong with it. Paths are seen from where the node runs.
pub(super) fn component(
    section: Section,
    engine: &str,
    keys: &[(&str, String)],
    catalogue: &[EngineDescription],
) -> Result<System, String> {
    let mut text = format!("system: resources\n{}:\n  it:\n    engine: {engine}\n", section.name());
    for (key, value) in keys {
        writeln!(text, "    {key}: {value}").expect("a String takes all that is written to it");
    }
    let context = Context {
        file: Path::new("floodway.yaml"),
        profile: None,
        env: &|_| None,
        catalogue,
        columns: &|_| Ok(None),
    };
    parse(&text, context).map_err(|mistakes| {
        let each = mistakes.iter().map(|mistake| {
            let expected = mistake.expected.as_ref().map_or_else(String::new, |it| format!(", {it}"));
            let help = mistake.help.as_ref().map_or_else(String::new, |it| format!(" ({it})"));
            format!("{}{expected}{help}", mistake.message)
        });
        each.collect::<Vec<_>>().join("; ")
    })
}

/// A text that YAML reads as this text, whatever it is, and that has no reference in it.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text.replace("${", "$${")).to_string()
}
