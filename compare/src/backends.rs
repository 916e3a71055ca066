//! What the proxies carry requests to: three ports of one nginx, a JSON body from memory. `/body` answers once the
//! request's body is there.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result};

use crate::cores::Cores;
use crate::served::Served;

/// The least that a body has: what is more is filling.
pub(crate) const BODY_MIN: usize = 100;

const COUNT: usize = 3;

/// nginx takes no longer text in its configuration than about 4 KiB; a longer body is a file in the page cache.
const IN_CONFIG_MAX: usize = 2 << 10;
const FILE: &str = "body.json";

/// Running backends; they end when this is dropped.
#[derive(Debug)]
pub(crate) struct Backends {
    pub(crate) addresses: Vec<SocketAddr>,
    _served: Served,
}

impl Backends {
    /// Starts them on free ports.
    pub(crate) fn start(folder: &Path, cores: Cores, body: usize) -> Result<Self> {
        let addresses: Vec<_> = (0..COUNT).map(|_| floodway_kit::free_address()).collect();
        std::fs::write(folder.join(FILE), self::body(body)).context("cannot write the backends' answer")?;
        let file = folder.join("backends.conf");
        std::fs::write(&file, config(folder, &addresses, body))
            .context("cannot write the backends' configuration")?;
        let mut command = cores.for_rest("nginx");
        command.arg("-e").arg(folder.join("backends.log")).arg("-c").arg(&file);
        let first = *addresses.first().context("there are backends")?;
        Ok(Self { _served: Served::start("the backends", command, first, body)?, addresses })
    }
}

fn config(folder: &Path, addresses: &[SocketAddr], body_len: usize) -> String {
    let listens = addresses.iter().map(|address| format!("    listen {address};\n"));
    let listens = listens.collect::<Vec<_>>().concat();
    let answer = if body_len <= IN_CONFIG_MAX {
        format!("return 200 '{}';", body(body_len))
    } else {
        format!("root {}; rewrite ^ /{FILE} break;", folder.display())
    };
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
  sendfile on;
  open_file_cache max=10;
  server {{
{listens}    location / {{ {answer} }}
    location = /body {{ proxy_pass http://{first}/; }}
  }}
}}
",
        folder = folder.display(),
        first = addresses.first().map(ToString::to_string).unwrap_or_default(),
    )
}

/// A product, as a shop would answer, filled up to the length.
fn body(len: usize) -> String {
    let start = r#"{"id":4711,"name":"a record","price":"11.77","currency":"USD","stock":12,"description":""#;
    let filling = len.max(BODY_MIN) - start.len() - 2;
    format!("{start}{}\"}}", "x".repeat(filling))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_is_json_of_the_stated_length() {
        for len in [BODY_MIN, 227, 65_536] {
            assert_eq!(body(len).len(), len);
            assert!(serde_json::from_str::<serde_json::Value>(&body(len)).is_ok());
        }
    }
}
