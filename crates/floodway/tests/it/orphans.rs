//! A node that is killed leaves nothing behind.

use std::time::Duration;

use rustix::process::Signal;

use crate::support::{eventually, get, is_alive, processes_in, signal, web};

#[test]
fn a_killed_node_leaves_no_replica_and_no_grandchild() {
    let mut node = web("replicas: 2").up_and_ready();
    let grandchildren: Vec<u32> = (0..3).map(|_| node.get("/child").1.parse().expect("a pid")).collect();
    let replicas = [node.pid(0), node.pid(1)];
    let all = || grandchildren.iter().chain(&replicas).copied();
    assert!(all().all(is_alive));
    node.signal(Signal::KILL);
    node.ended();
    eventually("nothing is left", || !all().any(is_alive));
}

#[test]
fn whenever_it_is_killed_nothing_is_left() {
    for seed in 0..10_u64 {
        let mut node = web("replicas: 3").up(&[]);
        // Anywhere from before the guard is there to after all replicas are ready.
        let moment = Duration::from_millis(seed * 13 + 1);
        std::thread::sleep(moment);
        node.signal(Signal::KILL);
        node.ended();
        let folder = node.place.dir.path().to_owned();
        eventually(&format!("nothing is left after {moment:?}"), || processes_in(&folder).is_empty());
    }
}

#[test]
fn a_guard_that_died_is_replaced_and_knows_what_lives() {
    let mut node = web("replicas: 2").up_and_ready();
    let grandchild: u32 = node.get("/child").1.parse().expect("a pid");
    let replicas = [node.pid(0), node.pid(1)];
    signal(guard_of(node.child.id()).expect("there is one"), Signal::KILL);
    eventually("another one is there", || guard_of(node.child.id()).is_some_and(is_alive));
    assert_eq!(node.get("/who").0, 200);
    // It reads what is handed over as soon as it runs; what is written before the node dies is read.
    eventually("all is handed over", || node.err().contains("another guard knows all"));
    node.signal(Signal::KILL);
    node.ended();
    eventually("nothing is left", || !is_alive(grandchild) && !replicas.into_iter().any(is_alive));
}

/// The child of a node that is its guard.
fn guard_of(node: u32) -> Option<u32> {
    let children = std::fs::read_to_string(format!("/proc/{node}/task/{node}/children")).ok()?;
    children.split_whitespace().filter_map(|pid| pid.parse().ok()).find(|pid: &u32| {
        let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        words.starts_with(b"floodway\0guard")
    })
}

#[test]
fn what_a_dead_replica_left_behind_ends_with_it() {
    let node = web("replicas: 1").up_and_ready();
    let grandchild: u32 = node.get("/child").1.parse().expect("a pid");
    signal(node.pid(0), Signal::KILL);
    eventually("its grandchild is gone", || !is_alive(grandchild));
    node.stop();
}

#[test]
fn a_clean_stop_leaves_nothing() {
    let node = web("replicas: 1").up_and_ready();
    let grandchild: u32 = node.get("/child").1.parse().expect("a pid");
    let gateway = node.gateway();
    let folder = node.place.dir.path().to_owned();
    let mut node = node;
    node.signal(Signal::TERM);
    assert!(node.ended().success());
    eventually("nothing is left", || !is_alive(grandchild) && processes_in(&folder).is_empty());
    assert!(get(gateway, "/who").is_none());
}
