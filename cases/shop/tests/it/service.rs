//! One process of the shop, ended with the test.

#![expect(clippy::unwrap_used, reason = "a process or socket that fails must fail the test")]

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

const DEADLINE: Duration = Duration::from_secs(20);

pub(crate) struct Service {
    port: u16,
    process: Child,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Status line and headers, in lower case.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Service {
    /// Starts a service whose block API nobody serves, and waits until it listens.
    pub(crate) async fn start(name: &str) -> Self {
        let (port, api_port) = (free_port().await, free_port().await);
        let process = command(&[name])
            .env("PORT", port.to_string())
            .env("DAPR_HTTP_PORT", api_port.to_string())
            .env("INITIAL_STOCK", "cd-*=10")
            .spawn()
            .unwrap();
        let service = Self { port, process };
        tokio::time::timeout(DEADLINE, service.listening()).await.unwrap();
        service
    }

    /// One request on a connection of its own. `headers` end in CR LF each.
    pub(crate) async fn request(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n{body}"
        );
        let mut connection = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        tokio::time::timeout(DEADLINE, connection.read_to_string(&mut answer)).await.unwrap().unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
    }

    /// Sends SIGTERM and gives back the exit status.
    pub(crate) async fn terminate(mut self) -> Option<i32> {
        let id = i32::try_from(self.process.id().unwrap()).unwrap();
        let id = rustix::process::Pid::from_raw(id).unwrap();
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        tokio::time::timeout(DEADLINE, self.process.wait()).await.unwrap().unwrap().code()
    }

    async fn listening(&self) {
        while TcpStream::connect(("127.0.0.1", self.port)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Runs a command to its end: exit status and standard error.
pub(crate) async fn run(words: &[&str], environment: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut command = command(words);
    command.envs(environment.iter().copied());
    let output = tokio::time::timeout(DEADLINE, command.output()).await.unwrap().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

fn command(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shop"));
    command.args(words).env_clear().stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
    command
}

/// A port that was free a moment ago.
async fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}
