//! Where the node's own log goes: to the console, which keeps it apart from the live table.

use std::io;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::cli::LogForm;
use crate::console::Log;
use crate::failure::Failure;

/// The environment variable that filters it.
const FILTER: &str = "FLOODWAY_LOG";

/// Installs the log for the whole process.
pub(crate) fn install(form: LogForm, is_quiet: bool, log: Log) -> Result<(), Failure> {
    // The storage library tells of its inner life; ours is enough.
    let level = if is_quiet { "warn" } else { "info,fjall=warn,lsm_tree=warn" };
    let filter = match std::env::var(FILTER) {
        Ok(text) => EnvFilter::try_new(&text)
            .map_err(|error| Failure::Mistake(format!("error: {FILTER} is `{text}`: {error}")))?,
        Err(_) => EnvFilter::new(level),
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(Writer(log));
    match form {
        LogForm::Human => builder.without_time().with_target(false).with_ansi(false).compact().init(),
        LogForm::Json => builder.json().flatten_event(true).init(),
    }
    Ok(())
}

#[derive(Debug)]
struct Writer(Log);

/// Gathers one event's text and hands it over whole.
#[derive(Debug)]
struct Event {
    log: Log,
    text: Vec<u8>,
}

impl<'a> MakeWriter<'a> for Writer {
    type Writer = Event;

    fn make_writer(&'a self) -> Event {
        Event { log: self.0.clone(), text: Vec::new() }
    }
}

impl io::Write for Event {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        self.log.write(String::from_utf8_lossy(&self.text).trim_end());
    }
}
