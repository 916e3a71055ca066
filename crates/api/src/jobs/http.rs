//! Jobs over HTTP.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use floodway_blocks::Failure;
use floodway_blocks::invoke::Body;
use floodway_policy::job::FailurePolicy;
use floodway_policy::schedule::go_duration;
use http::{Response, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{JobData, JobError, JobSpec, NewJob, schedule};
use crate::error::{ApiError, answer, no_content};
use crate::server::{Api, Call};

/// A job's data that came over HTTP, as Dapr names its type.
const VALUE: &str = "type.googleapis.com/google.protobuf.Value";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    schedule: Option<String>,
    #[serde(default, alias = "due_time")]
    due_time: Option<String>,
    #[serde(default)]
    repeats: Option<u32>,
    #[serde(default)]
    ttl: Option<String>,
    #[serde(default)]
    data: Option<Box<RawValue>>,
    #[serde(default)]
    overwrite: Option<bool>,
    #[serde(default, alias = "failure_policy")]
    failure_policy: Option<Policy>,
}

/// One of both, as protobuf's JSON writes a choice.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Policy {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    drop: Option<Drop>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    constant: Option<Constant>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Drop {}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Constant {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    interval: Option<String>,
    #[serde(default, alias = "max_retries", skip_serializing_if = "Option::is_none")]
    max_retries: Option<u32>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    repeats: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    due_time: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<ShownData<'a>>,
    failure_policy: Policy,
}

/// A protobuf `Any` as JSON.
#[derive(Debug, Serialize)]
struct ShownData<'a> {
    #[serde(rename = "@type", skip_serializing_if = "str::is_empty")]
    kind: &'a str,
    value: ShownValue<'a>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum ShownValue<'a> {
    Json(&'a RawValue),
    Base64(String),
}

/// POST: 204 once it is durable.
pub(crate) async fn post(api: &Api, name: &str, call: Call) -> Result<Response<Body>, ApiError> {
    let body = api.body(call.request).await?;
    let unreadable = |error| ApiError::malformed(format!("failed to read the body: {error}"));
    let request: Request = serde_json::from_slice(&body).map_err(unreadable)?;
    let app = &api.caller.app;
    if request.name.as_deref().is_some_and(|name| !name.is_empty()) {
        return Err(rich(
            app,
            StatusCode::BAD_REQUEST,
            "DAPR_SCHEDULER_JOB_NAME",
            "Set the job name in the url only",
        ));
    }
    let failure = request.failure_policy.map(policy).transpose()?.unwrap_or_default();
    let spec = JobSpec {
        schedule: request.schedule,
        due_time: request.due_time,
        repeats: request.repeats,
        ttl: request.ttl,
        failure,
        data: request.data.map(JobData::Json),
    };
    let (name, overwrite) = (name.trim().to_owned(), request.overwrite.unwrap_or_default());
    let done = schedule(&api.components, app, NewJob { name, spec, overwrite }).await;
    done.map_err(|error| error_of(app, "DAPR_SCHEDULER_SCHEDULE_JOB", "failed to schedule job", &error))?;
    Ok(no_content())
}

/// GET: 200 with the job.
pub(crate) async fn get(api: &Api, name: &str) -> Result<Response<Body>, ApiError> {
    let app = &api.caller.app;
    let spec = super::read(&api.components, app, name).await;
    let spec = spec.map_err(|error| error_of(app, "DAPR_SCHEDULER_GET_JOB", "failed to get job", &error))?;
    Ok(answer(StatusCode::OK, &shown(name, &spec)))
}

/// DELETE: 204, also where there was none.
pub(crate) async fn delete(api: &Api, name: &str) -> Result<Response<Body>, ApiError> {
    let app = &api.caller.app;
    let done = super::remove(&api.components, app, name).await;
    done.map_err(|error| error_of(app, "DAPR_SCHEDULER_DELETE_JOB", "failed to delete job", &error))?;
    Ok(no_content())
}

fn policy(policy: Policy) -> Result<FailurePolicy, ApiError> {
    match policy {
        Policy { drop: Some(_), constant: Some(_) } => {
            Err(ApiError::malformed("failurePolicy is both: keep `drop` or `constant`"))
        }
        Policy { drop: Some(Drop {}), constant: None } => Ok(FailurePolicy::Drop),
        Policy { drop: None, constant: None } => Ok(FailurePolicy::default()),
        Policy { drop: None, constant: Some(Constant { interval, max_retries }) } => {
            let interval = interval.as_deref().map_or(Ok(Duration::ZERO), duration)?;
            Ok(FailurePolicy::Constant { interval, retries_max: max_retries })
        }
    }
}

fn duration(text: &str) -> Result<Duration, ApiError> {
    let nanos = go_duration(text).and_then(|nanos| u64::try_from(nanos).ok());
    let wrong = || ApiError::malformed(format!("interval `{text}` is no duration such as `3s`"));
    nanos.map(Duration::from_nanos).ok_or_else(wrong)
}

fn shown<'a>(name: &'a str, spec: &'a JobSpec) -> Shown<'a> {
    let failure_policy = match spec.failure {
        FailurePolicy::Drop => Policy { drop: Some(Drop {}), constant: None },
        FailurePolicy::Constant { interval, retries_max } => {
            let interval = Some(shown_duration(interval));
            Policy { drop: None, constant: Some(Constant { interval, max_retries: retries_max }) }
        }
    };
    Shown {
        name,
        schedule: spec.schedule.as_deref(),
        repeats: spec.repeats,
        due_time: spec.due_time.as_deref(),
        ttl: spec.ttl.as_deref(),
        data: spec.data.as_ref().map(shown_data),
        failure_policy,
    }
}

fn shown_data(data: &JobData) -> ShownData<'_> {
    match data {
        JobData::Json(json) => ShownData { kind: VALUE, value: ShownValue::Json(json) },
        JobData::Any { type_url, value } => {
            ShownData { kind: type_url, value: ShownValue::Base64(BASE64_STANDARD.encode(value)) }
        }
    }
}

