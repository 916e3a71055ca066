//! One HTTP/1.1 connection, driven by the task that uses it.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// A connection. Dropping it closes it.
#[derive(Debug)]
pub(crate) struct Link {
    sender: SendRequest<Full<Bytes>>,
    /// `None` once it is closed.
    conn: Option<Conn>,
}

type Conn = Pin<Box<Connection<TokioIo<TcpStream>, Full<Bytes>>>>;

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The wait that it asks for in seconds; a date counts as none.
    pub(crate) retry_after: Option<Duration>,
    /// The start of its body, as far as it was wanted.
    pub(crate) body: Vec<u8>,
}

/// What became of a request on a link.
#[derive(Debug)]
pub(crate) enum Sent {
    /// It was answered; the link comes back if it can be used again.
    Answered(Answer, Option<Link>),
    /// The link was closed before it took any of it.
    Unsent(Box<Request<Full<Bytes>>>),
    /// The link broke on the way.
    Broken(hyper::Error),
}

/// Longest body that is read to its end; a link is closed rather than read on.
const BODY_BYTES_MAX: usize = 16 << 20;

// === impl Link ===

impl Link {
    /// Connects. Cancel safe.
    pub(crate) async fn connect(target: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(target).await?;
        stream.set_nodelay(true)?;
        let (sender, conn) = http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        Ok(Self { sender, conn: Some(Box::pin(conn)) })
    }

    /// Sends a request and reads its answer, of whose body at most `keep_bytes` are kept. Dropping the
    /// future closes the link.
    pub(crate) async fn send(mut self, request: Request<Full<Bytes>>, keep_bytes: usize) -> Sent {
        let sender = &mut self.sender;
        let exchange = async {
            if sender.ready().await.is_err() {
                return Exchange::Unsent(Box::new(request));
            }
            match sender.try_send_request(request).await {
                Ok(response) => match read(response, keep_bytes).await {
                    Ok((answer, is_whole)) => Exchange::Answered(answer, is_whole),
                    Err(error) => Exchange::Broken(error),
                },
                Err(mut failed) => match failed.take_message() {
                    Some(request) => Exchange::Unsent(Box::new(request)),
                    None => Exchange::Broken(failed.into_error()),
                },
            }
        };
        let exchange = driven(&mut self.conn, exchange).await;
        match exchange {
            Exchange::Answered(answer, is_whole) => {
                Sent::Answered(answer, (self.conn.is_some() && is_whole).then_some(self))
            }
            Exchange::Unsent(request) => Sent::Unsent(request),
            Exchange::Broken(error) => Sent::Broken(error),
        }
    }

    /// Keeps the link open while something else is waited for; gives it back unless it was closed.
    pub(crate) async fn idle<T>(mut self, wait: impl Future<Output = T>) -> (T, Option<Self>) {
        let out = driven(&mut self.conn, wait).await;
        (out, self.conn.is_some().then_some(self))
    }
}

/// As [`Sent`], but without the link.
enum Exchange {
    Answered(Answer, bool),
    Unsent(Box<Request<Full<Bytes>>>),
    Broken(hyper::Error),
}

/// Polls a connection along with work that waits for it. Once it is closed it is dropped, which is how
/// the work hears of it.
async fn driven<T>(conn: &mut Option<Conn>, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    poll_fn(|cx| {
        if let Poll::Ready(out) = work.as_mut().poll(cx) {
            return Poll::Ready(out);
        }
        if let Some(open) = conn
            && open.as_mut().poll(cx).is_ready()
        {
            *conn = None;
        }
        work.as_mut().poll(cx)
    })
    .await
}

/// Reads an answer; says whether it was read to its end.
async fn read(response: Response<Incoming>, keep_bytes: usize) -> hyper::Result<(Answer, bool)> {
    let (head, mut incoming) = response.into_parts();
    let mut body = Vec::new();
    let mut length = 0_usize;
    while let Some(frame) = incoming.frame().await {
        if let Some(data) = frame?.data_ref() {
            let wanted = data.len().min(keep_bytes - body.len());
            body.extend_from_slice(data.get(..wanted).unwrap_or_default());
            length = length.saturating_add(data.len());
        }
        if length > BODY_BYTES_MAX {
            break;
        }
    }
    let retry_after = retry_after(&head.headers);
    let answer = Answer { status: head.status.as_u16(), retry_after, body };
    Ok((answer, length <= BODY_BYTES_MAX))
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread;
    use tokio::time::sleep;

    #[tokio::test]
    async fn a_request_comes_back_from_a_link_that_was_closed_before_it() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let target = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            assert!(stream.read(&mut [0; 1_024]).unwrap() > 0);
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
            thread::sleep(Duration::from_millis(50));
        });
        let request = || Request::get("/").body(Full::default()).unwrap();
        let Sent::Answered(answer, Some(link)) =
            Link::connect(target).await.unwrap().send(request(), 0).await
        else {
            panic!("the server answers and keeps the connection for a while");
        };
        assert_eq!(answer.status, 200);
        server.join().unwrap();
        // Lets the runtime hear of the end, which the link has not been told yet.
        sleep(Duration::from_millis(1)).await;
        assert!(matches!(link.send(request(), 0).await, Sent::Unsent(_)));
    }

    #[test]
    fn reads_how_long_to_stay_away() {
        let asked = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::RETRY_AFTER, value.parse().unwrap());
            retry_after(&headers)
        };
        assert_eq!(asked("2"), Some(Duration::from_secs(2)));
        assert_eq!(asked("Mon, 23 Nov 2026 10:00:00 GMT"), None);
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }
}
