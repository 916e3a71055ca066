use std::net::SocketAddr;

use bytes::Bytes;
use floodway_kit::Upstream;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::support::gateway;

/// Sends requests side by side on one HTTP/2 connection; their statuses and bodies.
fn send(address: SocketAddr, requests: Vec<Request<Full<Bytes>>>) -> Vec<(StatusCode, Bytes)> {
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
                Some((index, head.status, body.collect().await.expect("a body").to_bytes()))
            });
        }
        drop(sender);
        let mut answers: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
        answers.sort_by_key(|(index, ..)| *index);
        answers.into_iter().map(|(_, status, body)| (status, body)).collect()
    })
}

fn request(method: &str, address: SocketAddr, path: &str, body: &'static str) -> Request<Full<Bytes>> {
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
