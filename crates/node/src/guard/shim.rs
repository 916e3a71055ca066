//! What a child is before it becomes its program.

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use rustix::process::Pid;

/// Ties this process to `parent`, registers its group with the guard (its stdin), and becomes the
/// program in `words`. Returns only if that fails.
pub fn become_program(parent: u32, words: &[OsString]) -> io::Error {
    match prepare(parent) {
        Ok(()) => exec(words),
        Err(error) => error,
    }
}

fn prepare(parent: u32) -> io::Result<()> {
    die_with_parent()?;
    // The parent may have died before the kernel was asked.
    let present = rustix::process::getppid().map(Pid::as_raw_pid);
    if present != i32::try_from(parent).ok() {
        return Err(io::Error::other("the node is gone"));
    }
    let guard = rustix::io::dup(rustix::stdio::stdin())?;
    std::fs::File::from(guard).write_all(format!("+{}\n", std::process::id()).as_bytes())
}

fn exec(words: &[OsString]) -> io::Error {
    let Some((program, arguments)) = words.split_first() else {
        return io::Error::new(io::ErrorKind::InvalidInput, "no program was named");
    };
    // Taking /dev/null as stdin closes this process's end of the guard's pipe.
    Command::new(program).args(arguments).stdin(Stdio::null()).exec()
}

#[cfg(target_os = "linux")]
fn die_with_parent() -> io::Result<()> {
    Ok(rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?)
}

/// Only Linux can be asked; elsewhere the guard alone ends the children.
#[cfg(not(target_os = "linux"))]
fn die_with_parent() -> io::Result<()> {
    Ok(())
}
