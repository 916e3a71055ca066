//! The Debian packages that tests and comparisons need.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

/// A program that must be there, and the package that brings it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Package {
    program: &'static str,
    name: &'static str,
}

/// The only list.
const NEEDED: [Package; 4] = [
    Package { program: "nginx", name: "nginx-light" },
    Package { program: "haproxy", name: "haproxy" },
    Package { program: "wrk", name: "wrk" },
    Package { program: "node", name: "nodejs" },
];

/// Installs what is missing, if we may.
pub(crate) fn install() -> Result<()> {
    let missing: Vec<_> = NEEDED.into_iter().filter(|package| !is_installed(package.program)).collect();
    if missing.is_empty() {
        println!("all programs that tests need are there: {}", words(&NEEDED, |package| package.program));
        return Ok(());
    }
    let names = words(&missing, |package| package.name);
    let Some(apt_get) = apt_get() else { bail!(advice(&names)) };
    println!("installing {names}");
    for arguments in [&["update", "-q"][..], &["install", "-q", "-y", "--no-install-recommends"]] {
        let last = arguments.first() == Some(&"install");
        let mut command = Command::new(apt_get[0]);
        command.args(&apt_get[1..]).args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        if last {
            command.args(missing.iter().map(|package| package.name));
        }
        let ended = command.status();
        if !ended.as_ref().is_ok_and(std::process::ExitStatus::success) {
            bail!("`{}` failed: {ended:?}; {}", arguments.join(" "), advice(&names));
        }
    }
    Ok(())
}

/// How apt-get is called with the right to install; `None` if there is none.
fn apt_get() -> Option<&'static [&'static str]> {
    if !is_installed("apt-get") {
        None
    } else if succeeds("sh", &["-c", "[ \"$(id -u)\" = 0 ]"]) {
        Some(&["apt-get"])
    } else if succeeds("sudo", &["-n", "true"]) {
        Some(&["sudo", "-n", "apt-get"])
    } else {
        None
    }
}

fn succeeds(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Whether a program can be found; `sbin` too, which is not in everyone's `PATH`.
fn is_installed(program: &str) -> bool {
    let path = std::env::var("PATH").unwrap_or_default();
    let folders = path.split(':').chain(["/usr/sbin", "/usr/local/sbin"]);
    folders.filter(|folder| !folder.is_empty()).any(|folder| Path::new(folder).join(program).is_file())
}

fn advice(names: &str) -> String {
    format!("tests need programs that are not installed; on Debian or Ubuntu: sudo apt-get install {names}")
}

fn words(packages: &[Package], word: impl Fn(&Package) -> &'static str) -> String {
    packages.iter().map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sees_what_is_installed_and_what_is_not() {
        assert!(is_installed("sh"));
        assert!(!is_installed("no-such-program"));
    }

    #[test]
    fn advice_names_the_packages() {
        assert!(
            advice(&words(&NEEDED, |package| package.name))
                .ends_with("install nginx-light haproxy wrk nodejs")
        );
    }
}
