//! Words that do not belong in the code or its documents.

use super::Mistake;
use super::exceptions::{Rule, Seen};
use crate::workspace::{Line, TextFile};

/// Marks of work that is not done. Written in parts, so that this file passes its own rule.
const UNFINISHED: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];

/// What a test may not do, and why.
const IN_TESTS: [(&str, &str); 2] = [
    (concat!("#[ig", "nore"), "a test that does not run proves nothing"),
    (concat!("should_", "panic"), "return or compare the error, so that it is the right one"),
];

const SLEEPS: [&str; 3] =
    [concat!("thread::", "sleep("), concat!("time::", "sleep("), concat!(" ", "sleep(")];
const CLOCKS: [&str; 2] = [concat!("Instant::", "now"), concat!("SystemTime::", "now")];

/// Paths of one machine, which mean nothing on another.
const PATHS: [&str; 3] = [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/")];
const DOCUMENT_PATHS: [&str; 1] = [concat!("/tm", "p/")];

/// Checks every text, line by line.
pub(crate) fn check(files: &[TextFile], seen: &mut Seen) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    for file in files {
        let mut polls = false;
        for line in file.lines() {
            // A loop that waits for something until a deadline is a function of that name.
            polls = if line.text.contains("fn ") { line.text.contains("fn eventually") } else { polls };
            let found = unfinished(line.text).or_else(|| path(file, line.text));
            let found = found.or_else(|| if file.is_rust() { code(file, line, polls, seen) } else { None });
            mistakes.extend(found.map(|what| Mistake::at(file, line.number, what)));
        }
    }
    mistakes
}

fn unfinished(text: &str) -> Option<String> {
    let found =
        UNFINISHED.iter().find(|mark| text.split(|c: char| !c.is_alphanumeric()).any(|word| word == **mark));
    found.map(|mark| format!("`{mark}`: finish it, or say in a sentence what is missing"))
}

fn path(file: &TextFile, text: &str) -> Option<String> {
    let documents = if file.is_markdown() { &DOCUMENT_PATHS[..] } else { &[] };
    let found = PATHS.iter().chain(documents).find(|path| text.contains(**path));
    found.map(|path| format!("`{path}` is a path of one machine"))
}

fn code(file: &TextFile, line: Line<'_>, polls: bool, seen: &mut Seen) -> Option<String> {
    let is_comment = line.text.trim_start().starts_with("//");
    let contains = |words: &[&str]| !is_comment && words.iter().any(|word| line.text.contains(word));
    if let Some((_, why)) = IN_TESTS.iter().find(|(word, _)| contains(&[word])) {
        return Some((*why).to_owned());
    }
    if contains(&SLEEPS)
        && line.is_test
        && !polls
        && !may_sleep(file)
        && !seen.excuses(&file.path, Rule::Sleep)
    {
        return Some(
            "a test that sleeps is slow or flaky: wait for what should happen, with a deadline".into(),
        );
    }
    let reads = contains(&CLOCKS) && !line.is_test && !may_read_clocks(file);
    (reads && !seen.excuses(&file.path, Rule::Clock))
        .then(|| "clocks are read in files named clock.rs; everything else is handed the time".into())
}

fn may_sleep(file: &TextFile) -> bool {
    file.name() == "eventually.rs" || file.path.starts_with("tests/kit/")
}

fn may_read_clocks(file: &TextFile) -> bool {
    let outside = ["tests/kit/", "xtask/", "compare/"];
    file.name() == "clock.rs"
        || file.is_example()
        || outside.iter().any(|folder| file.path.starts_with(folder))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::file;

    fn found(path: &str, text: &str) -> Vec<String> {
        check(&[file(path, text)], &mut Seen::default()).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn refuses_unfinished_work_everywhere() {
        for mark in UNFINISHED {
            assert_eq!(found("crates/a/src/b.rs", &format!("fn a() {{}}\n// {mark}: later\n")).len(), 1);
            assert_eq!(found("docs/a.md", &format!("{mark}\n")).len(), 1);
        }
        assert_eq!(found("docs/a.md", "a methodology\n"), [""; 0]);
    }

    #[test]
    fn refuses_tests_that_do_not_run_or_do_not_look() {
        let (skipped, _) = IN_TESTS[0];
        let (blind, _) = IN_TESTS[1];
        assert_eq!(found("crates/a/tests/it/b.rs", &format!("{skipped}]\n")).len(), 1);
        assert_eq!(found("crates/a/src/b.rs", &format!("#[{blind}]\n")).len(), 1);
    }

    #[test]
    fn refuses_sleeps_in_tests_only() {
        let sleeping = format!("fn a() {{\n    std::{}PAUSE);\n}}\n", SLEEPS[0]);
        assert_eq!(found("crates/a/tests/it/b.rs", &sleeping).len(), 1);
        assert_eq!(
            found("crates/a/src/b.rs", &format!("#[cfg(test)]\nmod tests {{\n{sleeping}}}\n")).len(),
            1
        );
        for path in ["crates/a/src/b.rs", "crates/a/tests/it/eventually.rs", "tests/kit/src/b.rs"] {
            assert_eq!(found(path, &sleeping), [""; 0], "{path}");
        }
        let polling = sleeping.replace("fn a()", "fn eventually_so()");
        assert_eq!(found("crates/a/tests/it/b.rs", &polling), [""; 0]);
    }

    #[test]
    fn refuses_clocks_outside_clock_files() {
        for clock in CLOCKS {
            let reading = format!("fn a() {{ {clock}(); }}\n");
            assert_eq!(found("crates/a/src/b.rs", &reading).len(), 1);
            for path in ["crates/a/src/clock.rs", "compare/src/run.rs", "crates/a/examples/b.rs"] {
                assert_eq!(found(path, &reading), [""; 0], "{path}");
            }
        }
    }

    #[test]
    fn refuses_paths_of_one_machine() {
        let temporary = format!("see {}notes\n", DOCUMENT_PATHS[0]);
        assert_eq!(found("docs/a.md", &temporary).len(), 1);
        assert_eq!(found("crates/a/src/b.rs", &format!("// {temporary}")), [""; 0]);
        assert_eq!(found("crates/a/src/b.rs", &format!("// {}main\n", PATHS[0])).len(), 1);
    }
}
