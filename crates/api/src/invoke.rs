//! Calls to other services, in the three ways SDKs address them.

use std::cell::Cell;
use std::net::IpAddr;
use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use floodway_blocks::invoke::Body;
use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_TYPE, FORWARDED, HOST, HeaderMap, HeaderName, HeaderValue,
    PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::uri::PathAndQuery;
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};
use percent_encoding::percent_decode_str;

use crate::error::ApiError;
use crate::permissions;
use crate::resilience::calls::{self, CallError};
use crate::server::{API_TOKEN, Api, discard};

pub(crate) const APP_ID: HeaderName = HeaderName::from_static("dapr-app-id");
const CALLER: HeaderName = HeaderName::from_static("dapr-caller-app-id");
const CALLER_NAMESPACE: HeaderName = HeaderName::from_static("dapr-caller-namespace");
pub(crate) const CALLEE: HeaderName = HeaderName::from_static("dapr-callee-app-id");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
/// Those that belong to one connection (RFC 9110 §7.6.1), beside the ones that `Connection` names.
const HOP_BY_HOP: [HeaderName; 9] = [
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("http2-settings"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];
/// A node has one namespace; this is Dapr's name for the only one.
const NAMESPACE: HeaderValue = HeaderValue::from_static("default");

const FAILED: &str = "ERR_DIRECT_INVOKE";

/// Whether a path says `/v1.0/invoke/…`, slashes doubled or not.
pub(crate) fn is_named(path: &str) -> bool {
    after(path, "v1.0").and_then(|rest| after(rest, "invoke")).is_some()
}

/// What follows a path's first segment, if that is `word`.
fn after<'a>(path: &'a str, word: &str) -> Option<&'a str> {
    let rest = path.trim_start_matches('/').strip_prefix(word)?;
    rest.starts_with('/').then(|| rest.trim_start_matches('/'))
}

/// The app that a request is for, and the path on it as it was written: by `dapr-app-id`, by basic
/// authorization of that user, or by the path.
fn target(path: &str, headers: &HeaderMap) -> Option<(String, String)> {
    let by_header = target_by_header(headers).map(|app| (app, path.to_owned()));
    by_header.or_else(|| target_by_path(path))
}

fn target_by_header(headers: &HeaderMap) -> Option<String> {
    let named = |app: &str| (!app.is_empty()).then(|| app.to_owned());
    let app = headers.get(APP_ID).and_then(|app| named(app.to_str().ok()?));
    app.or_else(|| {
        let basic = headers.get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Basic ")?;
        let decoded = String::from_utf8(STANDARD.decode(basic).ok()?).ok()?;
        let (user, app) = decoded.split_once(':')?;
        if user.eq_ignore_ascii_case(APP_ID.as_str()) { named(app) } else { None }
    })
}

/// Reads `/v1.0/invoke/{app}/method/{path}`.
fn target_by_path(path: &str) -> Option<(String, String)> {
    let rest = after(after(path, "v1.0")?, "invoke")?;
    let bare = || rest.strip_suffix("/method").map(|app| (app, ""));
    let (app, method) = rest.split_once("/method/").or_else(bare)?;
    let app = percent_decode_str(app).decode_utf8().ok()?;
    Some((app.into_owned(), method.to_owned()))
}

/// Sends a request on to a replica of the app that it is for; the answer passes through, whatever its
/// status.
pub(crate) async fn invoke(
    api: &Api,
    request: Request<Incoming>,
    peer: IpAddr,
) -> Result<Response<Body>, ApiError> {
    let Some((target, method_path)) = target(request.uri().path(), request.headers()) else {
        let message = "failed getting app id either from the URL path or the header dapr-app-id";
        return Err(ApiError::new(StatusCode::NOT_FOUND, FAILED, message));
    };
    if request.method() == Method::CONNECT {
        return Err(ApiError::new(StatusCode::NOT_IMPLEMENTED, FAILED, "CONNECT is not a call"));
    }
    let limit = api.options.body_max;
    if request.body().size_hint().lower() > limit as u64 {
        discard(request.into_body(), limit.saturating_mul(2)).await;
        return Err(too_large(limit));
    }
    let (mut head, body) = request.into_parts();
    head.uri = callee_uri(&method_path, head.uri.query())?;
    let (body, is_too_large) = limited(body, limit);
    match call(api, &target, Request::from_parts(head, body), peer).await {
        Err(_broken_off) if is_too_large.get() => Err(too_large(limit)),
        answered => answered,
    }
}

