//! What a person sees while a node runs: what replicas print, the node's own log, and on a terminal a
//! live table below them.
//!
//! A thread of its own writes, so that a slow reader of the output delays replicas that print (their
//! pipes fill, as they would without us) but never the node. Log events that find the queue full are
//! dropped and counted.

mod live;

use std::convert::Infallible;
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender};
use std::time::Duration;

use floodway_node::supervisor::Line;
use indicatif::MultiProgress;
use tokio::sync::mpsc;

use crate::cli::LogForm;
use live::Live;
pub(crate) use live::{View, table};

/// Lines that wait to be written.
const QUEUE: usize = 1024;
/// Lines written between two drawings of the table.
const BATCH: usize = 256;
/// Time for what waits at the end to be written.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// Pause between two drawings of an unchanged table.
const REDRAW: Duration = Duration::from_millis(250);

/// The thread that writes.
#[derive(Debug)]
pub(crate) struct Console {
    lines: mpsc::Sender<Line>,
    log: Log,
    viewer: Viewer,
    finish: mpsc::Sender<()>,
    /// Its other end goes with the thread.
    ended: std::sync::mpsc::Receiver<Infallible>,
}

/// Changes what the live table shows. Never waits: a view that does not fit is followed by others.
#[derive(Debug, Clone)]
pub(crate) struct Viewer {
    queue: Option<mpsc::Sender<View>>,
}

/// Takes the node's own log. Never waits.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    queue: mpsc::Sender<String>,
    dropped: Arc<AtomicU64>,
}

/// The thread's side.
#[derive(Debug)]
struct Loop {
    lines: mpsc::Receiver<Line>,
    log: mpsc::Receiver<String>,
    dropped: Arc<AtomicU64>,
    view: mpsc::Receiver<View>,
    finish: mpsc::Receiver<()>,
    paper: Paper,
    live: Option<Live>,
}

/// Where lines are written.
#[derive(Debug)]
struct Paper {
    form: LogForm,
    is_quiet: bool,
    screen: Option<MultiProgress>,
}

// === impl Console ===

