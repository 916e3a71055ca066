//! Reads what is told of single requests.

use floodway_policy::trace::Share;

use super::Reader;
use crate::model::{AccessLog, LogTo, Telemetry, Traces};
use crate::value::Fields;

impl Reader<'_> {
    pub(super) fn telemetry(&self, file: &Fields) -> Telemetry {
        let Some(telemetry) = file.object("telemetry") else { return Telemetry::default() };
        let share = |fields: &Fields| Share::per_million(fields.whole("sample"));
        let access_log = telemetry.object("access-log").map(|log| {
            let to =
                if log.text("to") == "stderr" { LogTo::Stderr } else { LogTo::File(self.path(log, "to")) };
            AccessLog { sample: share(log), to }
        });
        let traces = telemetry
            .object("traces")
            .map(|traces| Traces { otlp: traces.address("otlp"), sample: share(traces) });
        Telemetry { access_log, traces }
    }
}
