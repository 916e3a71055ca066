use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use floodway_kit::Upstream;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::support::{gateway, raw_server, read_head, write};

/// Sends requests side by side on one HTTP/2 connection; their statuses and bodies.
pub(crate) fn send(address: SocketAddr, requests: Vec<Request<Full<Bytes>>>) -> Vec<(StatusCode, Bytes)> {
    exchange(address, requests).into_iter().map(|(head, body)| (head.status, body)).collect()
}

/// The same, with the whole heads of the answers.
pub(crate) fn exchange(
    address: SocketAddr,
    requests: Vec<Request<Full<Bytes>>>,
) -> Vec<(http::response::Parts, Bytes)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let stream = TcpStream::connect(address).await.expect("somebody listens");
        let (sender, connection) =
            http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("HTTP/2");
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            connection.await.expect("a whole connection");
            None
        });
        for (index, request) in requests.into_iter().enumerate() {
            let mut sender = sender.clone();
            tasks.spawn(async move {
                let response = sender.send_request(request).await.expect("an answer");
                let (head, body) = response.into_parts();
                Some((index, head, body.collect().await.expect("a body").to_bytes()))
            });
        }
        drop(sender);
        let mut answers: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
        answers.sort_by_key(|(index, ..)| *index);
        answers.into_iter().map(|(_, head, body)| (head, body)).collect()
    })
}

/// Sends one, which may not be answered whole.
pub(crate) fn try_send(
    address: SocketAddr,
    request: Request<Full<Bytes>>,
) -> Result<(StatusCode, Bytes), hyper::Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let stream = TcpStream::connect(address).await.expect("somebody listens");
        let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
        let mut tasks = JoinSet::new();
        tasks.spawn(connection);
        let (head, body) = sender.send_request(request).await?.into_parts();
        Ok((head.status, body.collect().await?.to_bytes()))
    })
}

pub(crate) fn request(
    method: &str,
    address: SocketAddr,
    path: &str,
    body: &'static str,
) -> Request<Full<Bytes>> {
    let builder = Request::builder().method(method).uri(format!("http://{address}{path}"));
    builder.body(Full::new(Bytes::from_static(body.as_bytes()))).expect("a request")
}

#[test]
fn http2_streams_reach_http1_services() {
    let server = Upstream::start(|seen| floodway_kit::Reply::now(200, seen.body.clone()));
    let gateway = gateway(&[server.address()]);
    let address = gateway.address();
    let requests = (0..50).map(|_| request("POST", address, "/x?y", "hello")).collect();
    let answers = send(address, requests);
    assert_eq!(answers.len(), 50);
    assert!(answers.iter().all(|answer| *answer == (StatusCode::OK, Bytes::from_static(b"hello"))));
    let seen = &server.seen()[0];
    assert_eq!(seen.header("host"), Some(address.to_string().as_str()));
    assert_eq!(seen.head.uri, "/x?y");
    assert_eq!(gateway.counts().connections, 1);
}

#[test]
fn problems_reach_http2_clients_too() {
    let gateway =
        crate::support::builder().service(&[floodway_kit::free_address()]).route("/there/*", &[], 0).start();
    let address = gateway.address();
    let answers =
        send(address, vec![request("GET", address, "/", ""), request("GET", address, "/there/", "")]);
    let statuses: Vec<_> = answers.iter().map(|(status, _)| status.as_u16()).collect();
    assert_eq!(statuses, [404, 502]);
}

/// Between two requests an HTTP/2 client still sends: acknowledgements, window updates. They are no slow
/// head, and neither are those that come while an answer streams.
#[test]
fn a_long_answer_and_a_pause_outlive_the_time_for_a_head() {
    let head_time = Duration::from_millis(200);
    let server = raw_server(|mut stream| {
        while !read_head(&mut stream).is_empty() {
            write(&mut stream, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
            for _ in 0..8 {
                write(&mut stream, &format!("186a0\r\n{}\r\n", "x".repeat(100_000)));
                floodway_kit::pause_until(Instant::now() + Duration::from_millis(100));
            }
            write(&mut stream, "0\r\n\r\n");
        }
    });
    let gateway = crate::support::builder()
        .service(&[server])
        .route("/*", &[], 0)
        .limits(|limits| limits.header_timeout = head_time)
        .start();
    let address = gateway.address();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let stream = TcpStream::connect(address).await.expect("somebody listens");
        let (mut sender, connection) =
            http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("HTTP/2");
        let mut tasks = JoinSet::new();
        tasks.spawn(connection);
        for _ in 0..2 {
            let answer = sender.send_request(request("GET", address, "/", "")).await.expect("an answer");
            let body = answer.into_body().collect().await.expect("the whole body").to_bytes();
            assert_eq!(body.len(), 800_000);
            let pause = move || floodway_kit::pause_until(Instant::now() + head_time * 4);
            tokio::task::spawn_blocking(pause).await.expect("a pause");
        }
    });
}

/// RFC 9113 §8.2.3: a cookie may come in crumbs, which no HTTP/1.1 server expects.
#[test]
fn cookies_in_crumbs_reach_the_service_as_one() {
    let server = Upstream::always(200, "x");
    let gateway = gateway(&[server.address()]);
    let mut crumbs = request("GET", gateway.address(), "/", "");
    for crumb in ["a=1", "b=2"] {
        crumbs.headers_mut().append("cookie", crumb.parse().expect("a value"));
    }
    send(gateway.address(), vec![crumbs]);
    let cookies: Vec<_> = server.seen()[0].head.headers.get_all("cookie").iter().cloned().collect();
    assert_eq!(cookies, ["a=1; b=2"]);
}
