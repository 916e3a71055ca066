//! The Debian and Python packages that tests and comparisons need.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

/// A program that must be there, and the package that brings it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Package {
    program: &'static str,
    name: &'static str,
}

/// The only list.
const NEEDED: [Package; 11] = [
    Package { program: "nginx", name: "nginx-light" },
    Package { program: "haproxy", name: "haproxy" },
    Package { program: "wrk", name: "wrk" },
    Package { program: "node", name: "nodejs" },
    Package { program: "npm", name: "npm" },
    Package { program: "curl", name: "curl" },
    Package { program: "h2load", name: "nghttp2-client" },
    Package { program: "redis-server", name: "redis-server" },
    Package { program: "etcd", name: "etcd-server" },
    Package { program: "rabbitmq-server", name: "rabbitmq-server" },
    Package { program: "nats-server", name: "nats-server" },
];

/// JavaScript packages, with their versions and hashes, for a folder of the target folder's.
const JAVASCRIPT: &str = "tests/acceptance/sdks/js";

/// Python packages, with their versions, for a Python of the target folder's own.
const PYTHON: &str = "tests/requirements.txt";

/// Installs what is missing, if we may.
pub(crate) fn install(root: &Path) -> Result<()> {
    install_programs()?;
    install_python(root)?;
    install_javascript(root)
}

fn install_programs() -> Result<()> {
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

/// Makes a virtual environment and puts the packages into it, unless that was done for this list.
fn install_python(root: &Path) -> Result<()> {
    let (list, folder) = (root.join(PYTHON), root.join("target/python"));
    let wanted = fs::read_to_string(&list).with_context(|| format!("cannot read {PYTHON}"))?;
    let done = folder.join("installed.txt");
    if fs::read_to_string(&done).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    println!("installing {} for Python", wanted.split_whitespace().collect::<Vec<_>>().join(" "));
    let status = Command::new("python3").args(["-m", "venv"]).arg(&folder).status();
    ensure!(
        status.is_ok_and(|status| status.success()),
        "python3 makes no virtual environment: {PYTHON_ADVICE}"
    );
    let mut pip = Command::new(folder.join("bin/pip"));
    let status = pip.args(["install", "--quiet", "--disable-pip-version-check", "-r"]).arg(&list).status();
    ensure!(status.is_ok_and(|status| status.success()), "pip could not install {PYTHON}");
    fs::write(&done, wanted).with_context(|| format!("cannot write {}", done.display()))
}

/// Puts the packages beside a copy of their list, unless that was done for this list.
fn install_javascript(root: &Path) -> Result<()> {
    let (from, folder) = (root.join(JAVASCRIPT), root.join("target/js"));
    let lock = from.join("package-lock.json");
    let wanted = fs::read_to_string(&lock).with_context(|| format!("cannot read {}", lock.display()))?;
    let done = folder.join("installed.json");
    if fs::read_to_string(&done).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    println!("installing what {JAVASCRIPT}/package-lock.json lists");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for file in ["package.json", "package-lock.json"] {
        fs::copy(from.join(file), folder.join(file)).with_context(|| format!("cannot copy {file}"))?;
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
    let status = npm.current_dir(&folder).stdin(Stdio::null()).status();
    ensure!(
        status.is_ok_and(|status| status.success()),
        "npm could not install {JAVASCRIPT}/package-lock.json"
    );
    fs::write(&done, wanted).with_context(|| format!("cannot write {}", done.display()))
}

const PYTHON_ADVICE: &str = "on Debian or Ubuntu: sudo apt-get install python3-venv";

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
        let missing = [Package { program: "h2load", name: "nghttp2-client" }, NEEDED[0]];
        assert!(
            advice(&words(&missing, |package| package.name))
                .ends_with("apt-get install nghttp2-client nginx-light")
        );
    }
}
