//! Runs a load of the system file against this very node, and judges it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use floodway_bench::{LoadError, Progress, Report};
use floodway_system::{Audit, NamedLoad};
use floodway_workload::{Load, Unmet};
use tokio::sync::{mpsc, oneshot};

use crate::error::NodeError;
use crate::guard::Guard;
use crate::supervisor::{ApiPorts, Line, Process, ending, resolve};

/// What a load came to.
#[derive(Debug)]
pub struct Outcome {
    /// What was offered and what came back.
    pub report: Report,
    /// Expectations that did not hold.
    pub unmet: Vec<Unmet>,
    /// How the audit ended, where there is one.
    pub audit: Option<AuditOutcome>,
    /// A line per request.
    pub journal: PathBuf,
}

/// How an audit ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditOutcome {
    /// Whether it found nothing wrong.
    pub is_green: bool,
    /// As in "exit status 1".
    pub ending: String,
}

/// Where a load goes.
#[derive(Debug)]
pub(crate) struct Target<'a> {
    pub(crate) gateway: SocketAddr,
    pub(crate) data: &'a Path,
    pub(crate) guard: &'a Arc<Guard>,
    pub(crate) output: &'a mpsc::Sender<Line>,
    /// The API port whose caller is the audit.
    pub(crate) audit_ports: ApiPorts,
    pub(crate) api_token: Option<&'a str>,
    pub(crate) system: &'a str,
}

// === impl Outcome ===

impl Outcome {
    /// Whether every expectation and the audit held.
    pub fn held(&self) -> bool {
        self.unmet.is_empty() && self.audit.as_ref().is_none_or(|audit| audit.is_green)
    }
}

/// Runs a load and its audit. Dropping the future stops both.
pub(crate) async fn run(
    spec: &NamedLoad,
    target: &Target<'_>,
    progress: impl Fn(Progress) + Send + 'static,
) -> Result<Outcome, NodeError> {
    let failed = |source| NodeError::LoadFailed { name: spec.name.clone(), source };
    let folder = target.data.join("loads").join(&spec.name);
    std::fs::create_dir_all(&folder).map_err(|source| failed(source.into()))?;
    let journal = folder.join("journal.csv");
    let report = offer(spec.load.clone(), target.gateway, journal.clone(), progress).await.map_err(failed)?;
    let unmet = spec.expect.check(&report);
    let audit = match &spec.audit {
        Some(audit) => Some(run_audit(audit, spec, target, &journal).await?),
        None => None,
    };
    Ok(Outcome { report, unmet, audit, journal })
}

type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// Offers the load from a thread of its own, so that the node's other work does not delay it.
async fn offer(
    load: Load,
    gateway: SocketAddr,
    journal: PathBuf,
    progress: impl Fn(Progress) + Send + 'static,
) -> Result<Report, AnyError> {
    // Dropped with this future; the thread then stops.
    let (_keep, mut left) = oneshot::channel::<()>();
    let (done, outcome) = oneshot::channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("load".into()).spawn(move || {
        let run = async {
            tokio::select! {
                outcome = floodway_bench::run(&load, gateway, Some(&journal), progress) => Some(outcome),
                _ = &mut left => None,
            }
        };
        let outcome: Option<Result<Report, LoadError>> = runtime.block_on(run);
        // Nobody waits any more when the load was given up.
        drop(outcome.map(|outcome| done.send(Box::new(outcome))));
    })?;
    Ok((*outcome.await?)?)
}

async fn run_audit(
    audit: &Audit,
    spec: &NamedLoad,
    target: &Target<'_>,
    journal: &Path,
) -> Result<AuditOutcome, NodeError> {
    let service = format!("the audit of {}", spec.name);
    let (word, arguments) = audit.command.split_first().map_or(("", &[][..]), |(word, rest)| (word, rest));
    let path = resolve(&service, word, &audit.dir)?;
    let cannot = |source| NodeError::CannotRun {
        service: service.clone(),
        command: word.to_owned(),
        dir: audit.dir.clone(),
        source,
    };
    let journal = std::path::absolute(journal).map_err(cannot)?;
    let mut command = target.guard.command(&path, arguments).map_err(cannot)?;
    command
        .current_dir(&audit.dir)
        .envs(target.audit_ports.env())
        .env("FLOODWAY_LOAD", &spec.name)
        .env("FLOODWAY_SYSTEM", target.system)
        .env("FLOODWAY_JOURNAL", journal)
        .env("FLOODWAY_GATEWAY", format!("http://{}", target.gateway));
    if let Some(token) = target.api_token {
        command.env("DAPR_API_TOKEN", token);
    }
    let from = Arc::from("audit");
    let mut process = Process::spawn(target.guard, command, &from, target.output).map_err(cannot)?;
    let status = process.wait().await;
    process.bury().await;
    let is_green = status.as_ref().is_ok_and(std::process::ExitStatus::success);
    Ok(AuditOutcome { is_green, ending: ending(&status) })
}

/// Time for all replicas to become ready before a load.
pub(crate) const READY_MAX: Duration = Duration::from_mins(2);
