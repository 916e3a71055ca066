//! Calls to other services, in the three ways SDKs address them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use floodway_blocks::invoke::{Body, InvokeError};
use http::header::{
    AUTHORIZATION, CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue, TE, TRANSFER_ENCODING, UPGRADE,
};
use http::uri::PathAndQuery;
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::Limited;
use hyper::body::Incoming;
use percent_encoding::percent_decode_str;

use crate::error::ApiError;
use crate::server::{API_TOKEN, Api};

const APP_ID: HeaderName = HeaderName::from_static("dapr-app-id");
const CALLER: HeaderName = HeaderName::from_static("dapr-caller-app-id");
const CALLER_NAMESPACE: HeaderName = HeaderName::from_static("dapr-caller-namespace");
const CALLEE: HeaderName = HeaderName::from_static("dapr-callee-app-id");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");
const LOOPBACK: HeaderValue = HeaderValue::from_static("127.0.0.1");

const FAILED: &str = "ERR_DIRECT_INVOKE";
const PATH_PREFIX: &str = "/v1.0/invoke/";

/// The app that headers name: `dapr-app-id`, or the password of basic authorization for that user.
pub(crate) fn target_by_header(headers: &HeaderMap) -> Option<String> {
    if let Some(app) = headers.get(APP_ID) {
        return app.to_str().ok().map(str::to_owned);
    }
    let basic = headers.get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Basic ")?;
    let decoded = String::from_utf8(STANDARD.decode(basic).ok()?).ok()?;
    decoded.strip_prefix("dapr-app-id:").map(str::to_owned)
}

/// The app and the method path of `/v1.0/invoke/{app}/method/{path}`; the path as it was written.
pub(crate) fn target_by_path(path: &str) -> Result<Option<(String, String)>, ApiError> {
    let Some(rest) = path.strip_prefix(PATH_PREFIX) else { return Ok(None) };
    let Some((app, method)) = rest.split_once("/method") else { return Ok(None) };
    if !(method.is_empty() || method.starts_with('/')) {
        return Ok(None);
    }
    let app = percent_decode_str(app).decode_utf8();
    let app = app.map_err(|error| ApiError::malformed(format!("the app id is no UTF-8: {error}")))?;
    Ok(Some((app.into_owned(), method.to_owned())))
}

/// The answer to a request that neither is a route nor names an app.
pub(crate) fn no_target() -> ApiError {
    ApiError::new(
        StatusCode::NOT_FOUND,
        FAILED,
        "failed getting app id either from the URL path or the header dapr-app-id",
    )
}

/// Sends a request on to a replica of the app; its answer passes through, whatever its status.
pub(crate) async fn invoke(
    api: &Api,
    target: &str,
    method_path: Option<String>,
    request: Request<Incoming>,
) -> Result<Response<Body>, ApiError> {
    // `app.namespace` names the app too: a node has one namespace.
    let app = if api.invoke.knows(target) { target } else { target.split('.').next().unwrap_or_default() };
    if request.method() == Method::CONNECT {
        return Err(ApiError::new(StatusCode::NOT_IMPLEMENTED, FAILED, "CONNECT is not a call"));
    }
    let (mut head, body) = request.into_parts();
    head.uri = callee_uri(method_path, &head.uri)?;
    say_who_calls(&mut head.headers, &api.caller.app, app)?;
    let body = Body::new(Limited::new(body, api.options.body_max));
    let called = api.invoke.invoke(app, Request::from_parts(head, body)).await;
    let mut response = called.map_err(|error| failed(target, &error))?;
    strip_hop_by_hop(response.headers_mut());
    Ok(response)
}

fn failed(target: &str, error: &InvokeError) -> ApiError {
    let message = format!("failed to invoke, id: {target}, err: {error}");
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, FAILED, message)
}

/// The method path cleaned of empty, `.` and `..` segments, with the query.
fn callee_uri(method_path: Option<String>, uri: &Uri) -> Result<Uri, ApiError> {
    let path = method_path.unwrap_or_else(|| uri.path().to_owned());
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment.replace("%2e", ".").replace("%2E", ".").as_str() {
            "" | "." => {}
            ".." => drop(segments.pop()),
            _ => segments.push(segment),
        }
    }
    let mut clean = format!("/{}", segments.join("/"));
    if path.ends_with('/') && clean.len() > 1 {
        clean.push('/');
    }
    if let Some(query) = uri.query() {
        clean.push('?');
        clean.push_str(query);
    }
    let parsed: Result<PathAndQuery, _> = clean.parse();
    parsed.map(Uri::from).map_err(|error| ApiError::malformed(format!("the method path is no path: {error}")))
}

/// A caller's own values of these headers do not count.
fn say_who_calls(headers: &mut HeaderMap, caller: &str, app: &str) -> Result<(), ApiError> {
    strip_hop_by_hop(headers);
    let host = headers.remove(HOST);
    for name in [APP_ID, API_TOKEN, CALLER, CALLER_NAMESPACE, CALLEE] {
        headers.remove(name);
    }
    let named = |name: &str| {
        HeaderValue::from_str(name)
            .map_err(|error| ApiError::malformed(format!("no app is named so: {error}")))
    };
    headers.insert(HOST, named(app)?);
    headers.insert(CALLER, named(caller)?);
    headers.insert(CALLEE, named(app)?);
    headers.insert(FORWARDED_FOR, LOOPBACK);
    if let Some(host) = host {
        headers.insert(FORWARDED_HOST, host);
    }
    Ok(())
}

fn strip_hop_by_hop(headers: &mut HeaderMap) {
    if let Some(connection) = headers.remove(CONNECTION) {
        for name in connection.to_str().unwrap_or_default().split(',').map(str::trim) {
            headers.remove(name);
        }
    }
    for name in [KEEP_ALIVE, PROXY_CONNECTION, TE, TRANSFER_ENCODING, UPGRADE, HTTP2_SETTINGS] {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_target_from_the_path() {
        let target = |path| target_by_path(path).expect("plain");
        assert_eq!(target("/v1.0/invoke/a/method/x/y"), Some(("a".to_owned(), "/x/y".to_owned())));
        assert_eq!(target("/v1.0/invoke/a%2Eb/method"), Some(("a.b".to_owned(), String::new())));
        assert_eq!(target("/v1.0/invoke/a/methods/x"), None);
        assert_eq!(target("/v1.0/state/a"), None);
    }

    #[test]
    fn reads_the_target_from_headers() {
        let header = |name: HeaderName, value: &'static str| {
            target_by_header(&HeaderMap::from_iter([(name, HeaderValue::from_static(value))]))
        };
        assert_eq!(header(APP_ID, "a").as_deref(), Some("a"));
        assert_eq!(header(AUTHORIZATION, "Basic ZGFwci1hcHAtaWQ6Yg==").as_deref(), Some("b"));
        assert_eq!(header(AUTHORIZATION, "Basic eDp5"), None);
    }

    #[test]
    fn cleans_the_method_path_and_keeps_the_query() {
        let clean = |path: &str, uri: &'static str| {
            callee_uri(Some(path.to_owned()), &Uri::from_static(uri)).expect("a path").to_string()
        };
        assert_eq!(clean("/a/./b/../c", "/x?q=1"), "/a/c?q=1");
        assert_eq!(clean("/../../etc", "/x"), "/etc");
        assert_eq!(clean("/a/%2e%2e/b/", "/x"), "/b/");
        assert_eq!(clean("", "/x"), "/");
    }
}
