//! One request on a connection of its own, with TLS where the URL asks for it.

use std::io;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::header::{HOST, HeaderValue};
use http::{Request, Response, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Sends requests.
#[derive(Default)]
pub(super) struct Client {
    /// Made when it is first needed: the system's authorities are many.
    tls: OnceLock<Arc<ClientConfig>>,
}

/// Where a URL leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    host: String,
    port: u16,
    is_tls: bool,
}

/// Reads a URL.
pub(super) fn target(uri: &Uri) -> Result<Target, String> {
    let is_tls = match uri.scheme_str() {
        Some("http") => false,
        Some("https") => true,
        _ => return Err("it begins with neither `http:` nor `https:`".to_owned()),
    };
    let host = uri.host().filter(|host| !host.is_empty()).ok_or("it names no host")?;
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    Ok(Target { host, port: uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 }), is_tls })
}

impl Client {
    /// Sends a request and reads its answer, up to `most` bytes.
    pub(super) async fn send(&self, request: Request<Bytes>, most: usize) -> io::Result<Response<Bytes>> {
        let target = target(request.uri()).map_err(io::Error::other)?;
        let stream = TcpStream::connect((target.host.as_str(), target.port)).await?;
        stream.set_nodelay(true)?;
        if !target.is_tls {
            return exchange(stream, request, most).await;
        }
        let name = ServerName::try_from(target.host).map_err(io::Error::other)?;
        let config = self.tls.get_or_init(config);
        let stream = TlsConnector::from(Arc::clone(config)).connect(name, stream).await?;
        exchange(stream, request, most).await
    }
}

/// Trusts the authorities that the system trusts.
fn config() -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "an authority of the system cannot be read");
    }
    let (added, ignored) = roots.add_parsable_certificates(found.certs);
    tracing::debug!(added, ignored, "authorities of the system");
    Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
}

async fn exchange<S>(stream: S, request: Request<Bytes>, most: usize) -> io::Result<Response<Bytes>>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    let whole = async move {
        let (mut head, body) = request.into_parts();
        let host = head.uri.authority().map_or("", |authority| authority.as_str());
        let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
        head.headers.insert(HOST, HeaderValue::from_str(host).map_err(io::Error::other)?);
        // A server takes path and query only.
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        head.uri = path.parse().map_err(io::Error::other)?;
        let response = sender.send_request(Request::from_parts(head, Full::new(body))).await;
        let (head, body) = response.map_err(io::Error::other)?.into_parts();
        let body = Limited::new(body, most).collect().await.map_err(io::Error::other)?;
        Ok(Response::from_parts(head, body.to_bytes()))
    };
    // With its sender the connection ends; how it does no longer matters.
    let (answer, ended) = tokio::join!(whole, connection);
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection of a binding broke");
    }
    answer
}
