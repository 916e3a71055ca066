//! An HTTP/1.1 server that answers as it is told and remembers what it was asked.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Its number on this server, from 0.
    pub index: usize,
    /// Whom it came from: requests with the same port came on the same connection.
    pub from: SocketAddr,
    /// Method, path, version and headers.
    pub head: Arc<http::request::Parts>,
    /// The whole body.
    pub body: Bytes,
}

impl Seen {
    /// The first value of a header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// What to answer.
#[derive(Debug, Clone)]
pub enum Reply {
    /// This status and body, after a delay.
    Answer {
        /// As in 200.
        status: u16,
        /// The whole body.
        body: Bytes,
        /// Time from the end of the request.
        after: Duration,
    },
    /// This status, headers and body, after a delay.
    With {
        /// As in 200.
        status: u16,
        /// Names and values.
        headers: Vec<(String, String)>,
        /// The whole body.
        body: Bytes,
        /// Time from the end of the request.
        after: Duration,
    },
    /// Nothing: the connection is closed.
    Drop,
}

impl Reply {
    /// This status and body, at once.
    pub fn now(status: u16, body: impl Into<Bytes>) -> Self {
        Self::Answer { status, body: body.into(), after: Duration::ZERO }
    }

    /// This status, these headers and this body, at once.
    pub fn with(status: u16, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Self {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self::With { status, headers, body: body.into(), after: Duration::ZERO }
    }
}

/// A running server, on a thread and runtime of its own; ends when it is dropped.
#[derive(Debug)]
pub struct Upstream {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

type Script = Arc<dyn Fn(&Seen) -> Reply + Send + Sync>;

impl Upstream {
    /// Starts a server on a free loopback port that asks `script` what to answer.
    pub fn start(script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("loopback has free ports");
        listener.set_nonblocking(true).expect("a socket can be");
        let address = listener.local_addr().expect("a bound listener has an address");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (end, ended) = oneshot::channel();
        let served = Served { script: Arc::new(script), seen: Arc::clone(&seen) };
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                let listener = TcpListener::from_std(listener).expect("it does not block");
                tokio::select! {
                    () = accept(&listener, &served) => {}
                    _ = ended => {}
                }
            });
        });
        Self { address, seen, end: Some(end), thread: Some(thread) }
    }

    /// Starts a server that answers everything with this status and body.
    pub fn always(status: u16, body: &'static str) -> Self {
        Self::start(move |_| Reply::now(status, body))
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The requests until now, in order of arrival.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

#[derive(Clone)]
struct Served {
    script: Script,
    seen: Arc<Mutex<Vec<Seen>>>,
}

async fn accept(listener: &TcpListener, served: &Served) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, from) = accepted.expect("a listening socket accepts");
                drop(connections.spawn(serve(stream, from, served.clone())));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Errors are what clients do to us, or what `Drop` asked for: none is the server's.
async fn serve(stream: TcpStream, from: SocketAddr, served: Served) {
    let service = service_fn(move |request| answer(request, from, served.clone()));
    drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
}

/// The connection is closed because of this.
#[derive(Debug, thiserror::Error)]
enum Dropped {
    #[error("the script says so")]
    Asked,
    #[error("the request ended early")]
    Broken(#[source] hyper::Error),
}

async fn answer(
    request: http::Request<Incoming>,
    from: SocketAddr,
    served: Served,
) -> Result<http::Response<Full<Bytes>>, Dropped> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(Dropped::Broken)?.to_bytes();
    let seen = {
        let mut all = served.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = Seen { index: all.len(), from, head: Arc::new(head), body };
        all.push(seen.clone());
        seen
    };
    let (status, headers, body, after) = match (served.script)(&seen) {
        Reply::Drop => return Err(Dropped::Asked),
        Reply::Answer { status, body, after } => (status, Vec::new(), body, after),
        Reply::With { status, headers, body, after } => (status, headers, body, after),
    };
    tokio::time::sleep(after).await;
    let mut response = http::Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    Ok(response.body(Full::new(body)).expect("the script knows HTTP"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{Connection, get, raw, send};

    #[test]
    fn answers_as_told_and_remembers() {
        let upstream = Upstream::start(|seen| match seen.index {
            0 => Reply::now(201, "made"),
            1 => Reply::Drop,
            _ => Reply::Answer { status: 503, body: Bytes::new(), after: Duration::from_millis(50) },
        });
        let answer = send(upstream.address(), "POST", "/a?b", &[("x-c", "d")], b"body").unwrap();
        assert_eq!((answer.status, answer.text().as_str()), (201, "made"));
        assert!(get(upstream.address(), "/dropped").is_err());
        assert_eq!(get(upstream.address(), "/").unwrap().status, 503);
        let seen = upstream.seen();
        assert_eq!(
            (seen[0].head.uri.path(), seen[0].header("x-c"), &seen[0].body[..]),
            ("/a", Some("d"), &b"body"[..])
        );
        assert_eq!(seen.len(), 3);
    }

    #[test]
    fn a_connection_takes_several_requests_and_odd_ones() {
        let upstream = Upstream::always(200, "yes");
        let mut connection = Connection::to(upstream.address()).unwrap();
        let chunked = b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n";
        for request in [&b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"[..], &chunked[..]] {
            connection.write(request).unwrap();
            assert_eq!(connection.read_answer(false).unwrap().text(), "yes");
        }
        let seen = upstream.seen();
        assert_eq!((&seen[1].body[..], seen[0].from), (&b"ab"[..], seen[1].from));
        assert!(raw(upstream.address(), b"nonsense\r\n\r\n").unwrap().starts_with(b"HTTP/1.1 400"));
    }

    #[test]
    fn ends_when_dropped() {
        let upstream = Upstream::always(200, "");
        let address = upstream.address();
        drop(upstream);
        assert!(get(address, "/").is_err());
    }
}
