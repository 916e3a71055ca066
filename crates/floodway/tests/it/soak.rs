//! A node that runs for long, with all that happens to one: what it holds must not grow.
#![expect(clippy::disallowed_methods, reason = "it lasts as long as it was told to")]

use std::fs;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::lossless::{assert_nothing_was_done_twice, three, under_load};
use crate::support::{Node, eventually, signal};

/// How long it takes, where `FLOODWAY_SOAK` does not name another number of seconds.
const SECONDS: u64 = 12;
/// What may be added to the memory over the later half of the time: of a page or so per thousand requests there
/// would be more in twenty minutes.
const MEMORY_GROWTH_MAX: u64 = 4 << 20;
/// Descriptors and threads come and go with connections.
const OTHER_GROWTH_MAX: usize = 12;

/// What a process holds.
#[derive(Debug, Clone, Copy)]
struct Held {
    memory: u64,
    descriptors: usize,
    threads: usize,
}

impl Held {
    fn by(node: &Node) -> Self {
        let pid = node.child.id();
        let count = |what: &str| fs::read_dir(format!("/proc/{pid}/{what}")).expect("it runs").count();
        Self { memory: floodway_kit::memory_of(pid), descriptors: count("fd"), threads: count("task") }
    }
}

/// The middle one by a figure: a single look may meet a reload.
fn middle<T: Ord>(held: &[Held], figure: impl Fn(&Held) -> T) -> T {
    let mut figures: Vec<_> = held.iter().map(figure).collect();
    figures.sort();
    figures.swap_remove(figures.len() / 2)
}

#[test]
fn nothing_grows_however_long_it_runs() {
    let seconds = std::env::var("FLOODWAY_SOAK").ok().and_then(|text| text.parse().ok()).unwrap_or(SECONDS);
    let node = three();
    let path = node.place.path("floodway.yaml");
    let text = fs::read_to_string(&path).expect("the file is there");
    let mut killed = Vec::new();
    let mut held = Vec::new();
    let lost = under_load(&node, || {
        let until = Instant::now() + Duration::from_secs(seconds);
        for turn in 0.. {
            if Instant::now() >= until {
                return;
            }
            let replica = turn % 3;
            match turn % 8 {
                3 => {
                    let pid = node.pid(replica);
                    killed.push(pid);
                    signal(pid, Signal::KILL);
                    eventually("a fresh process is ready", || {
                        node.state(replica) == "ready" && node.replicas()[replica]["pid"] != pid
                    });
                }
                7 => assert!(node.place.run(&["restart", "web"]).status.success(), "{}", node.err()),
                _ => {
                    let route = format!("to: web, timeout: {}ms }}]", 30_000 + turn);
                    fs::write(&path, text.replace("to: web }]", &route)).expect("written");
                    assert!(node.place.run(&["reload"]).status.success(), "{}", node.err());
                }
            }
            held.push(Held::by(&node));
            floodway_kit::pause_until(Instant::now() + Duration::from_millis(100));
        }
    });
    assert_nothing_was_done_twice(&node, &lost, &killed);
    // What is set up once, pools and buffers, is there by the middle.
    let (earlier, later) = held[held.len() / 4..].split_at(held.len() * 3 / 8);
    println!("{} looks: {:?} to {:?}", held.len(), earlier[0], later[later.len() - 1]);
    let memory = [earlier, later].map(|held| middle(held, |held| held.memory));
    assert!(memory[1] < memory[0] + MEMORY_GROWTH_MAX, "memory: {memory:?} B");
    for (what, figure) in
        [("descriptors", (|held| held.descriptors) as fn(&Held) -> usize), ("threads", |held| held.threads)]
    {
        let counts = [earlier, later].map(|held| middle(held, figure));
        assert!(counts[1] < counts[0] + OTHER_GROWTH_MAX, "{what}: {counts:?}");
    }
    node.stop();
}