/// Sends a request, whose URI is the callee's, to a replica of an app. `peer` is where the caller asked from.
pub(crate) async fn call(
    api: &Api,
    target: &str,
    mut request: Request<Body>,
    peer: IpAddr,
) -> Result<Response<Body>, ApiError> {
    // `app.namespace` names the app too: a node has one namespace.
    let app = if api.invoke.knows(target) { target } else { target.split('.').next().unwrap_or_default() };
    let is_grpc = is_grpc(request.headers());
    if let Some(control) = &api.components.permissions.calls {
        let call = (request.method(), request.uri().path(), request.headers());
        if !permissions::allows_call(control, &api.caller.app, call) {
            return Err(denied(&api.caller.app, app, request.method(), request.uri().path()));
        }
    }
    introduce(request.headers_mut(), &api.caller.app, app, peer)?;
    if is_grpc {
        // Its status is in the trailers, so they must be welcome on every hop.
        request.headers_mut().insert(TE, HeaderValue::from_static("trailers"));
    }
    let answered = match api.components.call_ward(app) {
        Some(ward) => calls::call(ward, &*api.invoke, app, request, api.options.body_max).await,
        None => api.invoke.invoke(app, request).await.map_err(CallError::from),
    };
    let mut response = answered.map_err(|error| failed(target, &error))?;
    strip_hop_by_hop(response.headers_mut());
    Ok(response)
}

pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    content_type.starts_with(b"application/grpc")
}

/// A body that breaks off beyond the limit, and whether it did.
fn limited(body: Incoming, limit: usize) -> (Body, Rc<Cell<bool>>) {
    let is_too_large = Rc::new(Cell::new(false));
    let noted = Rc::clone(&is_too_large);
    let body = Limited::new(body, limit).map_err(move |error| {
        noted.set(noted.get() || error.is::<LengthLimitError>());
        error
    });
    (Body::new(body), is_too_large)
}

fn too_large(limit: usize) -> ApiError {
    let message = format!("the request body is larger than {limit} B");
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, FAILED, message)
}

fn denied(caller: &str, app: &str, method: &Method, path: &str) -> ApiError {
    let why =
        format!("access control policy has denied access to id: {caller} operation: {path} verb: {method}");
    let message = format!("failed to invoke, id: {app}, err: {why}");
    ApiError::new(StatusCode::FORBIDDEN, FAILED, message)
}

fn failed(target: &str, error: &CallError) -> ApiError {
    let message = format!("failed to invoke, id: {target}, err: {error}");
    let mut failed = ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, FAILED, message);
    if let CallError::LeftAlone(left) = error {
        failed.status = StatusCode::SERVICE_UNAVAILABLE;
        failed.retry_after = Some(*left);
    }
    failed
}

/// The method path cleaned of empty, `.` and `..` segments, with the query.
pub(crate) fn callee_uri(path: &str, query: Option<&str>) -> Result<Uri, ApiError> {
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
    if let Some(query) = query {
        clean.push('?');
        clean.push_str(query);
    }
    let parsed: Result<PathAndQuery, _> = clean.parse();
    parsed.map(Uri::from).map_err(|error| ApiError::malformed(format!("the method path is no path: {error}")))
}

/// Says who calls whom, and for whom. A caller's own values of the first do not count.
fn introduce(headers: &mut HeaderMap, caller: &str, app: &str, peer: IpAddr) -> Result<(), ApiError> {
    strip_hop_by_hop(headers);
    for name in [APP_ID, API_TOKEN] {
        headers.remove(name);
    }
    let named = |name: &str| {
        HeaderValue::from_str(name)
            .map_err(|error| ApiError::malformed(format!("no app is named so: {error}")))
    };
    let host = headers.insert(HOST, named(app)?);
    headers.insert(CALLER, named(caller)?);
    headers.insert(CALLER_NAMESPACE, NAMESPACE);
    headers.insert(CALLEE, named(app)?);
    headers.append(FORWARDED_FOR, named(&peer.to_string())?);
    headers.append(FORWARDED, named(&forwarded(peer, host.as_ref()))?);
    if let Some(host) = host {
        headers.append(FORWARDED_HOST, host);
    }
    Ok(())
}

