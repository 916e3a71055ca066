//! The access log: an object of JSON on a line of its own for each request.

use std::fs::File;
use std::io::{self, BufWriter, Write};

use floodway_gateway::telemetry::{Note, Way};
use floodway_policy::fallback::StandIn;
use floodway_system::LogTo;
use serde::Serialize;

use super::Names;

/// Where lines go.
pub(super) struct Log {
    out: BufWriter<Box<dyn Write + Send>>,
    /// The last write failed, and that was said.
    is_broken: bool,
}

#[derive(Debug, Serialize)]
struct Line<'a> {
    time: String,
    request_id: &'a str,
    peer: Option<String>,
    protocol: Option<&'a str>,
    method: &'a str,
    host: Option<&'a str>,
    path: &'a str,
    route: Option<&'a str>,
    replica: Option<String>,
    /// Absent where the client left before an answer.
    status: Option<u16>,
    error: Option<&'a str>,
    fallback: Option<&'a str>,
    duration_ms: f64,
    trace_id: Option<String>,
}

impl Log {
    pub(super) fn open(to: &LogTo) -> io::Result<Self> {
        let out: Box<dyn Write + Send> = match to {
            LogTo::Stderr => Box::new(io::stderr()),
            LogTo::File(path) => Box::new(File::options().create(true).append(true).open(path)?),
        };
        Ok(Self { out: BufWriter::new(out), is_broken: false })
    }

    pub(super) fn write(&mut self, note: &Note, names: &Names) {
        let (peer, protocol) = match note.asked.way {
            Way::In { peer, protocol, .. } => (Some(peer.to_canonical().to_string()), Some(protocol)),
            Way::Call(_) => (None, None),
        };
        let time = i64::try_from(note.began.as_micros()).ok();
        let time = time.and_then(|micros| jiff::Timestamp::from_microsecond(micros).ok());
        let line = Line {
            time: time.unwrap_or_default().to_string(),
            request_id: &note.request_id,
            peer,
            protocol,
            method: &note.asked.method,
            host: note.asked.host.as_deref(),
            path: &note.asked.path,
            route: names.route(note),
            replica: names.replica(note),
            status: (note.status != 0).then_some(note.status),
            error: note.error,
            fallback: note.stand_in.map(StandIn::as_str),
            duration_ms: (note.took.as_secs_f64() * 1e6).round() / 1e3,
            trace_id: note.hop.map(|hop| format!("{:032x}", hop.told.trace_id)),
        };
        let written = serde_json::to_writer(&mut self.out, &line).map_err(io::Error::from);
        let written = written.and_then(|()| self.out.write_all(b"\n"));
        self.judge(written);
    }

    pub(super) fn flush(&mut self) {
        let flushed = self.out.flush();
        self.judge(flushed);
    }

    fn judge(&mut self, written: io::Result<()>) {
        match written {
            Ok(()) => self.is_broken = false,
            Err(error) if !self.is_broken => {
                self.is_broken = true;
                tracing::error!(%error, "the access log cannot be written: lines are lost");
            }
            Err(_) => {}
        }
    }
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Log").field("is_broken", &self.is_broken).finish_non_exhaustive()
    }
}
