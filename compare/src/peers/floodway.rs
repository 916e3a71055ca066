//! Floodway, with its defaults.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use super::Peer;

pub(super) struct Floodway;

impl Peer for Floodway {
    fn name(&self) -> &'static str {
        "floodway"
    }

    fn command(&self, folder: &Path, listen: SocketAddr, backends: &[SocketAddr]) -> anyhow::Result<Command> {
        let file = folder.join("floodway.yaml");
        let at: Vec<String> = backends.iter().map(|address| format!("\"{address}\"")).collect();
        let text = format!(
            "system: compare\nnode: {{ workers: 1 }}\nservices:\n  backend: {{ at: [{}] }}\ngateway:\n  listen: {listen}\n  routes:\n    - match: {{ path: \"/*\" }}\n      to: backend\n",
            at.join(", "),
        );
        fs::write(&file, text)?;
        let mut command = Command::new(crate::built("floodway"));
        command.arg("up").arg(file);
        Ok(command)
    }
}
