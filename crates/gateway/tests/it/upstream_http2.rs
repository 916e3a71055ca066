pub(crate) mod server;

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use floodway_gateway::{Back, BackOptions, Front, FrontOptions};
use floodway_kit::http as client;
use futures_util::{Stream, stream};
use http::header::HeaderMap;
use http::{HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tonic::Code;
use tonic::transport::Channel;
use tonic_health::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use crate::http2::{request, send};
use crate::support::{Gateway, PATIENCE, builder};
use crate::tls::authority::Authority;
use server::Server;

fn gateway(server: SocketAddr) -> Gateway {
    builder().service(&[server]).http2().route("/*", &[], 0).one_worker().start()
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let bounded = async { tokio::time::timeout(PATIENCE, future).await };
    runtime.block_on(bounded).expect("in time")
}

#[test]
fn many_requests_share_a_connection() {
    let server = Server::plain();
    let gateway = gateway(server.address);
    let requests = (0..60).map(|_| request("POST", gateway.address(), "/x?y", "hello")).collect();
    let answers = send(gateway.address(), requests);
    assert!(answers.iter().all(|answer| *answer == (StatusCode::OK, Bytes::from_static(b"hello"))));
    assert_eq!(answers.len(), 60);
    assert_eq!(server.connections(), 1);
}

#[test]
fn http1_clients_reach_http2_services() {
    let server = Server::plain();
    let gateway = gateway(server.address);
    let headers = [("connection", "x-one"), ("x-one", "1"), ("te", "trailers"), ("x-two", "2")];
    for _ in 0..3 {
        let answer = client::send(gateway.address(), "POST", "/x?y", &headers, b"hello").expect("an answer");
        assert_eq!((answer.status, answer.text().as_str()), (200, "hello"));
        assert_eq!(answer.header("x-version"), Some("2"));
        assert_eq!(answer.header("x-uri"), Some(format!("http://{}/x?y", gateway.address()).as_str()));
        let seen = answer.header("x-headers").expect("names");
        let has = |name: &str| seen.split(' ').any(|seen| seen == name);
        assert!(has("x-two") && has("te") && has("content-length") && has("x-forwarded-for"), "{seen}");
        let connection_own = ["x-one", "host", "connection", "transfer-encoding"];
        assert!(!connection_own.into_iter().any(has), "{seen}");
    }
    let mut chunked = client::Connection::to(gateway.address()).expect("a connection");
    let head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    chunked.write(head).expect("sent");
    assert_eq!(chunked.read_answer(false).expect("an answer").text(), "hello");
    assert_eq!(server.connections(), 1);
}

#[test]
fn an_upgrade_is_not_asked_of_an_http2_service() {
    let server = Server::plain();
    let gateway = gateway(server.address);
    let headers = [("connection", "upgrade"), ("upgrade", "websocket")];
    let answer = client::send(gateway.address(), "GET", "/", &headers, b"").expect("an answer");
    assert_eq!(answer.status, 200);
    assert!(!answer.header("x-headers").expect("names").contains("upgrade"));
}

#[test]
fn a_service_that_came_back_is_reached_again() {
    let address = floodway_kit::free_address();
    let gateway = gateway(address);
    let status = || client::get(gateway.address(), "/").expect("an answer").status;
    assert_eq!(status(), 502);
    for _ in 0..3 {
        let server = Server::at(address);
        assert_eq!(status(), 200);
        drop(server);
        floodway_kit::eventually_blocking(PATIENCE, "it is gone", || {
            std::net::TcpStream::connect(address).is_err()
        });
    }
}

type Frames = mpsc::Receiver<Frame<Bytes>>;

fn frames(mut receiver: Frames) -> StreamBody<impl Stream<Item = Result<Frame<Bytes>, std::io::Error>>> {
    StreamBody::new(stream::poll_fn(move |cx| receiver.poll_recv(cx).map(|frame| frame.map(Ok))))
}

/// Each piece comes back before the next is sent, and the trailers at the end.
#[test]
fn streams_and_trailers_pass_both_ways() {
    let server = Server::plain();
    let gateway = gateway(server.address);
    block_on(async {
        let stream = TcpStream::connect(gateway.address()).await.expect("somebody listens");
        let (mut sender, connection) =
            http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("HTTP/2");
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(connection);
        let (out, receiver) = mpsc::channel(1);
        let request = Request::post(format!("http://{}/", gateway.address())).header("te", "trailers");
        let answer = sender.send_request(request.body(frames(receiver)).expect("a request")).await;
        let mut answer = answer.expect("a head before the body is over");
        assert!(answer.headers()["x-headers"].to_str().expect("text").split(' ').any(|name| name == "te"));
        for piece in ["one", "two", "three"] {
            out.send(Frame::data(Bytes::from_static(piece.as_bytes()))).await.expect("room");
            let back = answer.frame().await.expect("a frame").expect("whole").into_data().expect("data");
            assert_eq!(back, piece);
        }
        let trailers =
            HeaderMap::from_iter([("x-sum".parse().expect("a name"), HeaderValue::from_static("3"))]);
        out.send(Frame::trailers(trailers)).await.expect("room");
        drop(out);
        let end = answer.frame().await.expect("a frame").expect("whole").into_trailers().expect("trailers");
        assert_eq!((end["x-sum"].as_bytes(), end["x-end"].as_bytes()), (&b"3"[..], &b"1"[..]));
        assert!(answer.frame().await.is_none());
    });
    gateway.wait_quiet();
}

#[test]
fn large_bodies_pass_by_flow_control() {
    let server = Server::plain();
    let gateway = gateway(server.address);
    let body: Vec<u8> = (0..6_000_000_u32).map(|place| (place % 251) as u8).collect();
    let back = client::send(gateway.address(), "POST", "/", &[], &body).expect("an answer");
    assert!(back.body == body);
    block_on(async {
        let stream = TcpStream::connect(gateway.address()).await.expect("somebody listens");
        let (mut sender, connection) =
            http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("HTTP/2");
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(connection);
        let request = Request::post(format!("http://{}/", gateway.address()));
        let request = request.body(Full::new(Bytes::from(body.clone()))).expect("a request");
        let answer = sender.send_request(request).await.expect("an answer");
        let back = answer.into_body().collect().await.expect("whole").to_bytes();
        assert!(back == body);
    });
}

// === gRPC, by another's server and client ===

/// A health service of tonic's. Ends with its value.
struct Grpc {
    address: SocketAddr,
    reporter: tonic_health::server::HealthReporter,
    _stop: oneshot::Sender<()>,
}

impl Grpc {
    fn start() -> Self {
        let (reporter, service) = tonic_health::server::health_reporter();
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let address = listener.local_addr().expect("an address");
        listener.set_nonblocking(true).expect("a socket");
        let (stop, stopped) = oneshot::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
                let incoming = tonic::transport::server::TcpIncoming::from(listener);
                let serve = tonic::transport::Server::builder().add_service(service);
                tokio::select! {
                    served = serve.serve_with_incoming(incoming) => served.expect("it serves"),
                    _ = stopped => {}
                }
            });
        });
        Self { address, reporter, _stop: stop }
    }
}

