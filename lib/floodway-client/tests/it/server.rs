//! A server for one connection that gives prepared answers and remembers what it was sent.

#![expect(clippy::unwrap_used, reason = "a broken socket must fail the test")]

use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    task: JoinSet<Vec<String>>,
}

impl Server {
    /// Gives the answers in order, one per request, then closes. Without answers, it takes no connection.
    pub(crate) async fn start(answers: Vec<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut task = JoinSet::new();
        task.spawn(async move {
            if answers.is_empty() {
                return std::future::pending().await;
            }
            let (connection, _) = listener.accept().await.unwrap();
            serve(BufReader::new(connection), answers).await
        });
        Self { address, task }
    }

    /// What it was sent: method, path, the headers that carry meaning, body.
    pub(crate) async fn sent(mut self) -> Vec<String> {
        self.task.join_next().await.unwrap().unwrap()
    }

    /// Stops listening; the address is then nobody's.
    pub(crate) async fn stop(mut self) -> SocketAddr {
        self.task.shutdown().await;
        self.address
    }
}

/// An HTTP answer. `headers` end in CR LF each.
pub(crate) fn answer(status: u16, headers: &str, body: &str) -> String {
    let length = if status == 204 { String::new() } else { format!("content-length: {}\r\n", body.len()) };
    format!("HTTP/1.1 {status} x\r\n{headers}{length}\r\n{body}")
}

async fn serve(mut connection: BufReader<TcpStream>, answers: Vec<String>) -> Vec<String> {
    let mut sent = Vec::new();
    for answer in answers {
        sent.push(request(&mut connection).await);
        connection.write_all(answer.as_bytes()).await.unwrap();
    }
    sent
}

async fn request(connection: &mut BufReader<TcpStream>) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut length = 0;
    loop {
        let mut line = String::new();
        connection.read_line(&mut line).await.unwrap();
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        if let Some(text) = line.strip_prefix("content-length: ") {
            length = text.parse().unwrap();
        }
        if words.is_empty() {
            words.extend(line.split(' ').take(2).map(str::to_owned));
        } else if line.starts_with("if-match") || line.starts_with("dapr-") {
            words.push(line.to_owned());
        }
    }
    let mut body = vec![0; length];
    connection.read_exact(&mut body).await.unwrap();
    if !body.is_empty() {
        words.push(String::from_utf8(body).unwrap());
    }
    words.join(" ")
}
