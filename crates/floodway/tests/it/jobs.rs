//! Jobs of a real node: there without configuration, run by one replica each, and kept over kill -9.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use crate::support::{Node, eventually, web};

/// The block API of the first replica.
fn api(node: &Node) -> SocketAddr {
    let port = node.file().expect("the node runs")["replicas"][0]["api_port"].as_u64().expect("a port");
    SocketAddr::from(([127, 0, 0, 1], port.try_into().expect("a port")))
}

fn schedule(node: &Node, name: &str, body: &str) {
    let path = format!("/v1.0/jobs/{name}");
    let answer = floodway_kit::http::send(api(node), "POST", &path, &[], body.as_bytes()).expect("an answer");
    assert_eq!(answer.status, 204, "{}", answer.text());
}

/// How often each job was run, and by which processes.
fn runs(node: &Node) -> (BTreeMap<String, u32>, BTreeSet<String>) {
    let text = std::fs::read_to_string(node.place.path("taken")).unwrap_or_default();
    let (mut counts, mut processes) = (BTreeMap::new(), BTreeSet::new());
    for (name, process) in text.lines().filter_map(|line| line.split_once(' ')) {
        *counts.entry(name.to_owned()).or_default() += 1;
        processes.insert(process.to_owned());
    }
    (counts, processes)
}

#[test]
fn each_run_goes_to_one_of_the_replicas() {
    let node = web("replicas: 2").up_and_ready();
    for number in 0..20 {
        schedule(&node, &format!("job-{number}"), r#"{"dueTime":"0s"}"#);
    }
    schedule(&node, "often", r#"{"schedule":"@every 20ms","repeats":10}"#);
    eventually("all have run", || {
        let (counts, _) = runs(&node);
        counts.len() == 21 && counts.get("often") == Some(&10)
    });
    let (mut counts, processes) = runs(&node);
    counts.remove("often");
    assert!(counts.values().all(|count| *count == 1), "{counts:?}");
    assert_eq!(processes.len(), 2, "both replicas take jobs");
    node.stop();
}

#[test]
fn no_job_is_lost_when_the_node_is_killed() {
    let mut node = web("replicas: 1").up_and_ready();
    for number in 0..20 {
        // Before the kill, around it, while there is no node, and after it.
        let body = format!(r#"{{"dueTime":"{}ms"}}"#, number * 150);
        schedule(&node, &format!("job-{number}"), &body);
    }
    schedule(&node, "often", r#"{"schedule":"@every 100ms"}"#);
    eventually("the first have run", || runs(&node).0.len() > 2);
    node.child.kill().expect("it runs");
    node.child.wait().expect("it is ours");
    let before = runs(&node).0.get("often").copied().unwrap_or_default();
    let mut up = node.place.floodway(&["up"]);
    node.child =
        up.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().expect("built");
    eventually("all have run", || {
        let (counts, _) = runs(&node);
        (0..20).all(|number| counts.contains_key(&format!("job-{number}")))
            && counts.get("often").is_some_and(|count| *count > before + 2)
    });
    // Those that ended before the kill are over; of those under way at its moment some may have run twice.
    assert!(runs(&node).0.iter().all(|(name, count)| name == "often" || *count <= 2));
    node.stop();
}
