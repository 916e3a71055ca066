//! `floodway up`

use std::convert::Infallible;
use std::ffi::OsString;
use std::path::PathBuf;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use anyhow::Context;
use floodway_node::handover::{self, Successor};
use floodway_node::load::Outcome;
use floodway_node::node::{Told, find_load};
use floodway_node::supervisor::Line;
use floodway_node::{Node, Options, Progress, ReadSystem};
use floodway_system::{NamedLoad, System};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use crate::cli::{LogForm, Up};
use crate::console::{Console, View, Viewer};
use crate::failure::Failure;
use crate::logging;

/// How often a system file that is watched is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Pause between two lines about a load where there is no progress bar.
const PROGRESS_EVERY: Duration = Duration::from_secs(5);

pub(super) fn run(up: &Up, form: LogForm) -> Result<ExitCode, Failure> {
    let system = super::running::system_with(&up.file, up.profile.as_deref(), &up.resources)?;
    if let Some(name) = &up.load {
        find_load(&system, name)?;
    }
    let console = Console::start(form, up.quiet).context("could not start the console's thread")?;
    logging::install(form, up.quiet, console.log())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("could not start the runtime")?;
    // On this thread: the kernel ends replicas with the thread that started them.
    let outcome = runtime.block_on(up_and_down(system, up, form, &console));
    drop(runtime);
    console.finish();
    outcome
}

async fn up_and_down(system: System, up: &Up, form: LogForm, console: &Console) -> Result<ExitCode, Failure> {
    let mut signals = Signals::new().context("could not listen for signals")?;
    let (progress, building) = mpsc::channel(64);
    let inherited = if up.take_over { handover::take()? } else { Vec::new() };
    let options = Options {
        build: !up.no_build,
        output: console.lines(),
        progress,
        read: read_again(up),
        inherited,
        successor: successor(up, form).context("could not find this program's path")?,
    };
    let viewer = console.viewer();
    let schemes = schemes(&system);
    let changes = Changes { watched: up.watch.then(|| system.file.clone()) };
    let node = tokio::select! {
        node = Box::pin(Node::start(system, options)) => Box::new(node?),
        never = show_builds(building, &viewer) => match never {},
        name = signals.next() => return Ok(interrupted(up, name)),
    };
    viewer.show(View::Node(node.observer()));
    for (address, scheme) in node.addresses().iter().zip(schemes) {
        tracing::info!(address = %format_args!("{scheme}://{address}"), "the gateway listens");
    }
    let verdict = tokio::select! {
        verdict = Box::pin(work(&node, up, console)) => End::Exit(verdict),
        told = node.told() => match told {
            Told::Stop => End::Exit(Ok(interrupted(up, "the admin API"))),
            Told::Upgrade => End::Upgrade,
        },
        told = signals.told(node.successor()) => match told {
            Some(name) => End::Exit(Ok(interrupted(up, name))),
            None => End::Upgrade,
        },
        failed = Box::pin(changes.reload(&node)) => End::Exit(failed.map(|never| match never {})),
    };
    let end = Box::pin(end(*node, verdict, console));
    tokio::select! {
        verdict = end => verdict,
        name = signals.next() => {
            tracing::warn!(signal = name, "ended at once: requests under way are cut off");
            console.finish();
            // Nothing is waited for: the kernel and the guard end the replicas with this process.
            std::process::exit(1);
        }
    }
}

/// Why a node ends.
enum End {
    Exit(Result<ExitCode, Failure>),
    Upgrade,
}

/// Does not return where another program takes the place.
async fn end(node: Node, end: End, console: &Console) -> Result<ExitCode, Failure> {
    match end {
        End::Exit(verdict) => {
            node.stop().await?;
            tracing::info!("stopped");
            verdict
        }
        End::Upgrade => {
            let successor = node.successor().clone();
            tracing::info!(program = %successor.program.display(), "draining for the upgrade");
            let sockets = node.hand_over().await?;
            console.finish();
            Err(successor.become_it(&sockets).into())
        }
    }
}

/// This program, as it will lie at its path, with the arguments that matter to it.
fn successor(up: &Up, form: LogForm) -> std::io::Result<Successor> {
    let mut file = vec![up.file.path.clone().into_os_string()];
    if let Some(profile) = &up.profile {
        file.extend(["--profile".into(), profile.into()]);
    }
    for resources in &up.resources {
        file.extend(["--resources-path".into(), resources.into()]);
    }
    let form = if form == LogForm::Json { "json" } else { "human" };
    let mut run: Vec<OsString> = ["--log", form, "up", "--no-build", "--take-over"].map(Into::into).into();
    run.extend(up.quiet.then(|| "--quiet".into()));
    run.extend(up.watch.then(|| "--watch".into()));
    run.extend(file.iter().cloned());
    let check = std::iter::once("check".into()).chain(file).collect();
    Ok(Successor { program: std::env::current_exe()?, check, run })
}

/// Reads the system file as the command line says, at any time.
fn read_again(up: &Up) -> ReadSystem {
    let (file, profile, resources) = (up.file.clone(), up.profile.clone(), up.resources.clone());
    ReadSystem::new(move || super::running::system_again(&file, profile.as_deref(), &resources))
}

