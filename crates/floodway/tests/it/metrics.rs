//! What a node tells Prometheus, and the page that describes it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;

use floodway_kit::{Reply, Upstream, http};

use crate::support::{Node, eventually, system, web};

/// Name → type, labels, meaning.
type Families = BTreeMap<String, (String, BTreeSet<String>, String)>;

fn scrape(node: &Node) -> String {
    let file = node.file().expect("the node runs");
    let admin: SocketAddr = file["admin"].as_str().and_then(|text| text.parse().ok()).expect("an address");
    let answer = http::get(admin, "/metrics").expect("an answer");
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    answer.text()
}

/// The value of the first sample that begins so.
fn value(page: &str, sample: &str) -> f64 {
    let line = page.lines().find_map(|line| line.strip_prefix(sample));
    line.and_then(|rest| rest.trim().parse().ok()).unwrap_or_else(|| panic!("no {sample} in\n{page}"))
}

/// Reads a page as a scraper does, and fails where it is none.
fn served(page: &str) -> Families {
    let mut families = Families::new();
    let mut current = String::new();
    for line in page.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').expect("a meaning");
            name.clone_into(&mut current);
            let known = families.insert(current.clone(), (String::new(), BTreeSet::new(), help.to_owned()));
            assert!(known.is_none(), "{name} is there twice");
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').expect("a type");
            assert_eq!(name, current);
            kind.clone_into(&mut families.get_mut(name).expect("known").0);
        } else {
            let (sample, number) = line.rsplit_once(' ').expect("a sample");
            number.parse::<f64>().expect("a number");
            let (name, labels) = sample.split_once('{').unwrap_or((sample, ""));
            let family = families.get_mut(&current).expect("a family comes first");
            let part = name.strip_prefix(&current).expect("a sample of its family");
            let parts: &[&str] = if family.0 == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
            assert!(parts.contains(&part), "{name}");
            family.1.extend(
                labels.split("\",").filter_map(|label| label.split_once('=')).map(|(name, _)| name.into()),
            );
        }
    }
    families
}

/// The rows of the page, as in: | `name` | counter | `label`, `label` | Meaning. |
fn described(page: &str) -> Families {
    let page =
        page.split("## Families").nth(1).and_then(|rest| rest.split("\n## ").next()).expect("the section");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")).map(|row| {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let labels =
            cells[2].split(", ").map(|label| label.trim_matches('`')).filter(|label| !label.is_empty());
        let (name, kind) = (cells[0].trim_end_matches('`'), cells[1]);
        (name.to_owned(), (kind.to_owned(), labels.map(str::to_owned).collect(), cells[3].to_owned()))
    });
    rows.collect()
}

#[test]
fn the_page_describes_what_is_served() {
    let node = web("replicas: 1").up_and_ready();
    node.get("/who");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md");
    let page = std::fs::read_to_string(path).expect("the page is there");
    let (described, mut served) = (described(&page), served(&scrape(&node)));
    // There is no refusal yet, and so no sample whose labels could be seen.
    served.get_mut("floodway_refusals_total").expect("it is served").1.insert("error".into());
    // Nor a subscription.
    for (name, (_, labels, _)) in &mut served {
        if name.starts_with("floodway_subscription_") {
            labels.extend(["service", "topics", "topic"].map(str::to_owned));
        }
    }
    served.get_mut("floodway_subscription_messages_total").expect("it is served").1.insert("outcome".into());
    for (_, labels, _) in served.values_mut() {
        labels.remove("le");
    }
    assert_eq!(described, served);
    node.stop();
}

#[test]
fn watches_what_happens() {
    let node = web("replicas: 1").up_and_ready();
    let out = node.place.path("watched");
    let file = std::fs::File::create(&out).expect("the folder is ours");
    let mut watching = node.place.floodway(&["status", "--watch"]).stdout(file).spawn().expect("it is built");
    eventually("a look sees requests", || {
        node.get("/who");
        let text = std::fs::read_to_string(&out).unwrap_or_default();
        text.lines().any(|line| line.starts_with("/*  ") && line.contains(" ms") && !line.contains("  0.0  "))
    });
    watching.kill().expect("it runs");
    watching.wait().expect("it ends");
    node.stop();
}

#[test]
fn tells_what_was_answered_and_how_replicas_are() {
    let node = web("replicas: 2").up_and_ready();
    for _ in 0..5 {
        node.get("/who");
    }
    let page = scrape(&node);
    assert_eq!(value(&page, r#"floodway_requests_total{route="/*",code="2xx"}"#).to_string(), "5");
    assert_eq!(value(&page, r#"floodway_request_duration_seconds_count{route="/*"}"#).to_string(), "5");
    assert_eq!(
        value(&page, r#"floodway_request_duration_seconds_bucket{route="/*",le="+Inf"}"#).to_string(),
        "5"
    );
    assert_eq!(value(&page, r#"floodway_replica_ready{service="web",replica="web/1"}"#).to_string(), "1");
    assert_eq!(value(&page, r#"floodway_replicas{service="web",state="ready"}"#).to_string(), "2");
    assert!(value(&page, "process_resident_memory_bytes") > 1e6);
    assert!(value(&page, "process_start_time_seconds") > 1.7e9);
    node.stop();
}

#[test]
fn tells_what_the_cache_did() {
    let service = Upstream::start(|_| Reply::with(200, &[("cache-control", "max-age=60")], "stored"));
    let place = system(&format!("services:\n  web: {{ at: [\"{}\"] }}\n", service.address()));
    let file = std::fs::read_to_string(place.path("floodway.yaml")).expect("it was written");
    std::fs::write(place.path("floodway.yaml"), file.replace("to: web }", "to: web, cache: {} }"))
        .expect("ours");
    let node = place.up_and_ready();
    for _ in 0..3 {
        node.get("/who");
    }
    let page = scrape(&node);
    let requests =
        |result: &str| value(&page, &format!(r#"floodway_cache_requests_total{{result="{result}"}}"#));
    let all = [requests("forwarded"), requests("hit"), requests("collapsed")].map(|count| count.to_string());
    assert_eq!(all, ["1", "2", "0"]);
    assert!(value(&page, "floodway_cache_bytes ") > 0.0);
    node.stop();
}
