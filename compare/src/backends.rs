//! What the proxies carry requests to: three ports of one nginx, a small JSON body from memory.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result};

use crate::cores::Cores;
use crate::served::Served;

/// Length of the body.
pub(crate) const BODY_BYTES: usize = 227;

const COUNT: usize = 3;

/// Running backends; they end when this is dropped.
#[derive(Debug)]
pub(crate) struct Backends {
    pub(crate) addresses: Vec<SocketAddr>,
    _served: Served,
}

impl Backends {
    /// Starts them on free ports.
    pub(crate) fn start(folder: &Path, cores: Cores) -> Result<Self> {
        let addresses: Vec<_> = (0..COUNT).map(|_| floodway_kit::free_address()).collect();
        let file = folder.join("backends.conf");
        std::fs::write(&file, config(folder, &addresses))
            .context("cannot write the backends' configuration")?;
        let mut command = cores.for_rest("nginx");
        command.arg("-e").arg(folder.join("backends.log")).arg("-c").arg(&file);
        let first = *addresses.first().context("there are backends")?;
        Ok(Self { _served: Served::start("the backends", command, first)?, addresses })
    }
}

fn config(folder: &Path, addresses: &[SocketAddr]) -> String {
    let listens = addresses.iter().map(|address| format!("    listen {address};\n"));
    let listens = listens.collect::<Vec<_>>().concat();
    format!(
        "daemon off;
worker_processes 1;
pid {folder}/backends.pid;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  default_type application/json;
  keepalive_requests 1000000000;
  keepalive_timeout 1h;
  server {{
{listens}    location / {{ return 200 '{body}'; }}
  }}
}}
",
        folder = folder.display(),
        body = body(),
    )
}

/// A product, as a shop would answer, filled up to the length.
fn body() -> String {
    let start = r#"{"id":4711,"name":"a record","price":"11.77","currency":"USD","stock":12,"description":""#;
    let filling = BODY_BYTES - start.len() - 2;
    format!("{start}{}\"}}", "x".repeat(filling))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_is_json_of_the_stated_length() {
        assert_eq!(body().len(), BODY_BYTES);
        assert!(serde_json::from_str::<serde_json::Value>(&body()).is_ok());
    }
}
