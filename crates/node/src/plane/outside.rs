//! Components on what is outside of the node: the environment, files, folders, HTTP, the clock.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use floodway_api::CronBinding;
use floodway_blocks::Failure;
use floodway_blocks::bindings::OutputBinding;
use floodway_blocks::configuration::Configuration;
use floodway_blocks::engine::OptionValue;
use floodway_blocks::secrets::{Secret, Secrets};
use floodway_engines::cron;
use floodway_engines::env::{self, Env};
use floodway_engines::file::{self, FileConfiguration, FileSecrets, Layout};
use floodway_engines::folder::{self, Folder};
use floodway_engines::http::{self, HttpBinding, HttpOptions};
use floodway_policy::schedule::{Schedule, ScheduleError};
use floodway_system::{Component, Engine};

use tokio::runtime::Builder;

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

/// Reads a secret of a component as it is now.
///
/// # Errors
/// Why that cannot be.
pub fn read_secret(component: &Component, name: &str) -> Result<BTreeMap<String, String>, String> {
    let opened = secrets(std::slice::from_ref(component)).map_err(|error| with_causes(&error))?;
    let secrets = opened.get(&component.name).ok_or("no engine of secrets is of this name")?;
    // Whoever asks may be in a runtime, in which no other can be waited for.
    let read = || {
        let runtime =
            Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
        runtime.block_on(secrets.get(name)).map_err(|failure| with_causes(&failure))
    };
    let found = std::thread::scope(|scope| scope.spawn(read).join());
    let Secret(texts) = found.map_err(|_panic| "reading it failed")??.ok_or("it is not there")?;
    Ok(texts)
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
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

/// The output bindings by name.
pub(super) fn output_bindings(
    specs: &[Component],
) -> Result<BTreeMap<String, Arc<dyn OutputBinding>>, NodeError> {
    open("bindings", specs, |engine| {
        if engine.name != http::NAME {
            return Ok(None);
        }
        let header = Some(text(engine, "token-header")).filter(|header| !header.is_empty());
        let options = HttpOptions {
            url: text(engine, "url").to_owned(),
            errs_unless_2xx: engine.options.get("error-unless-2xx") != Some(&OptionValue::Flag(false)),
            response_timeout: duration(engine, "response-timeout"),
            response_bytes: size(engine, "response-bytes"),
            token: header.map(|header| (header.to_owned(), text(engine, "token").to_owned())),
        };
        let binding: Arc<dyn OutputBinding> = Arc::new(HttpBinding::new(options)?);
        Ok(Some(binding))
    })
}

/// The bindings to the clock.
pub(super) fn cron_bindings(specs: &[Component]) -> Result<Vec<CronBinding>, NodeError> {
    let cron = specs.iter().filter(|spec| spec.engine.name == cron::NAME);
    let binding = |Component { name, engine }: &Component| {
        let failed = |source: ScheduleError| NodeError::Component {
            section: "bindings",
            name: name.clone(),
            source: source.into(),
        };
        let schedule = Schedule::parse_short(text(engine, "schedule")).map_err(failed)?;
        let route = Some(text(engine, "route").to_owned()).filter(|route| !route.is_empty());
        Ok(CronBinding { name: name.clone(), schedule, route })
    };
    cron.map(binding).collect()
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

fn duration(engine: &Engine, name: &str) -> Duration {
    match engine.options.get(name) {
        Some(OptionValue::Duration(duration)) => *duration,
        _ => Duration::ZERO,
    }
}

fn size(engine: &Engine, name: &str) -> usize {
    match engine.options.get(name) {
        Some(OptionValue::Size(size)) => usize::try_from(*size).unwrap_or(usize::MAX),
        _ => 0,
    }
}

/// The option `path`, as above.
fn path(engine: &Engine) -> PathBuf {
    match engine.options.get("path") {
        Some(OptionValue::File(path)) => path.clone(),
        _ => PathBuf::new(),
    }
}
