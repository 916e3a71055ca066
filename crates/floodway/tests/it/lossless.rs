//! Changes under load: what is lost by each.
#![expect(clippy::disallowed_methods, reason = "clients keep their own times")]

use std::collections::HashSet;
use std::fs;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use floodway_kit::http::Connection;
use rustix::process::Signal;

use crate::support::{Node, eventually, signal, web};

/// Clients, each of which asks on a connection that it keeps, at its own times, whatever becomes of the others.
const CLIENTS: u64 = 16;
/// Between two requests of a client: 320 a second of all.
const PERIOD: Duration = Duration::from_millis(50);
/// Each so many requests one is a POST.
const POSTS: u64 = 5;

/// What came of the requests.
#[derive(Debug, Default)]
struct Seen {
    answered: AtomicU64,
    /// GETs that did not get 200, with what they got.
    lost: Mutex<Vec<String>>,
    /// Numbers of POSTs that did not get 200, with what they got.
    lost_posts: Mutex<Vec<(u64, String)>>,
}

/// Asks until told to end.
fn client(number: u64, gateway: SocketAddr, is_over: &AtomicBool, seen: &Seen) {
    let mut connection = None;
    let mut due = Instant::now() + PERIOD / 16 * u32::try_from(number % 16).expect("few");
    for turn in 0.. {
        if is_over.load(Ordering::Relaxed) {
            return;
        }
        floodway_kit::pause_until(due);
        due += PERIOD;
        let id = number * 1_000_000 + turn;
        let is_post = id.is_multiple_of(POSTS);
        match ask(&mut connection, gateway, is_post, id) {
            Ok(()) => drop(seen.answered.fetch_add(1, Ordering::Relaxed)),
            Err(what) if is_post => seen.lost_posts.lock().expect("no panic").push((id, what)),
            Err(what) => seen.lost.lock().expect("no panic").push(what),
        }
    }
}

fn ask(kept: &mut Option<Connection>, gateway: SocketAddr, is_post: bool, id: u64) -> Result<(), String> {
    let was_kept = kept.is_some();
    let failed = |what: &dyn std::fmt::Display| format!("{what} (kept: {was_kept})");
    let mut connection = match kept.take() {
        Some(connection) => connection,
        None => Connection::to(gateway).map_err(|error| failed(&error))?,
    };
    let method = if is_post { "POST" } else { "GET" };
    let path = if is_post { format!("/take?{id}") } else { "/who".to_owned() };
    let request = format!("{method} {path} HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n");
    connection.write(request.as_bytes()).map_err(|error| failed(&error))?;
    let answer = connection.read_answer(false).map_err(|error| failed(&error))?;
    if answer.header("connection") != Some("close") {
        *kept = Some(connection);
    }
    if answer.status == 200 { Ok(()) } else { Err(failed(&format!("{}: {}", answer.status, answer.text()))) }
}

/// Runs clients while `change` is made; nothing that may be asked twice is lost. Returns the numbers of POSTs
/// that were not answered.
pub(crate) fn under_load(node: &Node, change: impl FnOnce()) -> Vec<(u64, String)> {
    let (seen, is_over, gateway) = (Seen::default(), AtomicBool::new(false), node.gateway());
    thread::scope(|scope| {
        for number in 0..CLIENTS {
            let (is_over, seen) = (&is_over, &seen);
            scope.spawn(move || client(number, gateway, is_over, seen));
        }
        let enough = |more: u64| {
            let before = seen.answered.load(Ordering::Relaxed);
            eventually("requests go on", || seen.answered.load(Ordering::Relaxed) > before + more);
        };
        // A change that panics would leave the clients running.
        let changed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            enough(2 * CLIENTS);
            change();
            enough(4 * CLIENTS);
        }));
        is_over.store(true, Ordering::Relaxed);
        changed.expect("the change is made");
    });
    let lost = seen.lost.into_inner().expect("no panic");
    assert!(lost.is_empty(), "{} of {:?}: {lost:#?}\n{}", lost.len(), seen.answered, node.err());
    seen.lost_posts.into_inner().expect("no panic")
}

