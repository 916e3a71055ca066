//! Node's HTTP server, which says what it read, a line each.

use std::net::SocketAddr;
use std::process::Command;

use floodway_kit::Running;

use super::{Counted, Peer};
use crate::support::PATIENCE;

const SERVER: &str = r#"
const server = require("http").createServer((request, response) => {
    let length = 0;
    request.on("data", (data) => (length += data.length));
    request.on("end", () => {
        console.log(`request ${request.method} ${request.url} ${length}`);
        response.end("ok");
    });
});
server.listen(0, "127.0.0.1", () => console.log(`port ${server.address().port}`));
"#;

#[derive(Debug)]
pub(super) struct Node {
    address: SocketAddr,
    running: Running,
    /// Lines that were read.
    read: usize,
}

impl Node {
    pub(super) fn start() -> Self {
        let mut command = Command::new("node");
        command.arg("-e").arg(SERVER);
        let mut running = Running::start(&mut command).expect("node is installed");
        let line = running.wait_line(PATIENCE, |line| line.starts_with("port "));
        let port: u16 = line.trim_start_matches("port ").parse().expect("a port");
        Self { address: SocketAddr::from(([127, 0, 0, 1], port)), running, read: 1 }
    }
}

impl Peer for Node {
    const NAME: &'static str = "node";

    fn address(&self) -> SocketAddr {
        self.address
    }

    fn take(&mut self, at_least: usize) -> Vec<Counted> {
        floodway_kit::eventually_blocking(PATIENCE, "node says what it served", || {
            self.running.lines().len() >= self.read + at_least
        });
        let lines = self.running.lines();
        let counted = lines[self.read..].iter().filter_map(|line| counted(line)).collect();
        self.read = lines.len();
        counted
    }
}

fn counted(line: &str) -> Option<Counted> {
    let mut words = line.strip_prefix("request ")?.split(' ');
    let (method, target, len) = (words.next()?, words.next()?, words.next()?);
    Some(Counted { method: method.into(), target: target.into(), body_len: len.parse().ok()? })
}
