//! A client of Redis that costs as little as the one for HTTP: commands out, many at once, and their replies.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A connection.
#[derive(Debug)]
pub(super) struct Redis {
    stream: TcpStream,
    commands: Vec<u8>,
    waiting: u64,
    replies: Vec<u8>,
}

impl Redis {
    pub(super) async fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("cannot reach {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, commands: Vec::new(), waiting: 0, replies: Vec::new() })
    }

    /// Adds a command to those that go out together.
    pub(super) fn add(&mut self, words: &[&[u8]]) {
        self.commands.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
        for word in words {
            self.commands.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
            self.commands.extend_from_slice(word);
            self.commands.extend_from_slice(b"\r\n");
        }
        self.waiting += 1;
    }

    /// Sends what was added and waits for all replies; how many were values. An error among them is an error.
    pub(super) async fn send(&mut self) -> Result<u64> {
        self.stream.write_all(&self.commands).await?;
        self.commands.clear();
        self.replies.clear();
        let (mut at, mut values) = (0, 0);
        while self.waiting > 0 {
            if let Some((length, is_value)) = reply(&self.replies[at..])? {
                at += length;
                values += u64::from(is_value);
                self.waiting -= 1;
            } else {
                let read = self.stream.read_buf(&mut self.replies).await?;
                ensure!(read > 0, "Redis closed the connection");
            }
        }
        Ok(values)
    }
}

/// The length of the first reply, and whether it is a value; nothing while it is not whole.
fn reply(bytes: &[u8]) -> Result<Option<(usize, bool)>> {
    let Some(end) = bytes.windows(2).position(|window| window == b"\r\n") else { return Ok(None) };
    let line = std::str::from_utf8(&bytes[..end]).context("a reply of Redis is no text")?;
    match line.split_at_checked(1) {
        Some(("+" | ":", _) | ("$", "-1")) => Ok(Some((end + 2, false))),
        Some(("$", length)) => {
            let whole = end + 2 + length.parse::<usize>()? + 2;
            Ok((bytes.len() >= whole).then_some((whole, true)))
        }
        _ => bail!("Redis answers: {line}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_replies_when_they_are_whole() {
        assert_eq!(reply(b"+OK").unwrap(), None);
        assert_eq!(reply(b"+OK\r\n+OK\r\n").unwrap(), Some((5, false)));
        assert_eq!(reply(b"$3\r\nab").unwrap(), None);
        assert_eq!(reply(b"$3\r\nabc\r\n").unwrap(), Some((9, true)));
        assert_eq!(reply(b"$-1\r\n").unwrap(), Some((5, false)));
        assert!(reply(b"-ERR no\r\n").is_err());
    }
}