/// Numbers of the POSTs that a service has seen, by process.
fn taken(node: &Node) -> Vec<(u64, u32)> {
    let text = fs::read_to_string(node.place.path("taken")).unwrap_or_default();
    let parse = |line: &str| {
        let (id, pid) = line.split_once(' ')?;
        Some((id.parse().ok()?, pid.parse().ok()?))
    };
    text.lines().map(|line| parse(line).expect("two numbers")).collect()
}

/// What was lost had reached a process that was killed, or nobody; and no POST was carried out twice.
pub(crate) fn assert_nothing_was_done_twice(node: &Node, lost: &[(u64, String)], killed: &[u32]) {
    let taken = taken(node);
    for (id, what) in lost {
        let by: Vec<_> = taken.iter().filter(|(taken, _)| taken == id).collect();
        // It was on the connection of a process that died, which may not have got to read it.
        assert!(
            by.len() <= 1 && by.iter().all(|(_, pid)| killed.contains(pid)),
            "{id} ({what}) had reached {by:?}, and {killed:?} were killed"
        );
        assert!(what.contains("FW-3512"), "{what}");
    }
    let numbers: HashSet<_> = taken.iter().map(|(id, _)| *id).collect();
    assert_eq!(numbers.len(), taken.len(), "nothing is done twice");
}

pub(crate) fn three() -> Node {
    web("replicas: 3, health: { http: /healthz, period: 200ms }").up_and_ready()
}

#[test]
fn a_killed_replica_loses_only_what_had_reached_it_and_may_not_be_asked_twice() {
    let node = three();
    let mut killed = Vec::new();
    let lost = under_load(&node, || {
        for round in 0..3 {
            let pid = node.pid(round);
            killed.push(pid);
            signal(pid, Signal::KILL);
            eventually("a fresh process is ready", || {
                node.state(round) == "ready" && node.replicas()[round]["pid"] != pid
            });
        }
    });
    assert_nothing_was_done_twice(&node, &lost, &killed);
    node.stop();
}

#[test]
fn restarts_drains_and_a_hundred_reloads_lose_nothing() {
    let node = three();
    let run = |words: &[&str]| {
        let output = node.place.run(words);
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let before: HashSet<_> = (0..3).map(|place| node.pid(place)).collect();
    let lost = under_load(&node, || {
        run(&["restart", "web"]);
        run(&["drain", "web/0"]);
        run(&["drain", "web/1", "--stop"]);
        run(&["drain", "web/1"]);
        let path = node.place.path("floodway.yaml");
        let text = fs::read_to_string(&path).expect("the file is there");
        for number in 0..100 {
            let route = format!("to: web, timeout: {}ms }}]", 30_000 + number);
            fs::write(&path, text.replace("to: web }]", &route)).expect("written");
            run(&["reload"]);
        }
    });
    assert!(lost.is_empty(), "{lost:#?}\n{}", node.err());
    assert!((0..3).all(|place| !before.contains(&node.pid(place))), "each has a fresh process");
    node.stop();
}

#[test]
fn an_upgrade_loses_nothing() {
    let node = three();
    let before: HashSet<_> = (0..3).map(|place| node.pid(place)).collect();
    let lost = under_load(&node, || {
        for _ in 0..2 {
            let output = node.place.run(&["upgrade"]);
            assert!(output.status.success(), "{}\n{}", String::from_utf8_lossy(&output.stderr), node.err());
        }
    });
    assert!(lost.is_empty(), "{lost:#?}\n{}", node.err());
    assert!((0..3).all(|place| !before.contains(&node.pid(place))), "each has a fresh process");
    assert_eq!(node.file().expect("the node runs")["pid"], node.child.id(), "it is the same process");
    node.stop();
}