impl Console {
    /// Starts the thread.
    pub(crate) fn start(form: LogForm, is_quiet: bool) -> io::Result<Self> {
        let (lines, lines_read) = mpsc::channel(QUEUE);
        let (queue, log_read) = mpsc::channel(QUEUE);
        let (view, view_read) = mpsc::channel(16);
        let (finish, finish_read) = mpsc::channel(1);
        let log = Log { queue, dropped: Arc::default() };
        let has_table = form == LogForm::Human && !is_quiet && io::stderr().is_terminal();
        let screen = has_table.then(MultiProgress::new);
        let side = Loop {
            lines: lines_read,
            log: log_read,
            dropped: Arc::clone(&log.dropped),
            view: view_read,
            finish: finish_read,
            live: screen.clone().map(Live::new),
            paper: Paper { form, is_quiet, screen },
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        let (running, ended) = std::sync::mpsc::sync_channel(0);
        std::thread::Builder::new().name("console".into()).spawn(move || {
            runtime.block_on(side.run());
            drop::<SyncSender<Infallible>>(running);
        })?;
        let viewer = Viewer { queue: has_table.then_some(view) };
        Ok(Self { lines, log, viewer, finish, ended })
    }

    /// Takes what children print.
    pub(crate) fn lines(&self) -> mpsc::Sender<Line> {
        self.lines.clone()
    }

    /// Takes the log.
    pub(crate) fn log(&self) -> Log {
        self.log.clone()
    }

    /// Changes the live table.
    pub(crate) fn viewer(&self) -> Viewer {
        self.viewer.clone()
    }

    /// Whether there is a live table.
    pub(crate) const fn has_table(&self) -> bool {
        self.viewer.queue.is_some()
    }

    /// Prints a text as it is.
    pub(crate) async fn print(&self, text: &str) {
        let from = Arc::from("");
        for line in text.lines() {
            let line = Line { from: Arc::clone(&from), text: line.to_owned() };
            if self.lines.send(line).await.is_err() {
                tracing::debug!("the console has ended");
            }
        }
    }

    /// Writes all that waits, clears the table, and ends the thread; not for long, as whoever reads the
    /// output may have stopped reading.
    pub(crate) fn finish(&self) {
        if self.finish.try_send(()).is_err() {
            tracing::debug!("the console has ended");
        }
        if self.ended.recv_timeout(LAST_WORDS) == Err(RecvTimeoutError::Timeout) {
            tracing::debug!("nobody reads the last lines");
        }
    }
}

// === impl Viewer ===

impl Viewer {
    pub(crate) fn show(&self, view: View) {
        if let Some(queue) = &self.queue {
            drop(queue.try_send(view));
        }
    }
}

// === impl Log ===

impl Log {
    pub(crate) fn write(&self, event: &str) {
        if self.queue.try_send(event.to_owned()).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

// === impl Loop ===

impl Loop {
    async fn run(mut self) {
        let mut tick = tokio::time::interval(REDRAW);
        let mut lines = Vec::with_capacity(BATCH);
        let mut events = Vec::new();
        loop {
            let goes_on = tokio::select! {
                biased;
                n = self.log.recv_many(&mut events, BATCH) => n > 0,
                n = self.lines.recv_many(&mut lines, BATCH) => n > 0,
                Some(view) = self.view.recv() => self.change(view),
                _ = self.finish.recv() => false,
                _ = tick.tick(), if self.live.is_some() => true,
            };
            self.note_dropped(&mut events);
            self.paper.write(&mut lines, &mut events);
            self.draw().await;
            if !goes_on {
                break;
            }
        }
        self.drain(&mut lines, &mut events);
    }

    fn change(&mut self, view: View) -> bool {
        if let Some(live) = &mut self.live {
            live.change(view);
        }
        true
    }

    async fn draw(&mut self) {
        if let Some(live) = &mut self.live {
            live.draw().await;
        }
    }

    fn note_dropped(&self, events: &mut Vec<String>) {
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            events.push(format!("WARN log events were dropped: the output is too slow count={dropped}"));
        }
    }

    /// Writes what waits at the end.
    fn drain(&mut self, lines: &mut Vec<Line>, events: &mut Vec<String>) {
        while let Ok(line) = self.lines.try_recv() {
            lines.push(line);
        }
        while let Ok(event) = self.log.try_recv() {
            events.push(event);
        }
        self.note_dropped(events);
        if let Some(live) = self.live.take() {
            live.clear();
        }
        self.paper.write(lines, events);
    }
}

// === impl Paper ===

impl Paper {
    /// Writes and empties both. Output that is closed or broken is no reason to stop the node.
    fn write(&self, lines: &mut Vec<Line>, events: &mut Vec<String>) {
        if lines.is_empty() && events.is_empty() {
            return;
        }
        let write = || self.write_lines(lines).and_then(|()| self.write_events(events));
        let written = match &self.screen {
            Some(screen) => screen.suspend(write),
            None => write(),
        };
        drop(written);
        lines.clear();
        events.clear();
    }

    fn write_lines(&self, lines: &[Line]) -> io::Result<()> {
        let is_shown = |line: &&Line| !self.is_quiet || !is_chatter(line);
        let mut out = io::stdout().lock();
        for line in lines.iter().filter(is_shown) {
            match self.form {
                LogForm::Human if line.from.is_empty() => writeln!(out, "{}", line.text)?,
                LogForm::Human => writeln!(out, "{} | {}", line.from, line.text)?,
                LogForm::Json => {
                    writeln!(out, "{}", serde_json::json!({ "from": &*line.from, "line": line.text }))?;
                }
            }
        }
        out.flush()
    }

    fn write_events(&self, events: &[String]) -> io::Result<()> {
        let mut out = io::stderr().lock();
        for event in events {
            match self.form {
                LogForm::Human => writeln!(out, "floodway | {}", event.trim_start())?,
                LogForm::Json => writeln!(out, "{event}")?,
            }
        }
        out.flush()
    }
}

/// Whether a line may be left out when only what matters is wanted: not a report, an audit, or what a
/// failed build printed.
fn is_chatter(line: &Line) -> bool {
    line.from.contains('/')
}
