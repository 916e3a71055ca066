//! Build steps: each distinct one runs once, one after the other, before anything is started.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

use floodway_system::{Service, Source};
use tokio::sync::mpsc;

use super::Line;
use super::process::{Process, ending};
use crate::clock::Clock;
use crate::error::NodeError;
use crate::guard::Guard;

/// Lines of a build's output that are kept to be shown when it fails.
const KEPT_LINES: usize = 200;

/// A shell command that makes a program, with its folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Step<'a> {
    command: &'a str,
    dir: &'a Path,
}

/// Runs the build steps of `services`. `progress` gets each line as it comes; `output` the last ones of
/// a step that fails.
pub async fn build(
    services: &[Service],
    guard: &Arc<Guard>,
    clock: Clock,
    progress: &mpsc::Sender<Line>,
    output: &mpsc::Sender<Line>,
) -> Result<(), NodeError> {
    for (service, step) in distinct(services) {
        let started = clock.now();
        tracing::info!(service, command = step.command, "building");
        let mut kept = VecDeque::new();
        let status = run(service, step, guard, progress, &mut kept).await?;
        let took = clock.now().since(started);
        if status != "exit status 0" {
            for line in kept {
                if output.send(line).await.is_err() {
                    break;
                }
            }
            let (service, command) = (service.to_owned(), step.command.to_owned());
            return Err(NodeError::BuildFailed { service, command, status });
        }
        tracing::info!(service, seconds = format_args!("{:.1}", took.as_secs_f64()), "built");
    }
    Ok(())
}

fn distinct(services: &[Service]) -> Vec<(&str, Step<'_>)> {
    let mut steps: Vec<(&str, Step<'_>)> = Vec::new();
    for service in services {
        let Source::Run(run) = &service.source else { continue };
        let Some(command) = &run.build else { continue };
        let step = Step { command, dir: &run.dir };
        if steps.iter().all(|(_, known)| *known != step) {
            steps.push((&service.name, step));
        }
    }
    steps
}

async fn run(
    service: &str,
    step: Step<'_>,
    guard: &Arc<Guard>,
    progress: &mpsc::Sender<Line>,
    kept: &mut VecDeque<Line>,
) -> Result<String, NodeError> {
    let cannot = |source| NodeError::CannotRun {
        service: service.to_owned(),
        command: "sh".into(),
        dir: super::display(step.dir),
        source,
    };
    let mut command =
        guard.command(Path::new("/bin/sh"), &["-c".into(), step.command.to_owned()]).map_err(cannot)?;
    command.current_dir(step.dir);
    let (lines, mut printed) = mpsc::channel(64);
    let from = Arc::from(format!("build {service}"));
    let mut process = Process::spawn(guard, command, &from, &lines).map_err(cannot)?;
    drop(lines);
    let mut ended = None;
    loop {
        tokio::select! {
            line = printed.recv() => match line {
                Some(line) => keep(line, progress, kept),
                None => break,
            },
            status = process.wait(), if ended.is_none() => {
                ended = Some(status);
                // What it left running in the background is no part of the build.
                process.end_group();
            }
        }
    }
    let status = match ended {
        Some(status) => status,
        None => process.wait().await,
    };
    process.bury().await;
    Ok(ending(&status))
}

fn keep(line: Line, progress: &mpsc::Sender<Line>, kept: &mut VecDeque<Line>) {
    if kept.len() == KEPT_LINES {
        kept.pop_front();
    }
    kept.push_back(line.clone());
    // Progress is for the eye: what does not fit is not worth waiting for.
    drop(progress.try_send(line));
}

#[cfg(test)]
mod tests {
    use super::*;
    use floodway_policy::balance::Balance;
    use floodway_policy::health::ProbePolicy;
    use floodway_system::{Health, Probe, Run};

    fn service(name: &str, build: Option<&str>, dir: &str) -> Service {
        let run = Run {
            build: build.map(str::to_owned),
            command: vec!["true".into()],
            dir: dir.into(),
            env: Vec::new(),
            replicas: 1,
        };
        Service {
            name: name.into(),
            source: Source::Run(run),
            protocol: floodway_policy::snapshot::Protocol::default(),
            is_grpc_app: false,
            tls: None,
            health: Health { probe: Probe::Tcp, policy: ProbePolicy::default() },
            balance: Balance::RoundRobin,
            hash: floodway_policy::balance::HashPolicy::default(),
            sticky: None,
            slow_start: std::time::Duration::ZERO,
            outlier: None,
            weights: Vec::new(),
            backups: 0,
            zones: Vec::new(),
            timeout: std::time::Duration::from_secs(1),
            retry: floodway_policy::retry::RetryPolicy::default(),
            budget: floodway_policy::budget::BudgetPolicy::default(),
            guard: floodway_policy::guard::GuardPolicy::default(),
        }
    }

    #[test]
    fn a_step_runs_once_per_command_and_folder() {
        let services = [
            service("a", Some("make"), "x"),
            service("b", Some("make"), "x"),
            service("c", Some("make"), "y"),
            service("d", None, "x"),
        ];
        let names: Vec<_> = distinct(&services).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["a", "c"]);
    }
}
