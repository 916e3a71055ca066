//! SDKs that nobody here wrote, unchanged, against a node of the real binary.

use std::fs::{self, File};
use std::process::{Child, Stdio};
use std::time::Duration;

use floodway_kit::http;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::node::{floodway, root};

const PATIENCE: Duration = Duration::from_secs(90);

/// A node that runs an SDK's checks. Ends when it is dropped.
struct Checks {
    node: Child,
    folder: tempfile::TempDir,
}

impl Checks {
    /// Runs those in this folder of the checkout and gives what they came to.
    fn run(place: &str) -> Value {
        let folder = tempfile::tempdir().expect("a folder");
        let listen = floodway_kit::free_address();
        let settings = folder.path().join("settings.json");
        fs::write(&settings, r#"{"color":"blue"}"#).expect("a file of settings");
        let log = File::create(folder.path().join("node.log")).expect("a log file");
        let node = floodway()
            .args(["up", place])
            .env("PYTHON", root().join("target/python/bin/python"))
            .env("LISTEN", listen.to_string())
            .env("DATA", folder.path().join("data"))
            .env("SETTINGS", &settings)
            .env("SDK_SECRET", "open sesame")
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .expect("floodway is built");
        let mut checks = Self { node, folder };
        let mut result = Value::Null;
        floodway_kit::eventually_blocking(PATIENCE, "all checks are done", || {
            assert!(
                checks.node.try_wait().expect("our child").is_none(),
                "the node ended:\n{}",
                checks.log()
            );
            let answer = http::send(listen, "GET", "/result", &[], b"");
            let seen = answer.ok().and_then(|answer| serde_json::from_slice::<Value>(&answer.body).ok());
            result = seen.unwrap_or_default();
            result["done"] == true
        });
        assert_eq!(result["failed"], serde_json::json!({}), "{}", checks.log());
        result
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("node.log")).unwrap_or_default()
    }
}

impl Drop for Checks {
    fn drop(&mut self) {
        let pid = i32::try_from(self.node.id()).ok().and_then(Pid::from_raw).expect("a pid");
        if let Err(error) = kill_process(pid, Signal::TERM) {
            println!("the node is gone: {error}");
        }
        println!("the node ended with {:?}", self.node.wait());
    }
}

#[test]
fn python() {
    let result = Checks::run("tests/acceptance/sdks/python");
    assert_eq!(result["passed"].as_array().map(Vec::len), Some(15), "{result}");
}

/// Its programs find their packages beside them.
#[test]
fn javascript() {
    let (from, to) = (root().join("tests/acceptance/sdks/js"), root().join("target/js"));
    for file in ["floodway.yaml", "suite.mjs", "other.mjs"] {
        fs::copy(from.join(file), to.join(file)).expect("`cargo xtask packages` made the folder");
    }
    let result = Checks::run("target/js");
    assert_eq!(result["passed"].as_array().map(Vec::len), Some(18), "{result}");
}
