//! Upgraded connections (WebSocket and others): bytes both ways until one side ends or the client's side
//! stands still. To limits and drains each still is the connection it was.

use http::Response;
use http::header::{CONNECTION, HeaderValue, UPGRADE};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

use crate::body::ResponseBody;
use crate::connection::Watched;
use crate::head;
use crate::perform::Relay;

/// The service's side of an upgraded connection.
pub(crate) struct Tunnel {
    service: OnUpgrade,
    /// The request is in flight on its endpoint as long as the tunnel is open.
    _relay: Relay,
}

/// Takes a 101 apart: what the client is told, and what follows it.
pub(crate) fn open(mut response: Response<Relay>) -> (Response<ResponseBody>, Tunnel) {
    let service = hyper::upgrade::on(&mut response);
    let (mut parts, relay) = response.into_parts();
    let protocol = parts.headers.get(UPGRADE).cloned();
    head::strip_hop_by_hop(&mut parts.headers);
    parts.headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    if let Some(protocol) = protocol {
        parts.headers.insert(UPGRADE, protocol);
    }
    (Response::from_parts(parts, ResponseBody::Own(None)), Tunnel { service, _relay: relay })
}

impl Tunnel {
    /// Passes bytes on until one side ends.
    pub(crate) async fn join(self: Box<Self>, mut client: Watched) {
        let service = match self.service.await {
            Ok(service) => service,
            Err(error) => return tracing::debug!(%error, "an upgrade did not come about"),
        };
        if let Err(error) = tokio::io::copy_bidirectional(&mut client, &mut TokioIo::new(service)).await {
            tracing::debug!(%error, "an upgraded connection broke");
        }
    }
}
