//! The shape of the code: sizes, names, and the attributes that each crate must carry.

use cargo_metadata::Package;

use super::Mistake;
use crate::workspace::TextFile;

const LINES_MAX: usize = 1_000;
const LINES_WARN: usize = 600;

/// Names that say nothing of what is inside.
const VAGUE: [&str; 9] = ["common", "core", "helper", "helpers", "manager", "misc", "types", "util", "utils"];

/// Files that begin to be too large; allowed, but said.
pub(crate) fn large_files(files: &[TextFile]) -> Vec<Mistake> {
    let sized = files.iter().filter(|file| file.is_rust()).map(|file| (file, lines_of(file)));
    sized
        .filter(|(_, lines)| (LINES_WARN + 1..=LINES_MAX).contains(lines))
        .map(|(file, lines)| Mistake::new(&file.path, format!("{lines} lines; aim at 200")))
        .collect()
}

/// Checks sizes, names and attributes.
pub(crate) fn check(files: &[TextFile], packages: &[&Package]) -> Vec<Mistake> {
    let names = packages.iter().map(|package| package.name.as_str());
    let mut mistakes: Vec<_> = names.filter_map(vague_crate).collect();
    for file in files.iter().filter(|file| file.is_rust()) {
        mistakes.extend(size(file));
        mistakes.extend(name(file));
        mistakes.extend(attributes(file));
    }
    mistakes.extend(files.iter().filter_map(lints));
    mistakes
}

fn lines_of(file: &TextFile) -> usize {
    file.lines().filter(|line| !line.is_test).count()
}

fn size(file: &TextFile) -> Option<Mistake> {
    let lines = lines_of(file);
    (lines > LINES_MAX).then(|| Mistake::new(&file.path, format!("{lines} lines; at most {LINES_MAX}")))
}

fn name(file: &TextFile) -> Option<Mistake> {
    let stem = file.name().strip_suffix(".rs").unwrap_or_default();
    if stem == "mod" {
        return Some(Mistake::new(&file.path, "a module `foo` is `foo.rs`, with its parts in `foo/`"));
    }
    VAGUE.contains(&stem).then(|| Mistake::new(&file.path, format!("`{stem}` does not say what is inside")))
}

fn vague_crate(package: &str) -> Option<Mistake> {
    let last = package.rsplit('-').next().unwrap_or(package);
    VAGUE.contains(&last).then(|| Mistake::new(package, format!("`{last}` does not say what is inside")))
}

/// The root of each crate forbids unsafe code, and the one that decides has no standard library.
fn attributes(file: &TextFile) -> Vec<Mistake> {
    let has = |attribute: &str| file.text.lines().any(|line| line == attribute);
    let is_root = file.path.ends_with("src/lib.rs") || file.path.ends_with("src/main.rs");
    let mut mistakes = Vec::new();
    if is_root && !has("#![forbid(unsafe_code)]") {
        mistakes.push(Mistake::new(&file.path, "lacks #![forbid(unsafe_code)]"));
    }
    if file.path == "crates/policy/src/lib.rs" && !has("#![no_std]") {
        mistakes.push(Mistake::new(&file.path, "lacks #![no_std], which keeps decisions free of I/O"));
    }
    mistakes
}

/// Each package takes part in the workspace's lints.
fn lints(file: &TextFile) -> Option<Mistake> {
    let is_package = file.name() == "Cargo.toml" && file.text.contains("[package]");
    (is_package && !file.text.contains("[lints]\nworkspace = true"))
        .then(|| Mistake::new(&file.path, "lacks [lints] workspace = true"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::file;

    fn whats(files: &[TextFile]) -> Vec<String> {
        check(files, &[]).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn refuses_large_files_and_warns_of_growing_ones() {
        let of = |lines: usize| [file("crates/a/src/b.rs", &"fn a() {}\n".repeat(lines))];
        assert_eq!(whats(&of(1_000)), [""; 0]);
        assert_eq!(whats(&of(1_001)), ["crates/a/src/b.rs: 1001 lines; at most 1000"]);
        assert_eq!(large_files(&of(600)).len(), 0);
        assert_eq!(large_files(&of(601)).len(), 1);
    }

    #[test]
    fn tests_do_not_count() {
        let tests = format!("fn a() {{}}\n#[cfg(test)]\nmod tests {{\n{}}}\n", "    // a\n".repeat(2_000));
        assert_eq!(whats(&[file("crates/a/src/b.rs", &tests)]), [""; 0]);
        assert_eq!(whats(&[file("crates/a/src/b/tests.rs", &"\n".repeat(2_000))]), [""; 0]);
    }

    #[test]
    fn refuses_names_that_say_nothing() {
        for path in ["crates/a/src/utils.rs", "crates/a/src/b/mod.rs", "crates/a/src/types.rs"] {
            assert_eq!(whats(&[file(path, "")]).len(), 1, "{path}");
        }
        assert!(vague_crate("floodway-core").is_some() && vague_crate("floodway-policy").is_none());
    }

    #[test]
    fn a_crate_must_forbid_unsafe_and_take_the_lints() {
        assert_eq!(whats(&[file("crates/a/src/lib.rs", "//! A.\n")]).len(), 1);
        assert_eq!(whats(&[file("crates/a/src/main.rs", "#![forbid(unsafe_code)]\n")]).len(), 0);
        assert_eq!(whats(&[file("crates/a/Cargo.toml", "[package]\n")]).len(), 1);
        assert_eq!(whats(&[file("crates/a/Cargo.toml", "[package]\n[lints]\nworkspace = true\n")]).len(), 0);
    }

    #[test]
    fn policy_must_do_without_the_standard_library() {
        let found = whats(&[file("crates/policy/src/lib.rs", "#![forbid(unsafe_code)]\n")]);
        assert_eq!(found.len(), 1);
        assert!(found[0].contains("no_std"));
    }
}
