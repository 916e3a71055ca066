//! The shop's own facts, computed from its data and not by its code.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use floodway_workload::{Backoff, Load, Rate, RequestTemplate, Retry, Rows, Template};

use crate::node::{Node, root};

/// Orders above this are declined, in cents.
const LIMIT_CENTS: u64 = 50_000;

/// What the purchases come to by the rule of the 500.00.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) captured: u64,
    pub(crate) captured_cents: u64,
    pub(crate) cancelled: u64,
    pub(crate) cancelled_cents: u64,
}

pub(crate) fn purchases() -> PathBuf {
    root().join("cases/shop/data/cdnow-purchases.csv")
}

pub(crate) fn totals() -> Totals {
    let mut totals = Totals { captured: 0, captured_cents: 0, cancelled: 0, cancelled_cents: 0 };
    let mut rows = csv::Reader::from_path(purchases()).expect("the data is there");
    for row in rows.records() {
        let cents = cents(row.expect("the data is readable").get(3).expect("an amount"));
        if cents > LIMIT_CENTS {
            totals.cancelled += 1;
            totals.cancelled_cents += cents;
        } else {
            totals.captured += 1;
            totals.captured_cents += cents;
        }
    }
    totals
}

fn cents(amount: &str) -> u64 {
    let (dollars, cents) = amount.split_once('.').expect("two decimals");
    dollars.parse::<u64>().expect("dollars") * 100 + cents.parse::<u64>().expect("cents")
}

pub(crate) fn dollars(cents: u64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

/// Every `stride`th purchase from `first` on, written to a file of its own.
pub(crate) fn sample(folder: &Path, first: usize, stride: usize, count: usize) -> PathBuf {
    let path = folder.join("sample.csv");
    let mut rows = csv::Reader::from_path(purchases()).expect("the data is there");
    let mut out = csv::Writer::from_path(&path).expect("the folder is ours");
    out.write_record(rows.headers().expect("a header")).expect("written");
    for row in rows.records().skip(first).step_by(stride).take(count) {
        out.write_record(&row.expect("the data is readable")).expect("written");
    }
    out.flush().expect("written");
    path
}

/// The purchases of a file as orders that are sent until they are answered.
pub(crate) fn patient_load(rows: PathBuf, per_second: u32, name: &str) -> Load {
    let template = |text: &str| Template::parse(text).expect("a template");
    let body = r#"{"customer":"${row:customer_id}","items":[{"sku":"cd-${row:date}","quantity":${row:quantity}}],"amount":"${row:amount_usd}"}"#;
    let headers =
        [("Content-Type", "application/json".to_owned()), ("Idempotency-Key", format!("{name}-${{row}}"))];
    Load {
        rows: Rows::Replay(rows),
        rate: Some(Rate::per_second(per_second.try_into().expect("not zero"))),
        concurrency: 256,
        timeout: Duration::from_secs(5),
        retry: Retry {
            attempts: 1_000,
            backoff: Backoff { initial: Duration::from_millis(50), max: Duration::from_millis(400) },
        },
        request: RequestTemplate {
            method: "POST".to_owned(),
            path: template("/orders"),
            headers: headers.map(|(header, text)| (header.to_owned(), template(&text))).to_vec(),
            body: Some(template(body)),
        },
    }
}

/// The order ids in a journal's accepted answers; each must stand there once.
pub(crate) fn accepted_ids(journal: &Path) -> Vec<String> {
    let mut rows = csv::Reader::from_path(journal).expect("a journal");
    let mut seen = HashSet::new();
    let mut ids = Vec::new();
    for row in rows.records() {
        let row = row.expect("a line");
        if row.get(1) != Some("201") {
            continue;
        }
        let answer: serde_json::Value = serde_json::from_str(row.get(4).expect("a body")).expect("JSON");
        let id = answer["id"].as_str().expect("an id").to_owned();
        assert!(seen.insert(id.clone()), "order {id} answers two requests");
        ids.push(id);
    }
    ids
}

/// Runs the shop's audit against a node; its output if the books balance, else panics with it.
pub(crate) fn audit(node: &Node, journal: &Path) -> String {
    let output = std::process::Command::new(root().join("target/release/shop"))
        .arg("audit")
        .arg("--journal")
        .arg(journal)
        .env("DAPR_HTTP_PORT", node.api_port("order/0").to_string())
        .output()
        .expect("the audit runs");
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the audit is red:\n{text}");
    text
}

pub(crate) fn gateway() -> SocketAddr {
    floodway_kit::free_address()
}
