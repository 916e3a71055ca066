//! Broken files, each with what is said about it.

use std::fs;

use expect_test::expect_file;

use crate::support::{crate_folder, read, read_with};

/// Every file under `tests/broken` against the text beside it. A first line `# profile: NAME` selects one.
#[test]
fn says_what_is_wrong_and_where() {
    let folder = crate_folder().join("tests/broken");
    let mut files: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    files.sort();
    assert!(files.len() >= 15, "{} broken files", files.len());
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let profile = text.lines().next().and_then(|line| line.strip_prefix("# profile: "));
        let mistakes = read_with(&text, profile).map(|system| system.name).unwrap_err();
        expect_file![file.with_extension("txt")].assert_eq(&format!("{mistakes}\n"));
    }
}

#[test]
fn shows_colours_only_when_asked() {
    let mistakes = read("system: 5\n").unwrap_err();
    assert!(mistakes.coloured().to_string().contains('\u{1b}'));
    assert!(!mistakes.to_string().contains('\u{1b}'));
}
