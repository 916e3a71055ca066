//! nginx, which reads each request whole before it passes it to itself, and logs what it read.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;

use floodway_kit::Running;

use super::{Counted, Peer};
use crate::support::PATIENCE;

#[derive(Debug)]
pub(super) struct Nginx {
    address: SocketAddr,
    folder: tempfile::TempDir,
    /// Bytes of the log that were read.
    read: usize,
    _running: Running,
}

impl Nginx {
    pub(super) fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let address = floodway_kit::free_address();
        let file = folder.path().join("nginx.conf");
        std::fs::write(&file, config(folder.path(), address)).expect("a file");
        let mut command = Command::new("nginx");
        command.arg("-e").arg("stderr").arg("-p").arg(folder.path()).arg("-c").arg(file);
        let mut running = Running::start(&mut command).expect("nginx is installed");
        floodway_kit::eventually_blocking(PATIENCE, "nginx listens", || {
            assert!(running.status().is_none(), "nginx ended: {:#?}", running.lines());
            TcpStream::connect(address).is_ok()
        });
        Self { address, folder, read: 0, _running: running }
    }

    /// The lines of the log that are whole and were not read before.
    fn lines(&self) -> String {
        let log = std::fs::read(self.folder.path().join("requests.log")).expect("nginx logs");
        let unread = &log[self.read..];
        let len = unread.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        String::from_utf8_lossy(&unread[..len]).into_owned()
    }
}

impl Peer for Nginx {
    const NAME: &'static str = "nginx";

    fn address(&self) -> SocketAddr {
        self.address
    }

    fn take(&mut self, at_least: usize) -> Vec<Counted> {
        let served = |lines: &str| lines.lines().filter_map(counted).collect::<Vec<_>>();
        floodway_kit::eventually_blocking(PATIENCE, "nginx logs what it served", || {
            served(&self.lines()).len() >= at_least
        });
        let lines = self.lines();
        self.read += lines.len();
        served(&lines)
    }
}

/// Method, target and body, whose odd bytes are four characters each; `None` for what it refused.
fn counted(line: &str) -> Option<Counted> {
    let (method, rest) = line.strip_prefix("200 ")?.split_once(' ')?;
    let (target, body) = rest.split_once(' ')?;
    let body = if body == "-" { "" } else { body };
    let body_len = body.len() - 3 * body.matches("\\x").count();
    Some(Counted { method: method.to_owned(), target: target.replace("\\x5C", "\\"), body_len })
}

fn config(folder: &Path, address: SocketAddr) -> String {
    let folder = folder.display();
    format!(
        r#"
daemon off;
master_process off;
pid {folder}/nginx.pid;
events {{}}
http {{
    log_format requests '$status $request_method $request_uri $request_body';
    client_body_temp_path {folder}/bodies;
    proxy_temp_path {folder}/proxied;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    client_body_buffer_size 1m;
    proxy_ignore_client_abort on;
    server {{
        listen {address};
        access_log {folder}/requests.log requests;
        location / {{ proxy_pass http://unix:{folder}/inner; }}
    }}
    server {{
        listen unix:{folder}/inner;
        access_log off;
        location / {{ return 200 "ok"; }}
    }}
}}
"#
    )
}
