//! A service that speaks HTTP/2, or whatever ALPN says, and sends back what it gets.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

use bytes::Bytes;
use http::header::HeaderMap;
use http::{HeaderValue, Request, Response, Version};
use http_body_util::StreamBody;
use hyper::body::{Body, Frame, Incoming};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

/// Ends with its value.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
    _stop: oneshot::Sender<()>,
}

impl Server {
    /// HTTP/2 by prior knowledge.
    pub(crate) fn plain() -> Self {
        Self::start(None, "127.0.0.1:0".parse().expect("an address"))
    }

    pub(crate) fn at(address: SocketAddr) -> Self {
        Self::start(None, address)
    }

    pub(crate) fn tls(config: ServerConfig) -> Self {
        Self::start(Some(config), "127.0.0.1:0".parse().expect("an address"))
    }

    fn start(tls: Option<ServerConfig>, address: SocketAddr) -> Self {
        let (stop, stopped) = oneshot::channel();
        let (bound, is_bound) = mpsc::channel();
        let connections = Arc::<AtomicUsize>::default();
        let counted = Arc::clone(&connections);
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async move {
                let listener = TcpListener::bind(address).await.expect("a free port");
                bound.send(listener.local_addr().expect("an address")).expect("somebody waits");
                tokio::select! {
                    () = serve(listener, tls.map(Arc::new).map(TlsAcceptor::from), counted) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { address: is_bound.recv().expect("it listens"), connections, _stop: stop }
    }

    /// How many were taken.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

async fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, connections: Arc<AtomicUsize>) {
    let mut tasks = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.fetch_add(1, Ordering::SeqCst);
        let tls = tls.clone();
        tasks.spawn(async move {
            let Some(tls) = tls else { return speak(stream, true).await };
            if let Ok(stream) = tls.accept(stream).await {
                let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                speak(stream, is_http2).await;
            }
        });
    }
}

async fn speak(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, is_http2: bool) {
    let (io, echo) = (TokioIo::new(stream), service_fn(echo));
    // However it ends, the client says what it saw.
    if is_http2 {
        drop(http2::Builder::new(TokioExecutor::new()).serve_connection(io, echo).await);
    } else {
        drop(http1::Builder::new().serve_connection(io, echo).await);
    }
}

/// The body comes back as it came, its trailers too, with one more. The head tells what was asked.
async fn echo(
    request: Request<Incoming>,
) -> Result<
    Response<StreamBody<impl futures_util::Stream<Item = Result<Frame<Bytes>, hyper::Error>>>>,
    Infallible,
> {
    let mut head = HeaderMap::new();
    let version = if request.version() == Version::HTTP_2 { "2" } else { "1.1" };
    head.insert("x-version", HeaderValue::from_static(version));
    head.insert("x-uri", request.uri().to_string().parse().expect("a value"));
    let names: Vec<_> = request.headers().keys().map(http::HeaderName::as_str).collect();
    head.insert("x-headers", names.join(" ").parse().expect("a value"));
    let mut body = request.into_body();
    let mut is_over = false;
    let frames = futures_util::stream::poll_fn(move |cx| {
        if is_over {
            return std::task::Poll::Ready(None);
        }
        let frame = std::task::ready!(std::pin::Pin::new(&mut body).poll_frame(cx));
        let mut trailers = match frame {
            Some(Ok(frame)) => match frame.into_trailers() {
                Ok(trailers) => trailers,
                Err(data) => return std::task::Poll::Ready(Some(Ok(data))),
            },
            Some(Err(error)) => return std::task::Poll::Ready(Some(Err(error))),
            None => HeaderMap::new(),
        };
        is_over = true;
        trailers.insert("x-end", HeaderValue::from_static("1"));
        std::task::Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    });
    let mut response = Response::new(StreamBody::new(frames));
    *response.headers_mut() = head;
    Ok(response)
}
