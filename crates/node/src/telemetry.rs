//! Tells of single requests: lines to the access log, spans to a collector. One thread does it for all workers,
//! beside their way; what it has no room for is dropped and counted by them.

mod log;
mod otlp;

use std::io;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use floodway_gateway::telemetry::{Note, Telemetry, Way};
use floodway_policy::Snapshot;
use floodway_policy::trace::Share;
use floodway_system::System;

use crate::error::NodeError;
use log::Log;
use otlp::Exporter;

/// Notes that wait.
const NOTES_MAX: usize = 8192;
/// Longest time that a line or span waits for others.
const GATHER: Duration = Duration::from_millis(500);

/// Time in which notes gather, a part of what [`NOTES_MAX`] has room for at the rate of the quickest worker.
const PAUSE: Duration = Duration::from_millis(10);

/// The threads that tell: one for each system file that the node has gone by. Each ends when all workers of that
/// have. Clones are the same threads.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tellers(Arc<Mutex<Vec<JoinHandle<()>>>>);

impl Tellers {
    /// Starts one, where the system file asks for anything.
    pub(crate) fn start(
        &self,
        system: &System,
        snapshot: &Arc<Snapshot>,
    ) -> Result<Option<Telemetry>, NodeError> {
        let asked = &system.telemetry;
        if asked.access_log.is_none() && asked.traces.is_none() {
            return Ok(None);
        }
        let failed = |attempt| move |source: io::Error| NodeError::System { attempt, source };
        let log = asked.access_log.as_ref().map(|log| Log::open(&log.to)).transpose();
        let log = log.map_err(failed("open the access log"))?;
        let exporter =
            asked.traces.as_ref().map(|traces| Exporter::new(traces.otlp, &system.name)).transpose();
        let exporter = exporter.map_err(failed("start the runtime of the exporter"))?;
        let (notes, told) = mpsc::sync_channel(NOTES_MAX);
        let telemetry = Telemetry {
            log: asked.access_log.as_ref().map_or(Share::NONE, |log| log.sample),
            traces: asked.traces.as_ref().map(|traces| traces.sample),
            notes,
        };
        let names = Names(Arc::clone(snapshot));
        let tell = move || tell(&told, log, exporter, &names);
        let thread = thread::Builder::new().name("telemetry".into()).spawn(tell);
        let thread = thread.map_err(failed("start the thread of the access log"))?;
        let mut threads = self.threads();
        threads.retain(|thread| !thread.is_finished());
        threads.push(thread);
        Ok(Some(telemetry))
    }

    /// Waits until all is told. The workers must have ended.
    pub(crate) fn finish(self) {
        for thread in self.threads().drain(..) {
            if thread.join().is_err() {
                tracing::error!("the thread that writes the access log has panicked");
            }
        }
    }

    fn threads(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What routes, services and replicas are called.
#[derive(Debug)]
struct Names(Arc<Snapshot>);

impl Names {
    fn route(&self, note: &Note) -> Option<&str> {
        let Way::In { route, .. } = note.asked.way else { return None };
        self.0.route(route?).map(|route| route.name.as_str())
    }

    /// The service that was called, or that answered.
    fn service(&self, note: &Note) -> Option<&str> {
        let id = match note.asked.way {
            Way::Call(service) => service,
            Way::In { .. } => note.endpoint?.service,
        };
        self.0.services.get(usize::from(id.0)).map(|service| service.name.as_str())
    }

    fn replica(&self, note: &Note) -> Option<String> {
        let endpoint = note.endpoint?;
        self.service(note).map(|service| format!("{service}/{}", endpoint.slot))
    }
}

fn tell(told: &Receiver<Note>, mut log: Option<Log>, mut exporter: Option<Exporter>, names: &Names) {
    loop {
        let is_over = match told.recv_timeout(GATHER) {
            Ok(note) => {
                // A worker that hands over a note wakes whoever waits for one, which costs more than the note:
                // the next ones find nobody waiting.
                thread::sleep(PAUSE);
                for note in [note].into_iter().chain(told.try_iter().take(NOTES_MAX)) {
                    if let Some(log) = log.as_mut().filter(|_| note.is_logged) {
                        log.write(&note, names);
                    }
                    if let Some(exporter) = exporter.as_mut() {
                        exporter.take(&note, names);
                    }
                }
                false
            }
            Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) => true,
        };
        if let Some(log) = &mut log {
            log.flush();
        }
        if let Some(exporter) = &mut exporter {
            exporter.send(GATHER, is_over);
        }
        if is_over {
            return;
        }
    }
}