/// As in RFC 7239: what holds a colon is quoted.
fn forwarded(peer: IpAddr, host: Option<&HeaderValue>) -> String {
    let peer = match peer {
        IpAddr::V4(peer) => format!("for={peer}"),
        IpAddr::V6(peer) => format!("for=\"[{peer}]\""),
    };
    match host.and_then(|host| host.to_str().ok()).filter(|host| !host.contains(['"', '\\'])) {
        Some(host) => format!("{peer};host=\"{host}\""),
        None => peer,
    }
}

fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let connection: Vec<HeaderValue> = headers.get_all(CONNECTION).iter().cloned().collect();
    headers.remove(CONNECTION);
    for value in &connection {
        for name in value.to_str().unwrap_or_default().split(',').map(str::trim) {
            headers.remove(name);
        }
    }
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_target_from_the_path() {
        let target = |path| target_by_path(path);
        let of = |app: &str, path: &str| Some((app.to_owned(), path.to_owned()));
        assert_eq!(target("/v1.0/invoke/a/method/x/y"), of("a", "x/y"));
        assert_eq!(target("//v1.0//invoke///a/method/x"), of("a", "x"));
        assert_eq!(target("/v1.0/invoke/a%2Eb/method"), of("a.b", ""));
        assert_eq!(target("/v1.0/invoke/a/method/method/x"), of("a", "method/x"));
        assert_eq!(target("/v1.0/invoke/a/methods/x"), None);
        assert_eq!(target("/v1.0/invoked/a/method/x"), None);
        assert_eq!(target("/v1.0/state/a"), None);
    }

    #[test]
    fn reads_the_target_from_headers() {
        let header = |name: HeaderName, value: &'static str| {
            target_by_header(&HeaderMap::from_iter([(name, HeaderValue::from_static(value))]))
        };
        assert_eq!(header(APP_ID, "a").as_deref(), Some("a"));
        assert_eq!(header(APP_ID, ""), None);
        assert_eq!(header(AUTHORIZATION, "Basic ZGFwci1hcHAtaWQ6Yg==").as_deref(), Some("b"));
        assert_eq!(header(AUTHORIZATION, "Basic eDp5"), None);
        assert_eq!(header(AUTHORIZATION, "Basic ?"), None);
    }

    #[test]
    fn a_header_comes_before_the_path() {
        let headers = HeaderMap::from_iter([(APP_ID, HeaderValue::from_static("a"))]);
        let path = "/v1.0/invoke/b/method/x";
        assert_eq!(target(path, &headers), Some(("a".to_owned(), path.to_owned())));
    }

    #[test]
    fn cleans_the_method_path_and_keeps_the_query() {
        let clean = |path: &str, query| callee_uri(path, query).expect("a path").to_string();
        assert_eq!(clean("/a/./b/../c", Some("q=1")), "/a/c?q=1");
        assert_eq!(clean("/../../etc", None), "/etc");
        assert_eq!(clean("a/%2e%2E/b/", None), "/b/");
        assert_eq!(clean("", None), "/");
    }

    #[test]
    fn says_who_calls_for_whom() {
        let lines =
            [(CALLER, "liar"), (HOST, "h:1"), (FORWARDED_FOR, "10.0.0.1"), (CONNECTION, "x-a, close")];
        let mut headers: HeaderMap =
            lines.map(|(name, value)| (name, HeaderValue::from_static(value))).into_iter().collect();
        headers.append(CONNECTION, HeaderValue::from_static("x-b"));
        for name in ["x-a", "x-b", "x-c", "trailer", "te", "proxy-authorization"] {
            headers.insert(name, HeaderValue::from_static("1"));
        }
        introduce(&mut headers, "order", "stock", [127, 0, 0, 1].into()).expect("plain names");
        let mut found: Vec<_> =
            headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        found.sort();
        assert_eq!(
            found,
            [
                "dapr-callee-app-id: stock",
                "dapr-caller-app-id: order",
                "dapr-caller-namespace: default",
                "forwarded: for=127.0.0.1;host=\"h:1\"",
                "host: stock",
                "x-c: 1",
                "x-forwarded-for: 10.0.0.1",
                "x-forwarded-for: 127.0.0.1",
                "x-forwarded-host: h:1",
            ]
        );
        assert_eq!(forwarded([0, 0, 0, 0, 0, 0, 0, 1].into(), None), "for=\"[::1]\"");
    }
}
