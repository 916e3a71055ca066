//! A node of the shop as a child process.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// The checkout's root folder.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("two folders up").to_owned()
}

/// Where the node's output is collected, next to its data.
fn log_path(data: &Path) -> PathBuf {
    data.with_extension("log")
}

pub(crate) fn floodway() -> Command {
    let mut command = Command::new(root().join("target/release/floodway"));
    command.current_dir(root());
    command
}

/// A running `floodway up cases/shop`.
#[derive(Debug)]
pub(crate) struct Node {
    child: Child,
    data: PathBuf,
    listen: SocketAddr,
}

impl Node {
    /// Starts a node on a data folder and waits until its gateway takes an order's question.
    pub(crate) fn up(data: &Path, listen: SocketAddr) -> Self {
        let log = File::options().create(true).append(true).open(log_path(data)).expect("a log file");
        let child = floodway()
            .args(["up", "cases/shop", "--no-build"])
            .env("SHOP_DATA", data)
            .env("SHOP_LISTEN", listen.to_string())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .expect("floodway is built");
        Self { child, data: data.to_owned(), listen }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until every replica is ready.
    pub(crate) fn wait_ready(&mut self, deadline: Duration) {
        floodway_kit::eventually_blocking(deadline, "all replicas are ready", || {
            assert!(self.child.try_wait().expect("our child").is_none(), "the node ended:\n{}", self.log());
            self.is_ready()
        });
    }

    fn is_ready(&self) -> bool {
        let replicas = self.replicas();
        replicas.len() == 6 && replicas.iter().all(|replica| replica["state"] == "ready")
    }

    /// What `floodway status --json` says; `None` while there is nobody to ask.
    pub(crate) fn status(&self) -> Option<serde_json::Value> {
        let output = floodway()
            .args(["status", "cases/shop", "--json"])
            .env("SHOP_DATA", &self.data)
            .output()
            .expect("floodway is built");
        output.status.success().then(|| serde_json::from_slice(&output.stdout).expect("JSON"))
    }

    /// Process ids of the replicas there are now.
    pub(crate) fn replica_pids(&self) -> Vec<u32> {
        let replicas = self.replicas();
        let pids = replicas.iter().filter_map(|replica| replica["pid"].as_u64());
        pids.filter_map(|pid| pid.try_into().ok()).collect()
    }

    fn replicas(&self) -> Vec<serde_json::Value> {
        let status = self.status().unwrap_or_default();
        let services = status["services"].as_array().cloned().unwrap_or_default();
        services.iter().filter_map(|service| service["replicas"].as_array()).flatten().cloned().collect()
    }

    /// The port of a replica's block API.
    pub(crate) fn api_port(&self, replica: &str) -> u16 {
        let text = fs::read(self.data.join("node.json")).expect("the node says where it is");
        let node: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
        let replicas = node["replicas"].as_array().expect("replicas");
        let found = replicas.iter().find(|candidate| candidate["replica"] == replica).expect("the replica");
        found["api_port"].as_u64().expect("a port").try_into().expect("a port")
    }

    pub(crate) const fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// Whether the gateway can be connected to.
    pub(crate) fn accepts(&self) -> bool {
        TcpStream::connect_timeout(&self.listen, Duration::from_millis(200)).is_ok()
    }

    /// Kills the node without warning, and waits until the guard has ended what it had started.
    pub(crate) fn kill(mut self) {
        let replicas = self.replica_pids();
        self.child.kill().expect("our child");
        self.child.wait().expect("our child");
        floodway_kit::eventually_blocking(Duration::from_secs(5), "no replica outlives its node", || {
            replicas.iter().all(|&pid| !is_alive(pid))
        });
    }

    /// Asks the node to stop, as Ctrl-C or a service manager would.
    pub(crate) fn stop(mut self) -> ExitStatus {
        signal(self.pid(), Signal::TERM);
        floodway_kit::eventually_blocking(Duration::from_secs(30), "the node stops", || {
            self.child.try_wait().expect("our child").is_some()
        });
        self.child.wait().expect("our child")
    }

    /// What the node has printed.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(log_path(&self.data)).unwrap_or_default()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            signal(self.pid(), Signal::KILL);
            drop(self.child.wait());
        }
    }
}

/// Kills a process without warning; one that is gone already is fine.
pub(crate) fn kill(pid: u32) {
    signal(pid, Signal::KILL);
}

fn signal(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a process id");
    match kill_process(pid, signal) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => {}
        Err(error) => panic!("could not signal {pid:?}: {error}"),
    }
}

/// Whether a process runs; one that waits to be reaped does not.
pub(crate) fn is_alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.trim_start().chars().next());
    state.is_some_and(|state| state != 'Z')
}
