//! Broken documents of Dapr's, each with what is said about it.

use std::fs;

use expect_test::expect_file;

use crate::support::{CATALOGUE, crate_folder, read};

const SYSTEM: &str = "\
system: shop
services: { order: { run: order }, stock: { run: stock, timeout: 5s } }
stores: { orders: { engine: embedded }, kept: { engine: embedded, outbound: { timeout: 1s } } }
topics: { events: { engine: embedded } }
";

/// Every file under `tests/resources`, read beside a small system, against the text beside it.
#[test]
fn says_what_is_wrong_with_documents_and_where() {
    let folder = crate_folder().join("tests/resources");
    let mut files: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    files.sort();
    assert!(files.len() >= 2, "{} broken files", files.len());
    for file in files {
        let alone = tempfile::tempdir().unwrap();
        fs::copy(&file, alone.path().join("it.yaml")).unwrap();
        let mut system = read(SYSTEM).unwrap();
        let folders = [alone.path().to_owned()];
        let wrong = floodway_system::add_resources(
            &mut system,
            &folders,
            &|_| None,
            &|_, _| Err("it is not there".to_owned()),
            CATALOGUE,
        )
        .unwrap_err();
        let said = wrong.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        let said = format!("{said}\n").replace(&format!("{}/", alone.path().display()), "");
        expect_file![file.with_extension("txt")].assert_eq(&said);
    }
}
