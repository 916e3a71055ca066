//! Which core runs what: the proxy has one of its own, the generator and the backends share another.

use std::ffi::OsStr;
use std::process::Command;

use anyhow::{Context, Result};

/// Two cores, if there are two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cores {
    pub(crate) proxy: u32,
    /// `None`: everything shares the proxy's.
    pub(crate) rest: Option<u32>,
}

/// The first two cores that this process may use.
pub(crate) fn available() -> Result<Cores> {
    let status = std::fs::read_to_string("/proc/self/status").context("cannot read which cores there are")?;
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    let mut allowed = list.and_then(parse).unwrap_or_default().into_iter();
    let proxy = allowed.next().context("the kernel does not say which cores there are")?;
    Ok(Cores { proxy, rest: allowed.next() })
}

/// Reads `0-3,6`.
fn parse(allowed: &str) -> Option<Vec<u32>> {
    let mut numbers = Vec::new();
    for part in allowed.trim().split(',') {
        let (low, high) = part.split_once('-').unwrap_or((part, part));
        numbers.extend(low.parse::<u32>().ok()?..=high.parse().ok()?);
    }
    Some(numbers)
}

impl Cores {
    /// A program on the proxy's core. The kernel ends it when this program ends, however it does.
    pub(crate) fn for_proxy(self, program: impl AsRef<OsStr>) -> Command {
        pinned(self.proxy, program.as_ref())
    }

    /// A program on the other core.
    pub(crate) fn for_rest(self, program: impl AsRef<OsStr>) -> Command {
        pinned(self.rest.unwrap_or(self.proxy), program.as_ref())
    }
}

fn pinned(core: u32, program: &OsStr) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "TERM", "taskset", "-c"]).arg(core.to_string()).arg(program);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_lists_of_cores() {
        assert_eq!(parse("\t0-1"), Some(vec![0, 1]));
        assert_eq!(parse("2"), Some(vec![2]));
        assert_eq!(parse("0,4-6"), Some(vec![0, 4, 5, 6]));
        assert_eq!(parse("all"), None);
    }

    #[test]
    fn pins_what_it_starts() {
        let output = pinned(available().unwrap().proxy, OsStr::new("nproc")).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "1");
    }
}