/// How the gateway is spoken to on each of its addresses.
fn schemes(system: &System) -> Vec<&'static str> {
    let listen = system.gateway.iter().flat_map(|gateway| &gateway.listen);
    listen.map(|listen| if listen.tls { "https" } else { "http" }).collect()
}

/// Being told to stop is no failure, unless a load was to be judged first.
fn interrupted(up: &Up, by: &str) -> ExitCode {
    tracing::info!(by, "draining; a second signal ends everything at once");
    if up.exit { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// What a node does while it runs. Returns only when it is to stop by itself.
async fn work(node: &Node, up: &Up, console: &Console) -> Result<ExitCode, Failure> {
    let announce = async {
        let took = node.all_ready().await;
        tracing::info!(after = %format_args!("{:.2} s", took.as_secs_f64()), "all replicas are ready");
        std::future::pending::<Infallible>().await
    };
    let load = async {
        let Some(name) = &up.load else { return std::future::pending().await };
        let outcome = perform(node, node.load(name)?, console).await?;
        Ok(if outcome.held() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    };
    let mut announce = pin!(announce);
    let verdict: Result<ExitCode, Failure> = tokio::select! {
        verdict = load => verdict,
        never = &mut announce => match never {},
    };
    match verdict {
        Err(failure) if !up.exit => {
            console.print(&failure.to_string()).await;
            std::future::pending().await
        }
        Ok(_) if !up.exit => std::future::pending().await,
        verdict => verdict,
    }
}

async fn perform(node: &Node, load: &NamedLoad, console: &Console) -> Result<Outcome, Failure> {
    let viewer = console.viewer();
    let (name, has_table) = (load.name.clone(), console.has_table());
    let told = AtomicU64::new(0);
    let progress = move |progress: Progress| {
        if has_table {
            viewer.show(View::Load(name.clone(), progress));
        } else if told.swap(periods(progress), Ordering::Relaxed) != periods(progress) {
            let Progress { ended, total, accepted, in_flight, .. } = progress;
            tracing::info!(load = name, ended, total, accepted, in_flight, "under load");
        }
    };
    let outcome = node.run_load(load, progress).await?;
    console.viewer().show(View::LoadOver);
    console.print(&describe(load, &outcome)).await;
    Ok(outcome)
}

/// How often the log told of a load so far.
fn periods(progress: Progress) -> u64 {
    progress.elapsed.as_secs() / PROGRESS_EVERY.as_secs()
}

/// The report, what did not hold, and the verdict.
fn describe(load: &NamedLoad, outcome: &Outcome) -> String {
    let mut lines = vec![String::new(), format!("load {}", load.name)];
    lines.extend(outcome.report.to_string().lines().map(str::to_owned));
    lines.extend(outcome.unmet.iter().map(|unmet| format!("expectation not met: {unmet}")));
    if outcome.unmet.is_empty() {
        lines.push("expectations held".into());
    }
    if let Some(audit) = &outcome.audit {
        let verdict = if audit.is_green { "audit green" } else { "audit failed" };
        lines.push(format!("{verdict} ({})", audit.ending));
    }
    lines.push(format!("journal {}", outcome.journal.display()));
    lines.join("\n")
}

/// Shows what builds print until the start is over.
async fn show_builds(mut building: mpsc::Receiver<Line>, viewer: &Viewer) -> Infallible {
    while let Some(line) = building.recv().await {
        viewer.show(View::Building(format!("{}: {}", line.from, line.text)));
    }
    std::future::pending().await
}

/// Wishes for the system file to be read again.
#[derive(Debug)]
struct Changes {
    /// Looked at, where that is wished.
    watched: Option<PathBuf>,
}

impl Changes {
    /// Has the node read it whenever SIGHUP comes, or it has changed.
    async fn reload(self, node: &Node) -> Result<Infallible, Failure> {
        let mut hangup = signal(SignalKind::hangup()).context("could not listen for SIGHUP")?;
        let mut seen = self.mark();
        loop {
            tokio::select! {
                _ = hangup.recv() => {}
                () = tokio::time::sleep(LOOK_EVERY), if self.watched.is_some() => {
                    let now = self.mark();
                    if now == seen {
                        continue;
                    }
                    seen = now;
                }
            }
            if let Err(error) = node.reload().await {
                tracing::error!(%error, help = error.mend(), "the system file is not taken over");
            }
        }
    }

    /// Differs once the file does; a file that is being replaced may be gone for a moment.
    fn mark(&self) -> Option<(SystemTime, u64)> {
        let metadata = std::fs::metadata(self.watched.as_ref()?).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    }
}

/// Ctrl-C and what service managers send.
#[derive(Debug)]
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    upgrade: Signal,
}

// === impl Signals ===

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            upgrade: signal(SignalKind::user_defined2())?,
        })
    }

    /// The name of the one that ends the node; nothing for SIGUSR2, once the successor accepts the system.
    async fn told(&mut self, successor: &Successor) -> Option<&'static str> {
        loop {
            tokio::select! {
                _ = self.interrupt.recv() => return Some("SIGINT"),
                _ = self.terminate.recv() => return Some("SIGTERM"),
                _ = self.upgrade.recv() => {}
            }
            match successor.check().await {
                Ok(()) => return None,
                Err(error) => tracing::error!(%error, "the system is not upgraded"),
            }
        }
    }

    /// The name of the next one. Cancel safe.
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}
