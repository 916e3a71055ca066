use floodway_bench::{Load, LoadError, run};
use floodway_workload::Rows;
use tempfile::tempdir;

use crate::loads::{csv, repeat, replay, template};
use crate::server::{Server, always};

/// Runs a load that must fail before anything is sent, and returns its message.
async fn refused(load: &Load, code: &str) -> String {
    let server = Server::start(always(200)).await;
    let error = run(load, server.address, None, |_| {}).await.unwrap_err();
    assert_eq!(server.requests().len(), 0, "nothing is sent");
    assert_eq!(error.code(), code);
    let message = error.to_string();
    assert!(message.starts_with(&format!("[{code}] ")), "{message}");
    message
}

#[tokio::test]
async fn names_a_file_that_is_not_there() {
    let load = Load { rows: Rows::Replay("no/such.csv".into()), ..repeat(0) };
    let message = refused(&load, "FW-6001").await;
    assert!(message.contains("no/such.csv: No such file"), "{message}");
}

#[tokio::test]
async fn names_an_unknown_column_and_the_nearest() {
    let file = csv("customer_id,amount\n1,2\n");
    let mut load = replay(&file);
    load.request.headers.push(("X-Customer".into(), template("${row:custmer_id}")));
    let message = refused(&load, "FW-6002").await;
    let expected = "[FW-6002] header X-Customer of the request: no column `custmer_id`, did you mean \
                    `customer_id`?; there are: customer_id, amount";
    assert_eq!(message, expected);
}

#[tokio::test]
async fn names_the_line_of_a_bad_row_before_anything_is_sent() {
    let message = refused(&replay(&csv("a,b\n1,2\n3\n")), "FW-6003").await;
    assert!(message.contains("line: 3"), "{message}");
}

#[tokio::test]
async fn refuses_a_file_without_rows() {
    for text in ["", "a,b\n"] {
        let message = refused(&replay(&csv(text)), "FW-6004").await;
        assert!(message.ends_with("has no rows, so there is nothing to send"), "{message}");
    }
    refused(&repeat(0), "FW-6004").await;
}

#[tokio::test]
async fn names_the_row_that_makes_no_request() {
    let file = csv("path\n/fine\n/not fine\n");
    let mut load = replay(&file);
    load.request.path = template("${row:path}");
    let message = refused(&load, "FW-6005").await;
    assert!(message.starts_with("[FW-6005] row 2: path `/not fine` cannot be sent: "), "{message}");
}

#[tokio::test]
async fn refuses_what_is_no_method_or_header() {
    let mut load = repeat(1);
    load.request.method = "GE T".into();
    assert!(refused(&load, "FW-6005").await.contains("method `GE T`"));
    let mut load = repeat(1);
    load.request.headers.push(("a b".into(), template("x")));
    assert!(refused(&load, "FW-6005").await.contains("header name `a b`"));
}

#[tokio::test]
async fn names_a_journal_that_cannot_be_written() {
    let server = Server::start(always(200)).await;
    let folder = tempdir().unwrap();
    let error = run(&repeat(1), server.address, Some(folder.path()), |_| {}).await.unwrap_err();
    assert!(matches!(&error, LoadError::Journal { path, .. } if path == folder.path()), "{error}");
    assert_eq!(error.code(), "FW-6006");
}

#[tokio::test]
async fn a_full_disk_under_the_journal_ends_the_load() {
    let server = Server::start(always(200)).await;
    let full = std::path::Path::new("/dev/full");
    let error = run(&repeat(20_000), server.address, Some(full), |_| {}).await.unwrap_err();
    assert_eq!(error.code(), "FW-6006");
    assert!(server.requests().len() < 20_000, "it does not go on without a journal");
}
