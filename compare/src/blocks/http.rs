//! A client of HTTP/1.1 that costs little, as it shares its cores with what it measures: whole requests out, and
//! of an answer the status and the body.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A connection that is kept.
#[derive(Debug)]
pub(super) struct Http {
    stream: TcpStream,
    request: Vec<u8>,
    answer: Vec<u8>,
}

/// What comes back.
#[derive(Debug)]
pub(super) struct Answer<'a> {
    pub(super) status: u16,
    pub(super) body: &'a [u8],
}

impl Http {
    pub(super) async fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("cannot reach {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, request: Vec::new(), answer: Vec::new() })
    }

    /// Sends a request and waits for its answer.
    pub(super) async fn ask(&mut self, method: &str, path: &str, body: &[u8]) -> Result<Answer<'_>> {
        self.request.clear();
        let length = body.len();
        self.request.extend_from_slice(
            format!(
                "{method} {path} HTTP/1.1\r\nhost: compare\r\ncontent-type: application/json\r\n\
                 content-length: {length}\r\n\r\n"
            )
            .as_bytes(),
        );
        self.request.extend_from_slice(body);
        self.stream.write_all(&self.request).await?;
        self.read().await
    }

    /// The same; an answer that is no success is an error.
    pub(super) async fn expect(&mut self, method: &str, path: &str, body: &[u8]) -> Result<&[u8]> {
        let Answer { status, body } = self.ask(method, path, body).await?;
        ensure!((200..300).contains(&status), "{method} {path}: {status} {}", String::from_utf8_lossy(body));
        Ok(body)
    }

    async fn read(&mut self) -> Result<Answer<'_>> {
        self.answer.clear();
        let (status, from, length) = loop {
            if self.stream.read_buf(&mut self.answer).await? == 0 {
                bail!("the connection was closed before the answer");
            }
            if let Some(head) = head(&self.answer)? {
                break head;
            }
        };
        while self.answer.len() < from + length {
            ensure!(self.stream.read_buf(&mut self.answer).await? > 0, "the answer broke off");
        }
        Ok(Answer { status, body: &self.answer[from..from + length] })
    }
}

/// Status, where the body begins, and its length; nothing while the head is not whole.
fn head(answer: &[u8]) -> Result<Option<(u16, usize, usize)>> {
    let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
    let text = std::str::from_utf8(&answer[..end]).context("the head of an answer is no text")?;
    let mut lines = text.split("\r\n");
    let status =
        lines.next().and_then(|line| line.split(' ').nth(1)).context("an answer without a status")?;
    let length = lines.filter_map(|line| line.split_once(':'));
    let length = length.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length = length.map(|(_, value)| value.trim().parse()).next().transpose()?;
    Ok(Some((status.parse()?, end + 4, length.unwrap_or(0))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_heads_when_they_are_whole() {
        assert_eq!(head(b"HTTP/1.1 204 No Content\r\n").unwrap(), None);
        assert_eq!(head(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap(), Some((204, 27, 0)));
        let whole = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc";
        assert_eq!(head(whole).unwrap(), Some((200, 38, 3)));
        assert!(head(b"HTTP/1.1\r\n\r\n").is_err());
    }
}
