//! The proxies that are compared: a file each, with the configuration it is given.

mod byte_pump;
mod floodway;
mod haproxy;
mod nginx;

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

/// A proxy in front of the backends.
pub(crate) trait Peer {
    /// Its name in tables.
    fn name(&self) -> &'static str;

    /// Writes its configuration into a folder of its own; what starts it, with one worker.
    fn command(&self, folder: &Path, listen: SocketAddr, backends: &[SocketAddr]) -> anyhow::Result<Command>;
}

/// All of them, Floodway first.
pub(crate) fn all() -> Vec<Box<dyn Peer>> {
    vec![
        Box::new(floodway::Floodway),
        Box::new(haproxy::Haproxy),
        Box::new(nginx::Nginx),
        Box::new(byte_pump::BytePump),
    ]
}

pub(crate) use nginx::backend;