async fn grpc_holds(grpc: &Grpc, channel: Channel) {
    let mut client = HealthClient::new(channel);
    let ask = |service: &str| HealthCheckRequest { service: service.to_owned() };
    grpc.reporter.set_service_status("order", ServingStatus::Serving).await;
    let answer = client.check(ask("order")).await.expect("an answer").into_inner();
    assert_eq!(answer, HealthCheckResponse { status: 1 });
    let refused = client.check(ask("nobody")).await.expect_err("there is no such service");
    assert_eq!(refused.code(), Code::NotFound);
    let mut watched = client.watch(ask("order")).await.expect("a stream").into_inner();
    assert_eq!(watched.message().await.expect("a message").map(|answer| answer.status), Some(1));
    for (status, number) in [(ServingStatus::NotServing, 2), (ServingStatus::Serving, 1)] {
        grpc.reporter.set_service_status("order", status).await;
        assert_eq!(watched.message().await.expect("a message").map(|answer| answer.status), Some(number));
    }
    let mut reporter = grpc.reporter.clone();
    reporter.clear_service_status("order").await;
    assert_eq!(watched.message().await.expect("a clean end"), None);
}

#[test]
fn grpc_passes() {
    let grpc = Grpc::start();
    let gateway = gateway(grpc.address);
    block_on(async {
        let channel = Channel::from_shared(format!("http://{}", gateway.address())).expect("an address");
        grpc_holds(&grpc, channel.connect().await.expect("a connection")).await;
    });
    gateway.wait_quiet();
}

#[test]
fn grpc_passes_by_tls() {
    let (grpc, authority) = (Grpc::start(), Authority::new("authority"));
    let options = FrontOptions { certificates: vec![authority.issue(&["shop.example"])], client: None };
    let front = Front::load(options).expect("good files");
    let gateway = builder()
        .service(&[grpc.address])
        .http2()
        .route("/*", &[], 0)
        .listen(|listen| listen.tls = Some(front))
        .start();
    let (address, dial) = (gateway.address(), authority.dial(None).alpn(&["h2"]));
    block_on(async {
        let connector = tokio_rustls::TlsConnector::from(dial.config());
        let connect = move |_uri| {
            let connector = connector.clone();
            async move {
                let stream = TcpStream::connect(address).await?;
                let stream = connector.connect("shop.example".try_into().expect("a name"), stream).await?;
                Ok::<_, std::io::Error>(TokioIo::new(stream))
            }
        };
        let channel = Channel::from_static("https://shop.example");
        let channel = channel.connect_with_connector(tower::service_fn(connect)).await.expect("a connection");
        grpc_holds(&grpc, channel).await;
    });
}

#[test]
fn a_service_that_cannot_be_reached_is_a_status_for_grpc_clients_too() {
    let gateway = gateway(floodway_kit::free_address());
    block_on(async {
        let channel = Channel::from_shared(format!("http://{}", gateway.address())).expect("an address");
        let channel = channel.timeout(Duration::from_secs(5)).connect().await.expect("a connection");
        let asked = HealthClient::new(channel).check(HealthCheckRequest::default()).await;
        let status = asked.expect_err("there is no service");
        assert_eq!(status.code(), Code::Unavailable);
        assert!(status.message().starts_with("FW-3502"), "{status}");
    });
}

#[test]
fn http2_is_agreed_on_with_a_service_by_tls() {
    let authority = Authority::new("authority");
    let config = |protocols: &[&str]| {
        let mut config = authority.server(&["127.0.0.1"], None);
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        config
    };
    let back = || {
        let ca = Some(authority.file());
        Back::load(BackOptions { ca, name: None, own: None, verify: true, http2: true }).expect("good files")
    };
    for (protocols, status) in [(&["h2", "http/1.1"][..], 200), (&[], 502)] {
        let server = Server::tls(config(protocols));
        let gateway = builder().service(&[server.address]).http2().tls(back()).route("/*", &[], 0).start();
        let answer = client::get(gateway.address(), "/").expect("an answer");
        assert_eq!(answer.status, status);
        if status == 200 {
            assert_eq!(answer.header("x-version"), Some("2"));
            assert_eq!(answer.header("x-uri"), Some(format!("https://{}/", gateway.address()).as_str()));
        }
    }
}
