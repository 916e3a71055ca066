//! The guard's own process.

use std::collections::BTreeSet;
use std::io::{self, BufRead, BufReader, Write};

use rustix::process::{Pid, Signal};

/// Runs the guard on this process: reads groups from stdin until it ends, then kills those left.
/// Returns only then.
pub fn watch() -> io::Result<()> {
    rustix::process::setsid()?;
    io::stdout().write_all(super::READY)?;
    io::stdout().flush()?;
    let mut groups = BTreeSet::new();
    for line in BufReader::new(io::stdin()).lines() {
        note(&line?, &mut groups);
    }
    for group in groups {
        kill(group);
    }
    Ok(())
}

/// Takes in `+17` or `-17`. Anything else was not written by us and is left alone.
fn note(line: &str, groups: &mut BTreeSet<i32>) {
    // 1 is init, which leads no group of ours.
    let number = |text: &str| text.parse().ok().filter(|&group| group > 1);
    if let Some(group) = line.strip_prefix('+').and_then(number) {
        groups.insert(group);
    } else if let Some(group) = line.strip_prefix('-').and_then(number) {
        groups.remove(&group);
    }
}

fn kill(group: i32) {
    let Some(group) = Pid::from_raw(group) else { return };
    match rustix::process::kill_process_group(group, Signal::KILL) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => {}
        Err(error) => tracing::error!(%error, group = group.as_raw_pid(), "could not kill a process group"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_what_is_registered_and_not_released() {
        let mut groups = BTreeSet::new();
        for line in ["+17", "+18", "-17", "+1", "+-5", "nonsense", "", "-99"] {
            note(line, &mut groups);
        }
        assert_eq!(groups.into_iter().collect::<Vec<_>>(), [18]);
    }
}
