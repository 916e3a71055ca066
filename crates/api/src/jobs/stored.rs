//! A job as it is kept: what its author wrote, when it was made, and its next run.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use floodway_blocks::jobs::Entry;
use floodway_policy::calendar::{Moment, Zone};
use floodway_policy::job::{FailurePolicy, JobPlan, JobTimes, Run};
use prost_types::Any;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{JobError, wall};
use crate::zone;

/// What the author of a job wrote.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct JobSpec {
    pub(crate) schedule: Option<String>,
    pub(crate) due_time: Option<String>,
    pub(crate) repeats: Option<u32>,
    pub(crate) ttl: Option<String>,
    #[serde(with = "failure")]
    pub(crate) failure: FailurePolicy,
    pub(crate) data: Option<JobData>,
}

/// What the app gets when a job is due.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum JobData {
    /// JSON, as it was written.
    Json(Box<RawValue>),
    /// A protobuf `Any`.
    Any {
        type_url: String,
        #[serde(with = "base64_text")]
        value: Bytes,
    },
}

/// All of a job.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Stored {
    pub(super) spec: JobSpec,
    created_ms: i64,
    run: Option<StoredRun>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct StoredRun {
    due_ms: i64,
    at_ms: i64,
    runs: u32,
    failures: u32,
}

/// How a job is to be run.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) plan: JobPlan,
    pub(super) zone: Box<dyn Zone>,
}

// === impl JobSpec ===

impl JobSpec {
    fn plan(&self, created: Moment) -> Result<Planned, JobError> {
        let times = JobTimes {
            schedule: self.schedule.as_deref(),
            due: self.due_time.as_deref(),
            repeats: self.repeats,
            ttl: self.ttl.as_deref(),
        };
        let plan = JobPlan::read(times, self.failure, created).map_err(JobError::Times)?;
        let no_zone = || JobError::Zone(plan.zone().unwrap_or_default().to_owned());
        let zone = zone::zone(plan.zone()).ok_or_else(no_zone)?;
        Ok(Planned { plan, zone })
    }
}

// === impl JobData ===

impl JobData {
    /// As gRPC has it: JSON as it was written, without a type.
    pub(crate) fn any(&self) -> Any {
        match self {
            Self::Json(json) => Any { type_url: String::new(), value: json.get().as_bytes().to_vec() },
            Self::Any { type_url, value } => Any { type_url: type_url.clone(), value: value.to_vec() },
        }
    }

    /// As the body of a request: JSON as it was written, the bytes of an `Any` as they are.
    pub(super) fn body(&self) -> Bytes {
        match self {
            Self::Json(json) => Bytes::copy_from_slice(json.get().as_bytes()),
            Self::Any { value, .. } => Bytes::copy_from_slice(value.trim_ascii()),
        }
    }
}

// === impl Stored ===

impl Stored {
    /// A job that is made now, before its first run.
    pub(super) fn new(spec: JobSpec, created: Moment) -> Result<Self, JobError> {
        let Planned { plan, zone } = spec.plan(created)?;
        let run = plan.first(&*zone).map(StoredRun::new);
        Ok(Self { spec, created_ms: created.0, run })
    }

    pub(super) fn read(body: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(body)
    }

    /// As the engine keeps it; `None` where it has no run to come.
    pub(super) fn entry(&self) -> Option<Entry> {
        let body = serde_json::to_vec(self).expect("our own jobs are JSON");
        Some(Entry { due: wall(Moment(self.run?.at_ms)), body: body.into() })
    }

    pub(super) fn plan(&self) -> Result<Planned, JobError> {
        self.spec.plan(Moment(self.created_ms))
    }

    /// The run that is due.
    pub(super) fn run(&self) -> Option<Run> {
        let StoredRun { due_ms, at_ms, runs, failures } = self.run?;
        Some(Run { due: Moment(due_ms), at: Moment(at_ms), runs, failures })
    }

    /// The same job before another run.
    pub(super) fn before(self, run: Run) -> Self {
        Self { run: Some(StoredRun::new(run)), ..self }
    }
}

impl StoredRun {
    const fn new(Run { due, at, runs, failures }: Run) -> Self {
        Self { due_ms: due.0, at_ms: at.0, runs, failures }
    }
}

/// A failure policy: no retries, or the nanoseconds between them and how many.
mod failure {
    use serde::{Deserializer, Serializer};

    use super::{Deserialize, Duration, FailurePolicy, Serialize};

    #[derive(Serialize, Deserialize)]
    enum Kept {
        Drop,
        Constant { interval_ns: u64, retries_max: Option<u32> },
    }

    pub(super) fn serialize<S: Serializer>(policy: &FailurePolicy, to: S) -> Result<S::Ok, S::Error> {
        let kept = match *policy {
            FailurePolicy::Drop => Kept::Drop,
            FailurePolicy::Constant { interval, retries_max } => {
                let interval_ns = u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX);
                Kept::Constant { interval_ns, retries_max }
            }
        };
        kept.serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<FailurePolicy, D::Error> {
        Ok(match Kept::deserialize(from)? {
            Kept::Drop => FailurePolicy::Drop,
            Kept::Constant { interval_ns, retries_max } => {
                FailurePolicy::Constant { interval: Duration::from_nanos(interval_ns), retries_max }
            }
        })
    }
}

/// Bytes as text.
mod base64_text {
    use serde::{Deserializer, Serializer, de};

    use super::{BASE64_STANDARD, Bytes, Deserialize, Engine};

    pub(super) fn serialize<S: Serializer>(bytes: &Bytes, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&BASE64_STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Bytes, D::Error> {
        let text = String::deserialize(from)?;
        BASE64_STANDARD.decode(text).map(Bytes::from).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_reads_back() {
        let json = RawValue::from_string(r#"{"n":1.10}"#.to_owned()).unwrap();
        let any = JobData::Any { type_url: "t".to_owned(), value: Bytes::from_static(b" \x00x ") };
        for (data, body) in [(JobData::Json(json), &br#"{"n":1.10}"#[..]), (any, b"\x00x")] {
            let spec = JobSpec {
                schedule: Some("@every 2s".to_owned()),
                due_time: None,
                repeats: Some(3),
                ttl: None,
                failure: FailurePolicy::Constant { interval: Duration::from_millis(5), retries_max: None },
                data: Some(data),
            };
            let stored = Stored::new(spec, Moment(1_000)).unwrap();
            let entry = stored.entry().unwrap();
            assert_eq!(entry.due, wall(Moment(3_000)));
            let read = Stored::read(&entry.body).unwrap();
            assert_eq!((read.run(), read.spec.failure), (stored.run(), stored.spec.failure));
            assert_eq!(read.spec.data.as_ref().unwrap().body(), body);
            assert_eq!(read.plan().unwrap().plan, stored.plan().unwrap().plan);
        }
    }
}
