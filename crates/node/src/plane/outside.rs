//! Components on what is outside of the node: the environment, files, folders.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use floodway_blocks::Failure;
use floodway_blocks::configuration::Configuration;
use floodway_blocks::engine::OptionValue;
use floodway_blocks::secrets::Secrets;
use floodway_engines::env::{self, Env};
use floodway_engines::file::{self, FileConfiguration, FileSecrets, Layout};
use floodway_engines::folder::{self, Folder};
use floodway_system::{Component, Engine};

use crate::error::NodeError;

/// The secrets components by name.
pub(super) fn secrets(specs: &[Component]) -> Result<BTreeMap<String, Arc<dyn Secrets>>, NodeError> {
    open("secrets", specs, |engine| {
        let secrets: Arc<dyn Secrets> = match engine.name.as_str() {
            env::NAME => Arc::new(Env::new(text(engine, "prefix"), variables())),
            file::NAME => {
                let separator = text(engine, "separator").to_owned();
                let is_multi_valued = engine.options.get("multi-valued") == Some(&OptionValue::Flag(true));
                Arc::new(FileSecrets::open(path(engine), Layout { separator, is_multi_valued })?)
            }
            folder::NAME => Arc::new(Folder::open(path(engine))?),
            // The checker of the system file knows the engines above only.
            _ => return Ok(None),
        };
        Ok(Some(secrets))
    })
}

/// The configuration components by name.
pub(super) fn configuration(
    specs: &[Component],
) -> Result<BTreeMap<String, Arc<dyn Configuration>>, NodeError> {
    open("configuration", specs, |engine| {
        let configuration: Arc<dyn Configuration> = match engine.name.as_str() {
            file::NAME => Arc::new(FileConfiguration::open(path(engine))?),
            _ => return Ok(None),
        };
        Ok(Some(configuration))
    })
}

fn open<T>(
    section: &'static str,
    specs: &[Component],
    open: impl Fn(&Engine) -> Result<Option<T>, Failure>,
) -> Result<BTreeMap<String, T>, NodeError> {
    let mut opened = BTreeMap::new();
    for Component { name, engine } in specs {
        let failed =
            |source: Failure| NodeError::Component { section, name: name.clone(), source: source.into() };
        if let Some(component) = open(engine).map_err(failed)? {
            opened.insert(name.clone(), component);
        }
    }
    Ok(opened)
}

/// The node's environment, as far as it is text.
fn variables() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, text)| Some((name.into_string().ok()?, text.into_string().ok()?)))
}

/// A text option; the checker has made sure that it is there in its form.
fn text<'a>(engine: &'a Engine, name: &str) -> &'a str {
    match engine.options.get(name) {
        Some(OptionValue::Text(text)) => text,
        _ => "",
    }
}

/// The option `path`, as above.
fn path(engine: &Engine) -> PathBuf {
    match engine.options.get("path") {
        Some(OptionValue::File(path)) => path.clone(),
        _ => PathBuf::new(),
    }
}
