//! What the kernel says of this process (proc(5)).

use std::fs;

/// Nothing where the kernel does not tell.
#[derive(Debug, Default)]
pub(super) struct Process {
    pub(super) cpu_s: Option<f64>,
    pub(super) memory_bytes: Option<f64>,
    pub(super) descriptors: Option<f64>,
    pub(super) started_s: Option<f64>,
}

impl Process {
    pub(super) fn read() -> Self {
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        // The name before may have spaces and parentheses of its own.
        let words: Vec<f64> = stat.rsplit_once(')').map_or_else(Vec::new, |(_, rest)| {
            rest.split_whitespace().map(|word| word.parse().unwrap_or(f64::NAN)).collect()
        });
        // The first word here is the third field of the page.
        let field = |number: usize| words.get(number - 3).copied();
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        let pages = rustix::param::page_size() as f64;
        Self {
            cpu_s: field(14).zip(field(15)).map(|(user, system)| (user + system) / ticks),
            memory_bytes: field(24).map(|resident| resident * pages),
            descriptors: fs::read_dir("/proc/self/fd").ok().map(|entries| entries.count() as f64),
            started_s: field(22).zip(booted_s()).map(|(since_boot, booted)| booted + since_boot / ticks),
        }
    }
}

/// When the machine was started, in seconds since 1970.
fn booted_s() -> Option<f64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}
