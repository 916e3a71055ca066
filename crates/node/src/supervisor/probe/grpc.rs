//! The gRPC health checking protocol
//! (<https://github.com/grpc/grpc/blob/master/doc/health-checking.md>): one unary call on one connection.

use std::error::Error;
use std::io;
use std::net::SocketAddr;

use bytes::{BufMut, Bytes, BytesMut};
use http::header::{CONTENT_TYPE, TE, USER_AGENT};
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use tokio::io::{AsyncRead, AsyncWrite};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use super::driven;

/// A message has a byte that says whether it is compressed, and four of its length.
const PREFIX: usize = 5;
/// An answer is a few bytes.
const ANSWER_MAX: usize = 64 << 10;

/// Succeeds where the service is SERVING.
pub(super) async fn check(
    service: &str,
    address: SocketAddr,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> io::Result<()> {
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.map_err(io::Error::other)?;
    let request = Request::post(format!("http://{address}/grpc.health.v1.Health/Check"))
        .header(CONTENT_TYPE, "application/grpc")
        .header(TE, "trailers")
        .header(USER_AGENT, "floodway-probe")
        .body(Full::new(framed(&HealthCheckRequest { service: service.to_owned() })))
        .map_err(io::Error::other)?;
    let exchange = async {
        let (head, body) = sender.send_request(request).await?.into_parts();
        Ok::<_, Box<dyn Error + Send + Sync>>((head, Limited::new(body, ANSWER_MAX).collect().await?))
    };
    let (head, body) = driven(exchange, connection).await?;
    if !head.status.is_success() {
        return Err(io::Error::other(format!("answered {}", head.status)));
    }
    let trailers = body.trailers().cloned().unwrap_or_default();
    // An answer without a message has its status in the head.
    let status = status_of(&trailers)
        .or_else(|| status_of(&head.headers))
        .unwrap_or_else(|| Err("answered no status".into()));
    status.map_err(io::Error::other)?;
    let message = body.to_bytes();
    let response = message.get(PREFIX..).map(HealthCheckResponse::decode);
    let response = response.ok_or_else(|| io::Error::other("answered without a message"))?;
    match response.map_err(io::Error::other)?.status() {
        ServingStatus::Serving => Ok(()),
        status => Err(io::Error::other(format!("is {}", status.as_str_name()))),
    }
}

fn framed(message: &impl Message) -> Bytes {
    let mut frame = BytesMut::with_capacity(PREFIX + message.encoded_len());
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.encoded_len()).unwrap_or(u32::MAX));
    frame.put_slice(&message.encode_to_vec());
    frame.freeze()
}

/// What `grpc-status` says, where there is one.
fn status_of(headers: &HeaderMap) -> Option<Result<(), String>> {
    let status = headers.get("grpc-status")?;
    if status == "0" {
        return Some(Ok(()));
    }
    let message = headers.get("grpc-message").and_then(|message| message.to_str().ok()).unwrap_or_default();
    Some(Err(format!("answered gRPC status {} {message}", status.to_str().unwrap_or_default())))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use floodway_policy::snapshot::Protocol;
    use floodway_system::Probe;
    use tokio::net::TcpListener;
    use tonic::transport::Server;
    use tonic::transport::server::TcpIncoming;
    use tonic_health::ServingStatus as Serving;

    use crate::supervisor::probe::{Asked, probe};

    async fn why_not(address: std::net::SocketAddr, service: &str) -> Option<String> {
        let asked = Asked { probe: &Probe::Grpc(service.into()), protocol: Protocol::Http2, tls: None };
        probe(asked, address, Duration::from_secs(5)).await.err().map(|error| error.to_string())
    }

    #[tokio::test]
    async fn only_a_service_that_serves_is_well() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (reporter, service) = tonic_health::server::health_reporter();
        reporter.set_service_status("shop.Orders", Serving::Serving).await;
        reporter.set_service_status("shop.Stock", Serving::NotServing).await;
        let serve = Server::builder().add_service(service).serve_with_incoming(TcpIncoming::from(listener));
        let ask = async {
            assert_eq!(why_not(address, "").await, None);
            assert_eq!(why_not(address, "shop.Orders").await, None);
            assert_eq!(why_not(address, "shop.Stock").await.as_deref(), Some("is NOT_SERVING"));
            let unknown = why_not(address, "nobody").await.unwrap();
            assert!(unknown.starts_with("answered gRPC status 5"), "{unknown}");
        };
        tokio::select! {
            ended = serve => ended.unwrap(),
            () = ask => {}
        }
        assert!(why_not(address, "").await.is_some(), "nobody listens any more");
    }

    #[tokio::test]
    async fn what_speaks_something_else_is_not_well() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let close = async {
            loop {
                drop(listener.accept().await.unwrap());
            }
        };
        tokio::select! {
            () = close => {}
            why = why_not(address, "") => assert!(why.is_some()),
        }
    }
}
