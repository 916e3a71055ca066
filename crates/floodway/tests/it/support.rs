//! A node as a child process, with small services.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::service;

/// Longest wait for anything.
const DEADLINE: Duration = Duration::from_secs(20);

/// A folder with a system file.
pub(crate) struct Place {
    pub(crate) dir: TempDir,
}

/// A running `floodway up`.
pub(crate) struct Node {
    pub(crate) child: Child,
    pub(crate) place: Place,
}

/// Waits until `is_so` holds.
pub(crate) fn eventually(what: &str, is_so: impl FnMut() -> bool) {
    floodway_kit::eventually_blocking(DEADLINE, what, is_so);
}

/// A system with the service `web`, whose keys besides `run` are given, and a route to it.
pub(crate) fn web(keys: &str) -> Place {
    system(&format!(
        "services:\n  web: {{ run: \"{}\", env: {{ {}: \"1\", GREETING: hello }}, {keys} }}\n",
        service::run(),
        service::MARK
    ))
}

/// A system with these services, and a route to `web`.
pub(crate) fn system(services: &str) -> Place {
    let dir = tempfile::tempdir().expect("a folder");
    let text = format!(
        "system: test\nnode: {{ grace: 2s }}\n{services}gateway:\n  listen: 127.0.0.1:0\n  \
         routes: [{{ match: {{ path: \"/*\" }}, to: web }}]\n"
    );
    fs::write(dir.path().join("floodway.yaml"), text).expect("written");
    Place { dir }
}

impl Place {
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Adds to the system file.
    pub(crate) fn add(&self, text: &str) {
        let mut file =
            File::options().append(true).open(self.path("floodway.yaml")).expect("the file is there");
        file.write_all(text.as_bytes()).expect("written");
    }

    /// `floodway` in this folder.
    pub(crate) fn floodway(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_floodway"));
        command.args(words).current_dir(self.dir.path()).stdin(Stdio::null());
        command
    }

    /// Runs a command of `floodway` to its end.
    pub(crate) fn run(&self, words: &[&str]) -> Output {
        self.floodway(words).output().expect("floodway is built")
    }

    /// Starts a node and does not wait for anything.
    pub(crate) fn up(self, words: &[&str]) -> Node {
        let file = |name| File::create(self.path(name)).expect("the folder is ours");
        let mut command = self.floodway(&[&["up"], words].concat());
        let child = command.stdout(file("out")).stderr(file("err")).spawn().expect("floodway is built");
        Node { child, place: self }
    }

    /// Starts a node and waits until all its replicas are ready.
    pub(crate) fn up_and_ready(self) -> Node {
        let mut node = self.up(&[]);
        eventually("all replicas are ready", || {
            assert!(node.child.try_wait().expect("ours").is_none(), "it ended: {}", node.err());
            node.err().contains("all replicas are ready")
        });
        node
    }
}

impl Node {
    pub(crate) fn out(&self) -> String {
        read(&self.place.path("out"))
    }

    pub(crate) fn err(&self) -> String {
        read(&self.place.path("err"))
    }

    /// What `node.json` says, if it is there.
    pub(crate) fn file(&self) -> Option<serde_json::Value> {
        serde_json::from_str(&read(&self.place.path(".floodway/node.json"))).ok()
    }

    pub(crate) fn gateway(&self) -> SocketAddr {
        let file = self.file().expect("the node runs");
        file["gateway"][0].as_str().expect("an address").parse().expect("an address")
    }

    /// What `floodway status --json` says of each replica.
    pub(crate) fn replicas(&self) -> Vec<serde_json::Value> {
        let output = self.place.run(&["status", "--json"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let status: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let services = status["services"].as_array().expect("services").iter();
        services.flat_map(|service| service["replicas"].as_array().expect("replicas").clone()).collect()
    }

    pub(crate) fn state(&self, index: usize) -> String {
        self.replicas()[index]["state"].as_str().expect("a state").to_owned()
    }

    /// The process id of a replica that runs.
    pub(crate) fn pid(&self, index: usize) -> u32 {
        self.replicas()[index]["pid"].as_u64().expect("a process").try_into().expect("a process id")
    }

    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        get(self.gateway(), path).expect("an answer")
    }

    pub(crate) fn signal(&self, which: Signal) {
        signal(self.child.id(), which);
    }

    /// Waits until the node has ended by itself.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let mut status = None;
        eventually("the node ends", || {
            status = self.child.try_wait().expect("ours");
            status.is_some()
        });
        status.expect("it ended")
    }

    /// Stops it as a service manager would.
    pub(crate) fn stop(mut self) {
        self.signal(Signal::TERM);
        let status = self.ended();
        assert!(status.success(), "{status}: {}", self.err());
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}

/// One GET on a connection of its own; `None` when it brings no answer.
pub(crate) fn get(address: SocketAddr, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(DEADLINE)).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}

pub(crate) fn signal(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a process id");
    match kill_process(pid, signal) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => {}
        Err(error) => panic!("could not signal {pid:?}: {error}"),
    }
}

/// Whether a process runs; one that waits to be reaped does not.
pub(crate) fn is_alive(pid: u32) -> bool {
    let stat = read(Path::new(&format!("/proc/{pid}/stat")));
    let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.trim_start().chars().next());
    state.is_some_and(|state| state != 'Z')
}

/// Processes whose working folder is `folder`: a node, its guard and whatever they started.
pub(crate) fn processes_in(folder: &Path) -> Vec<u32> {
    let all = fs::read_dir("/proc").expect("/proc").flatten();
    let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid: &u32| {
        let cwd = fs::read_link(format!("/proc/{pid}/cwd"));
        cwd.is_ok_and(|cwd| cwd == folder) && is_alive(*pid)
    })
    .collect()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}
