//! How little a node needs, and how quickly it is there.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::node::{Node, floodway, is_alive};
use crate::shop;

const IDLE_MAX: u64 = 30 << 20;
const START_MAX: Duration = Duration::from_secs(1);

#[test]
fn serves_its_first_request_within_a_second_and_stays_small() {
    let folder = tempfile::tempdir().expect("a folder");
    let started = Instant::now();
    let mut node = Node::up(&folder.path().join("data"), shop::gateway());
    floodway_kit::eventually_blocking(Duration::from_secs(20), "the first request is served", || {
        node.accepts() && status_of(&node, "/orders/none") == Some(404)
    });
    let took = started.elapsed();
    node.wait_ready(Duration::from_secs(20));
    let idle = floodway_kit::memory_of(node.pid());
    println!("first request served after {took:?}, idle memory {:.1} MiB", idle as f64 / f64::from(1 << 20));
    assert!(took < START_MAX, "{took:?}");
    assert!(idle < IDLE_MAX, "{idle} B");
    assert!(node.stop().success());
}

#[test]
fn a_second_node_on_the_same_folder_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let mut node = Node::up(&data, shop::gateway());
    node.wait_ready(Duration::from_secs(20));
    let second = floodway()
        .args(["up", "cases/shop", "--no-build"])
        .env("SHOP_DATA", &data)
        .env("SHOP_LISTEN", shop::gateway().to_string())
        .output()
        .expect("floodway is built");
    let text = String::from_utf8_lossy(&second.stderr);
    assert!(!second.status.success());
    assert!(text.contains("FW-2") && text.contains(&node.pid().to_string()), "{text}");
    assert!(node.stop().success());
}

#[test]
fn a_killed_node_leaves_no_orphan() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut node = Node::up(&folder.path().join("data"), shop::gateway());
    node.wait_ready(Duration::from_secs(20));
    let replicas = node.replica_pids();
    assert_eq!(replicas.len(), 6);
    node.kill();
    assert!(!replicas.into_iter().any(is_alive));
}

fn status_of(node: &Node, path: &str) -> Option<u16> {
    let mut stream = TcpStream::connect_timeout(&node.listen(), Duration::from_millis(200)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(1))).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.split(' ').nth(1)?.parse().ok()
}
