//! Jobs over gRPC.

use std::time::Duration;

use dapr::dapr::proto::common::v1::job_failure_policy::Policy;
use dapr::dapr::proto::common::v1::{JobFailurePolicy, JobFailurePolicyConstant, JobFailurePolicyDrop};
use dapr::dapr::proto::runtime::v1::{
    DeleteJobRequest, DeleteJobResponse, DeleteJobsByPrefixRequest, DeleteJobsByPrefixRequestAlpha1,
    DeleteJobsByPrefixResponse, DeleteJobsByPrefixResponseAlpha1, GetJobRequest, GetJobResponse, Job,
    ListJobsRequest, ListJobsRequestAlpha1, ListJobsResponse, ListJobsResponseAlpha1, ScheduleJobRequest,
    ScheduleJobResponse,
};
use floodway_policy::job::FailurePolicy;
use prost_types::Any;
use tonic::{Request, Status};

use super::http::error_of;
use super::{JobData, JobError, JobSpec, NewJob};
use crate::grpc::Service;

/// Answers once the job is durable.
pub(crate) async fn schedule_job(
    service: &Service,
    request: Request<ScheduleJobRequest>,
) -> Result<ScheduleJobResponse, Status> {
    let ScheduleJobRequest { job, overwrite } = request.into_inner();
    let job = job.ok_or_else(|| Status::invalid_argument("the request has no job"))?;
    let name = job.name.trim().to_owned();
    let new = NewJob { name, spec: spec(job)?, overwrite };
    let done = super::schedule(&service.blocks.components, app(service), new).await;
    done.map_err(failed(service, "DAPR_SCHEDULER_SCHEDULE_JOB", "failed to schedule job"))?;
    Ok(ScheduleJobResponse {})
}

pub(crate) async fn get_job(
    service: &Service,
    request: Request<GetJobRequest>,
) -> Result<GetJobResponse, Status> {
    let name = request.into_inner().name;
    let spec = super::read(&service.blocks.components, app(service), &name).await;
    let spec = spec.map_err(failed(service, "DAPR_SCHEDULER_GET_JOB", "failed to get job"))?;
    Ok(GetJobResponse { job: Some(shown(name, spec)) })
}

/// It is no error where there is none.
pub(crate) async fn delete_job(
    service: &Service,
    request: Request<DeleteJobRequest>,
) -> Result<DeleteJobResponse, Status> {
    let name = request.into_inner().name;
    let done = super::remove(&service.blocks.components, app(service), &name).await;
    done.map_err(failed(service, "DAPR_SCHEDULER_DELETE_JOB", "failed to delete job"))?;
    Ok(DeleteJobResponse {})
}

/// Those of the app, by name.
pub(crate) async fn list_jobs(
    service: &Service,
    _request: Request<ListJobsRequest>,
) -> Result<ListJobsResponse, Status> {
    Ok(ListJobsResponse { jobs: list(service).await? })
}

pub(crate) async fn list_jobs_alpha1(
    service: &Service,
    _request: Request<ListJobsRequestAlpha1>,
) -> Result<ListJobsResponseAlpha1, Status> {
    Ok(ListJobsResponseAlpha1 { jobs: list(service).await? })
}

/// Without a prefix, all of the app's.
pub(crate) async fn delete_jobs_by_prefix(
    service: &Service,
    request: Request<DeleteJobsByPrefixRequest>,
) -> Result<DeleteJobsByPrefixResponse, Status> {
    remove_by_prefix(service, request.into_inner().name_prefix).await?;
    Ok(DeleteJobsByPrefixResponse {})
}

pub(crate) async fn delete_jobs_by_prefix_alpha1(
    service: &Service,
    request: Request<DeleteJobsByPrefixRequestAlpha1>,
) -> Result<DeleteJobsByPrefixResponseAlpha1, Status> {
    remove_by_prefix(service, request.into_inner().name_prefix).await?;
    Ok(DeleteJobsByPrefixResponseAlpha1 {})
}

async fn list(service: &Service) -> Result<Vec<Job>, Status> {
    let list = super::list(&service.blocks.components, app(service)).await;
    let list = list.map_err(failed(service, "DAPR_SCHEDULER_LIST_JOBS", "failed to list jobs"))?;
    Ok(list.into_iter().map(|(name, spec)| shown(name, spec)).collect())
}

async fn remove_by_prefix(service: &Service, prefix: Option<String>) -> Result<(), Status> {
    let prefix = prefix.unwrap_or_default();
    let done = super::remove_by_prefix(&service.blocks.components, app(service), &prefix).await;
    done.map_err(failed(service, "DAPR_SCHEDULER_DELETE_JOBS", "failed to delete jobs by prefix"))
}

fn app(service: &Service) -> &str {
    &service.blocks.caller.app
}

fn failed<'a>(
    service: &'a Service,
    code: &'static str,
    what: &'static str,
) -> impl Fn(JobError) -> Status + 'a {
    move |error| error_of(app(service), code, what, &error).into()
}

fn spec(job: Job) -> Result<JobSpec, Status> {
    let Job { name: _, schedule, repeats, due_time, ttl, data, failure_policy } = job;
    let policy = failure_policy.and_then(|policy| policy.policy);
    let failure = policy.map_or_else(|| Ok(FailurePolicy::default()), failure)?;
    let data = data.map(|Any { type_url, value }| JobData::Any { type_url, value: value.into() });
    Ok(JobSpec { schedule, due_time, repeats, ttl, failure, data })
}

fn failure(policy: Policy) -> Result<FailurePolicy, Status> {
    let Policy::Constant(JobFailurePolicyConstant { interval, max_retries }) = policy else {
        return Ok(FailurePolicy::Drop);
    };
    let wrong = |_error| Status::invalid_argument("the interval of the failure policy is negative");
    let interval = interval.map_or(Ok(Duration::ZERO), |interval| interval.try_into().map_err(wrong))?;
    Ok(FailurePolicy::Constant { interval, retries_max: max_retries })
}

fn shown(name: String, spec: JobSpec) -> Job {
    let JobSpec { schedule, due_time, repeats, ttl, failure, data } = spec;
    let policy = match failure {
        FailurePolicy::Drop => Policy::Drop(JobFailurePolicyDrop {}),
        FailurePolicy::Constant { interval, retries_max } => {
            // One that is too long for it is none that anybody waits for.
            let interval = prost_types::Duration::try_from(interval).unwrap_or_default();
            Policy::Constant(JobFailurePolicyConstant { interval: Some(interval), max_retries: retries_max })
        }
    };
    let data = data.as_ref().map(JobData::any);
    let failure_policy = Some(JobFailurePolicy { policy: Some(policy) });
    Job { name, schedule, repeats, due_time, ttl, data, failure_policy }
}
