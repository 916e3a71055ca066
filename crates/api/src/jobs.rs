//! Jobs, as every protocol asks for them: what an operation means and how it can fail. When a job runs is
//! decided by `policy::job`; [`run`] does it.

pub(crate) mod grpc;
pub(crate) mod http;
mod run;
mod stored;

use floodway_blocks::Failure;
use floodway_blocks::jobs::{Entry, IfThere, Jobs};
use floodway_policy::calendar::Moment;
use floodway_policy::job::PlanError;

pub use self::run::run_jobs;
use self::stored::Stored;
pub(crate) use self::stored::{JobData, JobSpec};
use crate::clock;
use crate::components::Components;

/// The longest name, in bytes.
const NAME_MAX: usize = 512;

/// A job to be made.
#[derive(Debug)]
pub(crate) struct NewJob {
    pub(crate) name: String,
    pub(crate) spec: JobSpec,
    /// Whether it takes the place of one of that name.
    pub(crate) overwrite: bool,
}

/// Why an operation on jobs was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JobError {
    #[error("Name is empty")]
    NameEmpty,
    #[error("Schedule is empty")]
    ScheduleEmpty,
    #[error("a job's name has at most {NAME_MAX} bytes, without control characters and any of / \\ # ?")]
    NameWrong,
    #[error("{0}")]
    Times(#[source] PlanError),
    #[error("there is no time zone `{0}`")]
    Zone(String),
    #[error("job already exists: '{0}'")]
    Exists(String),
    #[error("job not found: {0}")]
    NotFound(String),
    #[error("this node keeps no jobs")]
    NotConfigured,
    #[error("what is kept of the job {name} cannot be read: {detail}")]
    Damaged { name: String, detail: String },
    #[error(transparent)]
    Failed(#[from] Failure),
}

/// Makes a job of `app`. Durable before the answer.
pub(crate) async fn schedule(components: &Components, app: &str, job: NewJob) -> Result<(), JobError> {
    let NewJob { name, spec, overwrite } = job;
    check_name(&name)?;
    if spec.schedule.is_none() && spec.due_time.is_none() {
        return Err(JobError::ScheduleEmpty);
    }
    let jobs = find(components)?;
    let created = clock::moment();
    let stored = Stored::new(spec, created)?;
    let if_there = if overwrite { IfThere::Replace } else { IfThere::Keep };
    let written = match stored.entry() {
        Some(entry) => jobs.write(app, &name, entry, if_there).await?,
        None => end_before_it_began(jobs, app, &name, if_there).await?,
    };
    if written { Ok(()) } else { Err(JobError::Exists(name)) }
}

/// A job that ends before its first run is over at once; the one whose place it takes is too.
async fn end_before_it_began(
    jobs: &dyn Jobs,
    app: &str,
    name: &str,
    if_there: IfThere,
) -> Result<bool, Failure> {
    match if_there {
        IfThere::Keep => Ok(jobs.read(app, name).await?.is_none()),
        IfThere::Replace => jobs.remove(app, vec![name.to_owned()]).await.map(|()| true),
    }
}

/// Reads a job of `app`.
pub(crate) async fn read(components: &Components, app: &str, name: &str) -> Result<JobSpec, JobError> {
    check_name(name)?;
    let entry = find(components)?.read(app, name).await?;
    spec(name, &entry.ok_or_else(|| JobError::NotFound(name.to_owned()))?)
}

/// Ends a job of `app`; not an error where there is none.
pub(crate) async fn remove(components: &Components, app: &str, name: &str) -> Result<(), JobError> {
    check_name(name)?;
    Ok(find(components)?.remove(app, vec![name.to_owned()]).await?)
}

/// The jobs of `app` by name.
pub(crate) async fn list(components: &Components, app: &str) -> Result<Vec<(String, JobSpec)>, JobError> {
    let jobs = find(components)?;
    let mut list = Vec::new();
    for name in jobs.names(app).await? {
        // One that has ended meanwhile is no longer one of them.
        if let Some(entry) = jobs.read(app, &name).await? {
            let spec = spec(&name, &entry)?;
            list.push((name, spec));
        }
    }
    Ok(list)
}

/// Ends all jobs of `app` whose names begin so.
pub(crate) async fn remove_by_prefix(
    components: &Components,
    app: &str,
    prefix: &str,
) -> Result<(), JobError> {
    let jobs = find(components)?;
    let names = jobs.names(app).await?.into_iter().filter(|name| name.starts_with(prefix));
    Ok(jobs.remove(app, names.collect()).await?)
}

fn find(components: &Components) -> Result<&dyn Jobs, JobError> {
    components.jobs.as_ref().map(|component| &*component.jobs).ok_or(JobError::NotConfigured)
}

fn check_name(name: &str) -> Result<(), JobError> {
    if name.is_empty() {
        return Err(JobError::NameEmpty);
    }
    let is_wrong = |c: char| c.is_control() || "/\\#?".contains(c);
    if name.len() > NAME_MAX || name.contains(is_wrong) { Err(JobError::NameWrong) } else { Ok(()) }
}

fn spec(name: &str, entry: &Entry) -> Result<JobSpec, JobError> {
    let damaged =
        |error: serde_json::Error| JobError::Damaged { name: name.to_owned(), detail: error.to_string() };
    Ok(Stored::read(&entry.body).map_err(damaged)?.spec)
}

/// A moment of the policy as the engine has it.
fn wall(Moment(millis): Moment) -> std::time::SystemTime {
    let since = std::time::Duration::from_millis(u64::try_from(millis).unwrap_or_default());
    std::time::SystemTime::UNIX_EPOCH + since
}
