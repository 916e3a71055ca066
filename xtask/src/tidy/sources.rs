//! Rules for source files: sizes, names, words.

use std::path::Path;

use super::{Finding, Source, is_rust, numbered};

/// A file with more lines of code is refused; tests beside it do not count.
const LINES_MAX: usize = 1_000;
/// Names that say nothing.
const EMPTY_NAMES: [&str; 6] = ["utils", "common", "helpers", "manager", "misc", "types"];

/// Words that never stand in our sources, and why.
fn banned_words() -> [(String, &'static str); 7] {
    // Put together, so that this file does not find itself.
    let word = |a: &str, b: &str| format!("{a}{b}");
    [
        (word("TO", "DO"), "say what is missing in a sentence, or do it"),
        (word("FIX", "ME"), "mend it"),
        (word("XX", "X:"), "say what is meant"),
        (word("#[ign", "ore"), "a test that does not run tests nothing"),
        (word("#[should_", "panic"), "assert on the error"),
        (word("todo!", "("), "do it"),
        (word("unimplemented!", "("), "do it"),
    ]
}

pub(super) fn check(files: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in files.iter().filter(|source| is_rust(source)) {
        findings.extend(check_size(source));
        findings.extend(check_name(&source.path));
        findings.extend(check_words(source));
        findings.extend(check_roots(source));
        findings.extend(check_sleeps(source));
    }
    findings
}

fn check_size(source: &Source) -> Option<Finding> {
    let is_test =
        source.path.components().any(|part| part.as_os_str() == "tests" || part.as_os_str() == "tests.rs");
    let code = source.text.lines().take_while(|line| *line != "mod tests {").count();
    let message = || format!("{code} lines; {LINES_MAX} at most");
    (!is_test && code > LINES_MAX).then(|| Finding::new(&source.path, 0, message()))
}

fn check_name(path: &Path) -> Option<Finding> {
    let stem = path.file_stem()?.to_str()?;
    if stem == "mod" {
        return Some(Finding::new(path, 0, "a module is foo.rs, not foo/mod.rs"));
    }
    EMPTY_NAMES
        .contains(&stem)
        .then(|| Finding::new(path, 0, format!("`{stem}` says nothing: name the idea")))
}

fn check_words(source: &Source) -> Vec<Finding> {
    let words = banned_words();
    let found = numbered(&source.text).flat_map(|(number, line)| {
        let here = words.iter().filter(move |(word, _)| line.contains(word.as_str()));
        here.map(move |(word, why)| Finding::new(&source.path, number, format!("`{word}`: {why}")))
    });
    found.collect()
}

/// Every crate forbids unsafe code; `policy` also the standard library.
fn check_roots(source: &Source) -> Option<Finding> {
    let is_root = source.path.ends_with("src/lib.rs") || source.path.ends_with("src/main.rs");
    if is_root && !source.text.contains("#![forbid(unsafe_code)]") {
        return Some(Finding::new(&source.path, 0, "a crate forbids unsafe code"));
    }
    let is_policy = source.path.ends_with("policy/src/lib.rs");
    (is_policy && !source.text.contains("#![no_std]"))
        .then(|| Finding::new(&source.path, 0, "policy is no_std"))
}

/// Tests wait for what they wait for; only the waiting itself may sleep.
fn check_sleeps(source: &Source) -> Vec<Finding> {
    let is_test =
        source.path.components().any(|part| part.as_os_str() == "tests") || source.path.ends_with("tests.rs");
    let may_sleep = source.path.ends_with("eventually.rs");
    if !is_test || may_sleep {
        return Vec::new();
    }
    let sleeps = numbered(&source.text).filter(|(_, line)| line.contains("thread::sleep("));
    sleeps
        .map(|(number, _)| Finding::new(&source.path, number, "a test does not sleep: wait until it holds"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(path: &str, text: &str) -> Vec<String> {
        let files = [Source { path: path.into(), text: text.to_owned() }];
        check(&files).into_iter().map(|finding| format!("{}: {}", finding.line, finding.message)).collect()
    }

    #[test]
    fn accepts_a_plain_file() {
        assert!(messages("crates/a/src/b.rs", "fn f() {}\n").is_empty());
    }

    #[test]
    fn finds_a_file_that_is_too_long_but_not_its_tests() {
        let long = "x\n".repeat(LINES_MAX + 1);
        assert_eq!(messages("a.rs", &long), ["0: 1001 lines; 1000 at most"]);
        assert!(messages("a/tests.rs", &long).is_empty());
        assert!(messages("a.rs", &format!("mod tests {{\n{long}}}\n")).is_empty());
    }

    #[test]
    fn finds_names_that_say_nothing() {
        assert_eq!(messages("a/mod.rs", ""), ["0: a module is foo.rs, not foo/mod.rs"]);
        assert_eq!(messages("a/utils.rs", ""), ["0: `utils` says nothing: name the idea"]);
    }

    #[test]
    fn finds_words_at_their_line() {
        let [(word, why), ..] = banned_words();
        assert_eq!(messages("a.rs", &format!("x\n// {word} later\n")), [format!("2: `{word}`: {why}")]);
    }

    #[test]
    fn finds_a_crate_that_allows_unsafe_code() {
        assert_eq!(messages("crates/a/src/lib.rs", ""), ["0: a crate forbids unsafe code"]);
        let text = "#![forbid(unsafe_code)]";
        assert_eq!(messages("crates/policy/src/lib.rs", text), ["0: policy is no_std"]);
    }

    #[test]
    fn finds_a_test_that_sleeps() {
        let text = format!("std::thread::{}(x)", "sleep");
        assert_eq!(
            messages("crates/a/tests/it/b.rs", &text),
            ["1: a test does not sleep: wait until it holds"]
        );
        assert!(messages("crates/a/tests/it/eventually.rs", &text).is_empty());
    }
}
