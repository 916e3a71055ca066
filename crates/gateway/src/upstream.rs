//! Connections to endpoints, as the service of each wants them.

use std::io;
use std::net::SocketAddr;

use floodway_policy::snapshot::Protocol;
use floodway_policy::{EndpointId, ServiceId};
use http::header::{CONNECTION, EXPECT, HOST, TRANSFER_ENCODING, UPGRADE};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Request, Uri, Version};
use tokio::net::TcpStream;
use tokio_rustls::TlsStream;

use crate::stream::Stream;
use crate::tls::Back;
use crate::worker::Worker;

impl Worker {
    /// What a service speaks.
    pub(crate) fn protocol(&self, service: ServiceId) -> Protocol {
        let service = self.snapshot.services.get(usize::from(service.0));
        service.map(|service| service.protocol).unwrap_or_default()
    }

    /// How TLS is spoken with a service, if it is.
    pub(crate) fn back(&self, service: ServiceId) -> Option<&Back> {
        self.backs.get(usize::from(service.0))?.as_ref()
    }
}

/// Connects to an endpoint, and shakes hands where its service speaks TLS.
pub(crate) async fn dial(worker: &Worker, endpoint: EndpointId, address: SocketAddr) -> io::Result<Stream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    match worker.back(endpoint.service) {
        None => Ok(stream.into()),
        Some(back) => {
            let stream = back.connect(stream, address.ip()).await?;
            Ok(TlsStream::Client(stream).into())
        }
    }
}

/// Writes a request in the words of HTTP/2 (RFC 9113 §8.2.2, §8.3.1): what HTTP/1.1 says in `Host` becomes
/// the authority, and what was for one connection goes. One that was written so stays as it is.
pub(crate) fn to_http2<B>(request: &mut Request<B>, worker: &Worker, service: ServiceId) {
    *request.version_mut() = Version::HTTP_2;
    for name in [CONNECTION, EXPECT, TRANSFER_ENCODING, UPGRADE] {
        request.headers_mut().remove(name);
    }
    if request.uri().authority().is_some() {
        return;
    }
    let host = request.headers_mut().remove(HOST);
    let authority = host.as_ref().and_then(|host| Authority::try_from(host.as_bytes()).ok());
    // A call without a host goes to the service by its name.
    let own = || {
        let name = worker.snapshot.services.get(usize::from(service.0)).map(|service| service.name.as_str());
        Authority::try_from(name.unwrap_or("service")).expect("a name is an authority")
    };
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(if worker.back(service).is_some() { Scheme::HTTPS } else { Scheme::HTTP });
    parts.authority = Some(authority.unwrap_or_else(own));
    let path = request.uri().path_and_query().cloned();
    parts.path_and_query = Some(path.unwrap_or_else(|| PathAndQuery::from_static("/")));
    *request.uri_mut() = Uri::from_parts(parts).expect("all three parts are there");
}
