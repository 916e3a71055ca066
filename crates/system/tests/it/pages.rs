//! The pages that users read say what the code does.

use std::fs;

use floodway_system::{Code, reference};

use crate::support::{EMBEDDED, read, read_with, root_folder};

/// `UPDATE_DOCS=1` writes the page anew.
#[test]
fn the_reference_page_is_current() {
    let path = root_folder().join("docs/system-file.md");
    let page = reference(&[&[EMBEDDED], floodway_engines::DESCRIPTIONS].concat());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == page, "{} is old: run this test with UPDATE_DOCS=1", path.display());
}

#[test]
fn the_example_of_the_reference_is_a_good_file() {
    let example = &examples(&reference(&[]))[0];
    for profile in [None, Some("careless")] {
        read_with(example, profile).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    }
}

#[test]
fn the_example_of_the_cache_page_is_a_good_file() {
    let page = fs::read_to_string(root_folder().join("docs/http-cache.md")).expect("the page is there");
    let system = read(&examples(&page)[0]).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    assert!(system.compile().cache_bytes_max.is_some());
}

/// Each code has a page, whose first example has that mistake and no other, and whose second has none.
#[test]
fn each_error_page_shows_the_mistake_and_its_mend() {
    for code in Code::ALL {
        let path = root_folder().join(format!("docs/errors/{code}.md"));
        let page = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(page.starts_with(&format!("# {code}: ")), "{code} is not the title of its page");
        let examples = examples(&page);
        // Not of a system file's text.
        if [Code::Unreadable, Code::NotServed, Code::BadCondition, Code::UnreadableSecret].contains(code) {
            continue;
        }
        let [broken, mended] = examples.as_slice() else { panic!("{code}: {} examples", examples.len()) };
        let profile = (*code == Code::UnknownProfile).then_some("production");
        let mistakes = read_with(broken, profile).map(|system| system.name).unwrap_err();
        let codes: Vec<_> = mistakes.iter().map(|mistake| mistake.code).collect();
        assert!(codes.iter().all(|found| found == code), "{code} has an example with {codes:?}\n{mistakes}");
        read_with(mended, profile).unwrap_or_else(|mistakes| panic!("{code}: {mistakes}"));
    }
}

#[test]
fn names_the_file_that_is_missing() {
    let mistakes = floodway_system::load("/nowhere/at/all".as_ref(), None, &|_| None, &[]).unwrap_err();
    let first = mistakes.iter().next().unwrap();
    assert_eq!((first.code, first.span), (Code::Unreadable, None));
    assert!(first.message.contains("/nowhere/at/all"), "{}", first.message);
    assert!(read("system: shop").is_ok());
}

/// The YAML examples of a page.
fn examples(page: &str) -> Vec<String> {
    page.split("```yaml\n")
        .skip(1)
        .map(|rest| rest.split_once("```").expect("an example has an end").0.to_owned())
        .collect()
}
