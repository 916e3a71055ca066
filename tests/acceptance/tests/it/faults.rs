//! Replicas and whole nodes are killed with -9 while orders come in. Each order is sent until it is
//! answered; then every order that was acknowledged must be there once, and the audit must be green.

use std::path::Path;
use std::time::{Duration, Instant};

use floodway_workload::Report;

use crate::node::{Node, kill};
use crate::shop;

const ORDERS: usize = 1_200;
const PER_SECOND: u32 = 250;

/// A small stream of random numbers, the same for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

#[test]
fn no_acknowledged_order_is_lost_when_replicas_and_nodes_are_killed() {
    for seed in floodway_kit::seeds(10) {
        let started = Instant::now();
        let kills = survive(seed);
        println!("seed {seed}: {ORDERS} orders, {kills:?}, {:?}", started.elapsed());
    }
}

#[derive(Debug, Default)]
struct Kills {
    replicas: u32,
    nodes: u32,
}

fn survive(seed: u64) -> Kills {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let listen = shop::gateway();
    let mut node = Node::up(&data, listen);
    node.wait_ready(Duration::from_secs(20));

    let first = usize::try_from(seed % 1_000).expect("small");
    let rows = shop::sample(folder.path(), first, 50, ORDERS);
    let journal = folder.path().join("journal.csv");
    let (report, node, kills) = std::thread::scope(|scope| {
        let load = scope.spawn(|| offer(rows.clone(), &journal, listen, seed));
        let (node, kills) = wreak_havoc(node, &data, seed, || load.is_finished());
        (load.join().expect("the load ran"), node, kills)
    });
    let log = node.log();
    assert!(kills.replicas + kills.nodes > 3, "seed {seed}: too little was killed: {kills:?}");
    assert_eq!(report.unanswered, 0, "seed {seed}: {report}\n{log}");
    assert_eq!(report.accepted, ORDERS as u64, "seed {seed}: {report}\n{log}");
    assert_eq!(shop::accepted_ids(&journal).len(), ORDERS, "seed {seed}");
    shop::audit(&node, &journal);
    assert!(node.stop().success(), "seed {seed}: a clean stop");
    kills
}

fn offer(rows: std::path::PathBuf, journal: &Path, listen: std::net::SocketAddr, seed: u64) -> Report {
    let load = shop::patient_load(rows, PER_SECOND, &format!("seed-{seed}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(floodway_bench::run(&load, listen, Some(journal), |_| {})).expect("the load runs")
}

/// Kills something every now and then until the load is over; leaves a node that is ready.
fn wreak_havoc(mut node: Node, data: &Path, seed: u64, is_over: impl Fn() -> bool) -> (Node, Kills) {
    let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) + 1);
    let mut kills = Kills::default();
    let mut next = Instant::now() + Duration::from_millis(300);
    while !is_over() {
        floodway_kit::pause_until(next.min(Instant::now() + Duration::from_millis(50)));
        // Once the load was meant to have ended, it is left alone to finish.
        if Instant::now() < next || kills.replicas + kills.nodes >= 12 {
            continue;
        }
        next = Instant::now() + Duration::from_millis(200 + dice.below(700));
        if dice.below(10) < 7 {
            let pids = node.replica_pids();
            if !pids.is_empty() {
                kill(pids[usize::try_from(dice.below(pids.len() as u64)).expect("small")]);
                kills.replicas += 1;
            }
        } else {
            let listen = node.listen();
            node.kill();
            node = Node::up(data, listen);
            kills.nodes += 1;
        }
    }
    node.wait_ready(Duration::from_secs(30));
    (node, kills)
}
