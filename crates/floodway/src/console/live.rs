//! The live part of the screen: what is built, or a line per replica, and a load's progress.

use std::time::Duration;

use floodway_node::Progress;
use floodway_node::status::{NodeStatus, Observer, ReplicaStatus};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// What the live part shows from now on.
#[derive(Debug)]
pub(crate) enum View {
    /// A build step's last line of output.
    Building(String),
    /// The replicas.
    Node(Observer),
    /// How far a load is.
    Load(String, Progress),
    /// No load any more.
    LoadOver,
}

/// Draws it, one bar per line, so that each is cut to the terminal's width.
#[derive(Debug)]
pub(crate) struct Live {
    screen: MultiProgress,
    building: Option<ProgressBar>,
    node: Option<Observer>,
    rows: Vec<ProgressBar>,
    load: Option<ProgressBar>,
}

/// Lines of the table at most, so that it leaves room on a small terminal.
const ROWS_MAX: usize = 24;

// === impl Live ===

impl Live {
    pub(super) fn new(screen: MultiProgress) -> Self {
        Self { screen, building: None, node: None, rows: Vec::new(), load: None }
    }

    pub(super) fn change(&mut self, view: View) {
        match view {
            View::Building(line) => self.show_building(line),
            View::Node(observer) => {
                self.end_building();
                self.node = Some(observer);
            }
            View::Load(name, progress) => self.show_load(name, progress),
            View::LoadOver => self.end_load(),
        }
    }

    /// Brings the table up to date.
    pub(super) async fn draw(&mut self) {
        if let Some(observer) = &self.node {
            let rows = table(&observer.status().await, ROWS_MAX);
            self.set_rows(rows);
        }
    }

    pub(super) fn clear(mut self) {
        self.end_building();
        self.end_load();
        self.set_rows(Vec::new());
        self.screen.set_draw_target(ProgressDrawTarget::hidden());
    }

    fn show_building(&mut self, line: String) {
        let bar = self.building.get_or_insert_with(|| {
            let bar = self.screen.add(ProgressBar::new_spinner());
            bar.set_style(style("{spinner} {elapsed} {wide_msg}"));
            bar.enable_steady_tick(Duration::from_millis(250));
            bar
        });
        bar.set_message(line);
    }

    fn end_building(&mut self) {
        if let Some(bar) = self.building.take() {
            bar.finish_and_clear();
        }
    }

    fn end_load(&mut self) {
        if let Some(bar) = self.load.take() {
            bar.finish_and_clear();
        }
    }

    fn show_load(&mut self, name: String, progress: Progress) {
        let bar = self.load.get_or_insert_with(|| {
            let bar = self.screen.add(ProgressBar::new(progress.total));
            bar.set_style(style("{prefix} {wide_bar} {pos}/{len} {percent}% {per_sec} {eta} {msg}"));
            bar.set_prefix(name);
            bar
        });
        bar.set_position(progress.ended);
        bar.set_message(format!("{} accepted, {} in flight", progress.accepted, progress.in_flight));
    }

    fn set_rows(&mut self, rows: Vec<String>) {
        while self.rows.len() > rows.len() {
            if let Some(bar) = self.rows.pop() {
                bar.finish_and_clear();
                self.screen.remove(&bar);
            }
        }
        while self.rows.len() < rows.len() {
            let bar = self.screen.insert(self.rows.len(), ProgressBar::new_spinner());
            bar.set_style(style("{wide_msg}"));
            self.rows.push(bar);
        }
        for (bar, row) in self.rows.iter().zip(rows) {
            if bar.message() != row {
                bar.set_message(row);
            }
        }
    }
}

/// The table's lines, its head first, with so many replicas at most.
pub(crate) fn table(status: &NodeStatus, rows_max: usize) -> Vec<String> {
    let replicas: Vec<_> = status.services.iter().flat_map(|service| &service.replicas).collect();
    let width = replicas.iter().map(|row| row.replica.len()).max().unwrap_or(0).max("REPLICA".len());
    let mut lines = vec![format!(
        "{:width$}  {:<9}  {:>7}  {:<21}  {:>5}  {:>8}  {:>9}  {:>7}",
        "REPLICA", "STATE", "PID", "ADDRESS", "API", "RESTARTS", "IN FLIGHT", "UP"
    )];
    lines.extend(replicas.iter().take(rows_max).map(|row| line(row, width)));
    if replicas.len() > rows_max {
        lines.push(format!("… and {} more: see `floodway status`", replicas.len() - rows_max));
    }
    lines
}

fn line(row: &ReplicaStatus, width: usize) -> String {
    let number = |value: Option<u32>| value.map_or_else(|| "-".to_owned(), |value| value.to_string());
    let why = row.why.as_ref().map(|why| format!("  {why}")).unwrap_or_default();
    format!(
        "{:width$}  {:<9}  {:>7}  {:<21}  {:>5}  {:>8}  {:>9}  {:>7}{why}",
        row.replica,
        row.state,
        number(row.pid),
        row.address.map_or_else(|| "-".to_owned(), |address| address.to_string()),
        number(row.api_port.map(u32::from)),
        row.restarts,
        row.in_flight,
        up(row.uptime_s),
    )
}

/// A length of time in its largest unit, as in `12s` or `3h`.
fn up(seconds: f64) -> String {
    match seconds {
        s if s < 120.0 => format!("{s:.0}s"),
        s if s < 7_200.0 => format!("{:.0}m", (s / 60.0).floor()),
        s if s < 172_800.0 => format!("{:.0}h", (s / 3_600.0).floor()),
        s => format!("{:.0}d", (s / 86_400.0).floor()),
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
