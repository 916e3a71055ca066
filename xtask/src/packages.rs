//! The Debian packages that tests and comparisons need.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};

/// A package and the program that shows it is there.
const PACKAGES: [(&str, &str); 3] =
    [("nginx-light", "/usr/sbin/nginx"), ("haproxy", "/usr/sbin/haproxy"), ("wrk", "/usr/bin/wrk")];

/// Installs what is missing; says by name what it could not install.
pub(crate) fn install() -> anyhow::Result<()> {
    let missing: Vec<&str> = PACKAGES
        .iter()
        .filter(|(_, program)| !Path::new(program).exists())
        .map(|(package, _)| *package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names = missing.join(" ");
    println!("installing {names}");
    if !Path::new("/usr/bin/apt-get").exists() {
        bail!("tests need these Debian packages, and there is no apt-get here: {names}");
    }
    let help = || format!("tests need these Debian packages; install them with: apt-get install {names}");
    apt_get(&["update", "-qq"]).with_context(help)?;
    let mut arguments = vec!["install", "-y", "-qq", "--no-install-recommends"];
    arguments.extend(&missing);
    apt_get(&arguments).with_context(help)
}

fn apt_get(arguments: &[&str]) -> anyhow::Result<()> {
    let is_root = is_root();
    let mut command = if is_root { Command::new("apt-get") } else { Command::new("sudo") };
    if !is_root {
        command.args(["-n", "apt-get"]);
    }
    let status = command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").status();
    let status = status.context("apt-get could not be started")?;
    if !status.success() {
        bail!("apt-get {} ended with {status}", arguments.join(" "));
    }
    Ok(())
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}