/// As protobuf's JSON writes a duration: seconds, with as many threes of places as it takes.
fn shown_duration(duration: Duration) -> String {
    let (seconds, nanos) = (duration.as_secs(), duration.subsec_nanos());
    match nanos {
        0 => format!("{seconds}s"),
        nanos if nanos.is_multiple_of(1_000_000) => format!("{seconds}.{:03}s", nanos / 1_000_000),
        nanos if nanos.is_multiple_of(1_000) => format!("{seconds}.{:06}s", nanos / 1_000),
        nanos => format!("{seconds}.{nanos:09}s"),
    }
}

/// As Dapr answers: what the scheduler would refuse is a failure of the operation.
pub(super) fn error_of(app: &str, code: &'static str, what: &str, error: &JobError) -> ApiError {
    let status = match error {
        JobError::NameEmpty => {
            return rich(app, StatusCode::BAD_REQUEST, "DAPR_SCHEDULER_JOB_NAME_EMPTY", &error.to_string());
        }
        JobError::ScheduleEmpty => {
            return rich(app, StatusCode::BAD_REQUEST, "DAPR_SCHEDULER_SCHEDULE_EMPTY", &error.to_string());
        }
        JobError::Failed(failure @ (Failure::Overloaded { .. } | Failure::Stopping { .. })) => {
            let failed = ApiError::failed(code, &format!("{what} due to"), failure);
            return failed.rich(code, &[("appID", app)]);
        }
        JobError::NameWrong => StatusCode::BAD_REQUEST,
        JobError::Exists(_) => StatusCode::CONFLICT,
        JobError::Times(_)
        | JobError::Zone(_)
        | JobError::NotFound(_)
        | JobError::NotConfigured
        | JobError::Damaged { .. }
        | JobError::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    rich(app, status, code, &format!("{what} due to: {error}"))
}

fn rich(app: &str, status: StatusCode, code: &'static str, message: &str) -> ApiError {
    ApiError::new(status, code, message).rich(code, &[("appID", app)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_protobuf_does() {
        for (text, expected) in
            [("3s", "3s"), ("1500ms", "1.500s"), ("10us", "0.000010s"), ("1ns", "0.000000001s")]
        {
            assert_eq!(shown_duration(duration(text).unwrap()), expected);
        }
        assert!(duration("-1s").is_err() && duration("soon").is_err());
    }
}
