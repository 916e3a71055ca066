//! The limit: a proxy that copies bytes and reads nothing of them.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use super::Peer;

pub(super) struct BytePump;

impl Peer for BytePump {
    fn name(&self) -> &'static str {
        "byte pump"
    }

    fn command(
        &self,
        _folder: &Path,
        listen: SocketAddr,
        backends: &[SocketAddr],
    ) -> anyhow::Result<Command> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("pump").arg(listen.to_string()).args(backends.iter().map(SocketAddr::to_string));
        Ok(command)
    }
}
