//! An HTTP/1.1 client for tests: plain sockets, so that a test can also send what no client would.
//!
//! It blocks; in a test on an async runtime, run it with `spawn_blocking`.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::eventually_blocking;

/// How long any read or write of a test may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// As in `200`.
    pub status: u16,
    /// In order of arrival, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The whole body, chunks joined.
    pub body: Vec<u8>,
}

impl Answer {
    /// The first value of a header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A connection that stays open between requests, as far as the server lets it.
#[derive(Debug)]
pub struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    /// Connects to a server.
    ///
    /// # Errors
    /// When nobody listens there.
    pub fn to(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// Sends these bytes as they are.
    ///
    /// # Errors
    /// When the server does not take them.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// Reads one answer after all interim ones, by its length, its chunks, or until the server closes. `to_head`: the request was
    /// a HEAD, so no body follows.
    ///
    /// # Errors
    /// When the connection ends early or what comes is no HTTP.
    pub fn read_answer(&mut self, to_head: bool) -> io::Result<Answer> {
        let (status, headers) = loop {
            let (status, headers) = self.head()?;
            if status == 101 || status >= 200 {
                break (status, headers);
            }
        };
        let mut answer = Answer { status, headers, body: Vec::new() };
        if !(to_head || status < 200 || status == 204 || status == 304) {
            answer.body = self.body(&answer)?;
        }
        Ok(answer)
    }

    /// Whatever comes until the server closes.
    ///
    /// # Errors
    /// When the server keeps the connection open longer than a test should take.
    pub fn read_to_end(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.stream.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Reads one interim answer (RFC 9110 §15.2), or the head of another; its status.
    ///
    /// # Errors
    /// When the connection ends early or what comes is no HTTP.
    pub fn read_interim(&mut self) -> io::Result<u16> {
        self.head().map(|(status, _)| status)
    }

    fn head(&mut self) -> io::Result<(u16, Vec<(String, String)>)> {
        let line = self.line()?;
        let status =
            line.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or_else(|| broken(&line))?;
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Ok((status, headers));
            }
            let (name, value) = line.split_once(':').ok_or_else(|| broken(&line))?;
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }

    fn body(&mut self, answer: &Answer) -> io::Result<Vec<u8>> {
        if answer.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
            return self.chunks();
        }
        match answer.header("content-length") {
            Some(length) => self.exactly(length.parse().map_err(io::Error::other)?),
            None => self.read_to_end(),
        }
    }

    fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.line()?;
            let size = line.split(';').next().unwrap_or_default();
            let size = usize::from_str_radix(size.trim(), 16).map_err(io::Error::other)?;
            if size == 0 {
                while !self.line()?.is_empty() {}
                return Ok(body);
            }
            body.extend(self.exactly(size)?);
            self.line()?;
        }
    }

    fn exactly(&mut self, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        if self.stream.read_until(b'\n', &mut line)? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        Ok(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned())
    }
}

fn broken(line: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("`{line}` is not HTTP/1.1"))
}

/// One request on a connection of its own. The body's length and the host are added.
///
/// # Errors
/// As for [`Connection`].
pub fn send(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<Answer> {
    let fields: String = headers.iter().flat_map(|(name, value)| [*name, ": ", *value, "\r\n"]).collect();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n{fields}content-length: {}\r\n\r\n",
        body.len()
    );
    let mut connection = Connection::to(address)?;
    connection.write(&[head.as_bytes(), body].concat())?;
    connection.read_answer(method == "HEAD")
}

/// A GET on a connection of its own.
///
/// # Errors
/// As for [`Connection`].
pub fn get(address: SocketAddr, path: &str) -> io::Result<Answer> {
    send(address, "GET", path, &[], &[])
}

/// Sends these bytes as they are and gives back whatever comes until the server closes.
///
/// # Errors
/// As for [`Connection`].
pub fn raw(address: SocketAddr, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut connection = Connection::to(address)?;
    connection.write(bytes)?;
    connection.read_to_end()
}

/// Waits until a port takes connections; panics when it does not within `deadline`.
pub fn wait_port(address: SocketAddr, deadline: Duration) {
    eventually_blocking(deadline, &format!("{address} takes connections"), || {
        TcpStream::connect_timeout(&address, Duration::from_millis(200)).is_ok()
    });
}

/// Waits until a GET is answered with 200; panics when it is not within `deadline`.
pub fn wait_ok(address: SocketAddr, path: &str, deadline: Duration) {
    eventually_blocking(deadline, &format!("{address}{path} answers 200"), || {
        get(address, path).is_ok_and(|answer| answer.status == 200)
    });
}
