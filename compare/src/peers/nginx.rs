//! nginx with one worker: keep-alive to the servers, the client's address passed on. Also the backends
//! of all comparisons: a small JSON answer from memory.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use super::Peer;

pub(super) struct Nginx;

/// An answer of 227 bytes, as small answers of services commonly are.
const BODY: &str = r#"{"id":1234567,"name":"a product of some length","price":1999,"currency":"EUR","stock":42,"tags":["one","two","three"],"description":"a description as small answers of services commonly have, and with no more than these words"}"#;

impl Peer for Nginx {
    fn name(&self) -> &'static str {
        "nginx"
    }

    fn command(&self, folder: &Path, listen: SocketAddr, backends: &[SocketAddr]) -> anyhow::Result<Command> {
        let servers: Vec<String> = backends.iter().map(|address| format!("server {address};")).collect();
        let http = format!(
            "upstream servers {{ {} keepalive 64; keepalive_requests 100000000; }}
server {{
  listen {listen};
  location / {{
    proxy_pass http://servers;
    proxy_http_version 1.1;
    proxy_connect_timeout 1s;
    proxy_read_timeout 30s;
    proxy_set_header Connection \"\";
    proxy_set_header Host $host;
    proxy_set_header X-Forwarded-For $remote_addr;
    proxy_set_header X-Request-Id $request_id;
  }}
}}",
            servers.join(" "),
        );
        command(folder, &http)
    }
}

/// A server that answers on all these addresses from memory.
pub(crate) fn backend(folder: &Path, addresses: &[SocketAddr]) -> anyhow::Result<Command> {
    let listen: Vec<String> = addresses.iter().map(|address| format!("listen {address};")).collect();
    let http = format!(
        "server {{ {} location / {{ default_type application/json; return 200 '{BODY}'; }} }}",
        listen.join(" "),
    );
    command(folder, &http)
}

fn command(folder: &Path, http: &str) -> anyhow::Result<Command> {
    let here = folder.display();
    let text = format!(
        "worker_processes 1;
daemon off;
pid {here}/pid;
error_log {here}/error.log;
events {{ worker_connections 4096; }}
http {{
access_log off;
keepalive_requests 100000000;
client_body_temp_path {here}/body;
proxy_temp_path {here}/proxy;
fastcgi_temp_path {here}/fastcgi;
uwsgi_temp_path {here}/uwsgi;
scgi_temp_path {here}/scgi;
{http}
}}
",
    );
    let file = folder.join("nginx.conf");
    fs::write(&file, text)?;
    let mut command = Command::new("/usr/sbin/nginx");
    command.arg("-c").arg(file);
    Ok(command)
}
