//! Calls of an app's own gRPC services: whatever path is none of Dapr's goes, with its streams, to the app that
//! metadata names.

use std::net::IpAddr;

use floodway_blocks::invoke::Body;
use http::header::HeaderValue;
use http::uri::PathAndQuery;
use http::{Request, Response, StatusCode, Uri};
use hyper::body::Incoming;
use tonic::Status;

use crate::invoke::{self, APP_ID, CALLEE};
use crate::server::{API_TOKEN, Api};

/// What SDKs look for where a method is not there.
const FAILED: &str = "failed to proxy request";

pub(super) async fn call(
    api: &Api,
    request: Request<Incoming>,
    peer: IpAddr,
) -> Result<Response<Body>, Status> {
    let named = |name| request.headers().get(name).and_then(|app: &HeaderValue| app.to_str().ok());
    let app = named(CALLEE).or_else(|| named(APP_ID)).filter(|app| !app.is_empty());
    let Some(app) = app.map(str::to_owned) else {
        let why = "required metadata dapr-callee-app-id or dapr-app-id not found";
        return Err(Status::unknown(format!("{FAILED}: {why}")));
    };
    let (mut head, body) = request.into_parts();
    head.uri = head.uri.path_and_query().cloned().map_or_else(root, Uri::from);
    head.headers.remove(API_TOKEN);
    let response = invoke::call(api, &app, Request::from_parts(head, Body::new(body)), peer).await;
    response.map_err(|error| match error.status {
        StatusCode::FORBIDDEN => error.into(),
        _ => Status::unavailable(format!("{FAILED}: {}", error.message)),
    })
}

fn root() -> Uri {
    Uri::from(PathAndQuery::from_static("/"))
}
