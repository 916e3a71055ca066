//! Asks a running node.

use std::net::SocketAddr;

use bytes::Bytes;
use floodway_gateway::Purge;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::purge;
use crate::error::NodeError;
use crate::status::NodeStatus;
use crate::supervisor::Then;

/// Bytes of an answer at most.
const ANSWER_MAX: usize = 16 << 20;

/// Where a node's admin API is, and what it wants to see.
#[derive(Debug, Clone)]
pub struct Client {
    /// The address.
    pub address: SocketAddr,
    /// The token, where the node has one.
    pub token: Option<String>,
}

type AnyError = Box<dyn std::error::Error + Send + Sync>;

// === impl Client ===

impl Client {
    /// How the node is.
    pub async fn status(&self) -> Result<NodeStatus, NodeError> {
        let body = self.ask(Method::GET, "/status").await?;
        serde_json::from_slice(&body).map_err(|error| self.silent(&error.to_string()))
    }

    /// Drains a replica, as in `order/0`; returns when that is done.
    pub async fn drain(&self, replica: &str, then: Then) -> Result<(), NodeError> {
        let query = match then {
            Then::StartAgain => "",
            Then::StayOut => "?stop",
        };
        self.ask(Method::POST, &format!("/drain/{replica}{query}")).await.map(drop)
    }

    /// Gives each replica of a service a fresh process, one after the other; returns how many there are.
    pub async fn restart(&self, service: &str) -> Result<u64, NodeError> {
        let body = self.ask(Method::POST, &format!("/restart/{service}")).await?;
        let answer: serde_json::Value =
            serde_json::from_slice(&body).map_err(|error| self.silent(&error.to_string()))?;
        answer["restarted"].as_u64().ok_or_else(|| self.silent("it does not say how many were restarted"))
    }

    /// Has the node read its system file again; returns once that has happened.
    pub async fn reload(&self) -> Result<(), NodeError> {
        self.ask(Method::POST, "/reload").await.map(drop)
    }

    /// Makes the node give its place to the program that lies at its path now. Returns once that accepts
    /// the system file; the change itself follows.
    pub async fn upgrade(&self) -> Result<(), NodeError> {
        self.ask(Method::POST, "/upgrade").await.map(drop)
    }

    /// Takes responses out of the HTTP cache; returns how many.
    pub async fn purge(&self, purge: &Purge) -> Result<u64, NodeError> {
        let body = self.ask(Method::POST, &format!("/purge?{}", purge::query(purge))).await?;
        let answer: serde_json::Value =
            serde_json::from_slice(&body).map_err(|error| self.silent(&error.to_string()))?;
        answer["purged"].as_u64().ok_or_else(|| self.silent("it does not say how many were purged"))
    }

    async fn ask(&self, method: Method, path: &str) -> Result<Bytes, NodeError> {
        let (status, body) =
            self.exchange(method, path).await.map_err(|error| self.silent(&error.to_string()))?;
        if status.is_success() {
            return Ok(body);
        }
        let problem: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        let detail = problem["detail"].as_str().map_or_else(|| status.to_string(), str::to_owned);
        Err(NodeError::Refused { detail })
    }

    async fn exchange(&self, method: Method, path: &str) -> Result<(StatusCode, Bytes), AnyError> {
        let stream = TcpStream::connect(self.address).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let mut request =
            Request::builder().method(method).uri(path).header(header::HOST, self.address.to_string());
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request.body(Empty::<Bytes>::new())?;
        let answer = async {
            let response = sender.send_request(request).await?;
            let status = response.status();
            let body = Limited::new(response.into_body(), ANSWER_MAX).collect().await?.to_bytes();
            Ok((status, body))
        };
        let mut answer = std::pin::pin!(answer);
        tokio::select! {
            biased;
            answer = &mut answer => answer,
            ended = connection => {
                ended?;
                answer.await
            }
        }
    }

    fn silent(&self, detail: &str) -> NodeError {
        NodeError::AdminSilent { address: self.address, detail: detail.to_owned() }
    }
}
