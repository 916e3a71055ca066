//! The project's own tasks. `cargo xtask ci` is the only list of what must hold; each step of it also runs
//! alone.

#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "what it found is this program's output")]

mod ci;
mod packages;
mod steps;
mod tidy;
mod workspace;

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::steps::STEPS;
use crate::workspace::root;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> Result<()> {
    match words {
        [] | ["help" | "-h" | "--help"] | [_, "-h" | "--help"] => {
            println!("{}", help());
            Ok(())
        }
        ["ci"] => ci::run(&root()),
        ["packages"] => packages::install(&root()),
        ["errors"] => tidy::errors::check_index(&root()),
        ["errors", "--write"] => tidy::errors::write_index(&root()),
        [name] => match STEPS.iter().find(|step| step.name == *name) {
            Some(step) => (step.run)(&root()),
            None => bail!("there is no task `{name}`\n\n{}", help()),
        },
        _ => bail!("cannot read `{}`\n\n{}", words.join(" "), help()),
    }
}

fn help() -> String {
    let steps = STEPS.map(|step| format!("  {:<16}{}\n", step.name, step.about)).concat();
    format!(
        "Usage: cargo xtask TASK\n\n  {:<16}{}\n{steps}\n  {:<16}{}\n  {:<16}{}\n  {:<16}{}",
        "ci",
        "every step below in this order; stops at the first that fails",
        "packages",
        "install the Debian and Python packages that the tests need",
        "errors",
        "check that docs/errors/README.md lists every error page",
        "errors --write",
        "write that list",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_names_every_step() {
        let help = help();
        assert!(STEPS.iter().all(|step| help.contains(step.name)));
    }

    #[test]
    fn an_unknown_task_is_an_error_that_shows_the_known_ones() {
        let text = run(&["tody"]).unwrap_err().to_string();
        assert!(text.contains("tody") && text.contains("tidy"), "{text}");
        assert!(run(&["tidy", "--fast"]).is_err());
    }
}
