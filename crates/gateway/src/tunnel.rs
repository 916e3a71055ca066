//! Upgraded connections (WebSocket and others): bytes both ways until one side ends or the client's side
//! stands still. To limits and drains each still is the connection it was.

use std::rc::Rc;

use http::Response;
use http::header::{CONNECTION, HeaderValue, UPGRADE};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

use crate::body::ResponseBody;
use crate::connection::{Client, Speaks};
use crate::head;
use crate::perform::Relay;
use crate::worker::Phase;

/// Passes a 101 on and joins the two connections once both sides have switched.
pub(crate) fn open(
    client: &Rc<Client>,
    client_side: OnUpgrade,
    mut response: Response<Relay>,
) -> Response<ResponseBody> {
    let service_side = hyper::upgrade::on(&mut response);
    let (mut parts, relay) = response.into_parts();
    let protocol = parts.headers.get(UPGRADE).cloned();
    head::strip_hop_by_hop(&mut parts.headers);
    parts.headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    if let Some(protocol) = protocol {
        parts.headers.insert(UPGRADE, protocol);
    }
    client.activity.speaks(Speaks::Other);
    let (limits, mut phase) = (client.worker.snapshot.limits, client.worker.phase.clone());
    let open = Rc::clone(client);
    client.worker.tasks.spawn(async move {
        tokio::select! {
            () = join(client_side, service_side) => {}
            () = open.activity.watch(limits) => tracing::debug!("an upgraded connection was idle for too long"),
            _ = phase.wait_for(|phase| *phase == Phase::Stopping) => {}
        }
        // The request is in flight on its endpoint as long as the tunnel is open.
        drop(relay);
    });
    Response::from_parts(parts, ResponseBody::Own(None))
}

async fn join(client_side: OnUpgrade, service_side: OnUpgrade) {
    let (client, service) = match tokio::try_join!(client_side, service_side) {
        Ok(both) => both,
        Err(error) => return tracing::debug!(%error, "an upgrade did not come about"),
    };
    let (mut client, mut service) = (TokioIo::new(client), TokioIo::new(service));
    if let Err(error) = tokio::io::copy_bidirectional(&mut client, &mut service).await {
        tracing::debug!(%error, "an upgraded connection broke");
    }
}
