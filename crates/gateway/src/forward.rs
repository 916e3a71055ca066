//! One request of a client: checked, routed, sent on, answered.

use std::net::IpAddr;
use std::rc::Rc;

use floodway_policy::rng::hash_bytes;
use floodway_policy::routing::Routed;
use floodway_policy::snapshot::RoutePolicy;
use http::header::{CONNECTION, HOST, HeaderMap, HeaderValue, UPGRADE};
use http::{Method, Request, Response, StatusCode, Uri, Version};
use hyper::body::{Body as _, Incoming};

use crate::body::{RequestBody, ResponseBody};
use crate::head::{self, REQUEST_ID};
use crate::perform::perform;
use crate::respond::Problem;
use crate::tunnel;
use crate::worker::Worker;

/// Answers a request, if need be with a problem.
pub(crate) async fn forward(
    worker: &Rc<Worker>,
    client: IpAddr,
    request: Request<Incoming>,
) -> Response<ResponseBody> {
    let id = head::request_id(request.headers(), worker.random());
    let version = request.version();
    worker.counters.requests.add_one();
    worker.counters.in_flight.add_one();
    let _in_flight = InFlight(worker);
    let mut response = match try_forward(worker, client, request, &id).await {
        Ok(response) => response,
        Err(problem) => {
            worker.counters.refusals.add_one();
            problem.response(&id)
        }
    };
    worker.counters.answered(response.status());
    if version < Version::HTTP_2 && worker.is_draining() {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

struct InFlight<'a>(&'a Worker);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.counters.in_flight.subtract_one();
    }
}

async fn try_forward(
    worker: &Rc<Worker>,
    client: IpAddr,
    mut request: Request<Incoming>,
    id: &HeaderValue,
) -> Result<Response<ResponseBody>, Problem> {
    check(&request)?;
    adopt_authority(&mut request)?;
    let route = route(worker, &request)?;
    if request.body().size_hint().lower() > route.body_max {
        return Err(Problem::BodyTooLarge);
    }
    let call = route.call;
    let left = route.body_max;
    let upgrade = head::strip_hop_by_hop(request.headers_mut());
    head::say_who_asks(request.headers_mut(), client, id);
    *request.version_mut() = Version::HTTP_11;
    let client_side = upgrade.map(|protocol| {
        request.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
        request.headers_mut().insert(UPGRADE, protocol);
        hyper::upgrade::on(&mut request)
    });
    let request = request.map(|body| {
        if body.is_end_stream() { RequestBody::Empty } else { RequestBody::Client { body, left } }
    });
    let mut response = perform(worker, call, key(client), request).await?;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        let client_side = client_side.ok_or(Problem::BadGateway)?;
        return Ok(tunnel::open(worker, client_side, response));
    }
    head::strip_hop_by_hop(response.headers_mut());
    response.headers_mut().insert(REQUEST_ID, id.clone());
    Ok(response.map(ResponseBody::Relay))
}

/// Refuses what is open to more than one reading, and what a gateway does not do.
fn check(request: &Request<Incoming>) -> Result<(), Problem> {
    let headers = request.headers();
    if request.method() == Method::CONNECT {
        return Err(Problem::ConnectRefused);
    }
    if headers.get_all(HOST).iter().nth(1).is_some() {
        return Err(Problem::BadRequest("more than one Host is given"));
    }
    if has_dot_segment(request.uri().path()) {
        return Err(Problem::BadRequest("the path has a `.` or `..` segment"));
    }
    Ok(())
}

fn has_dot_segment(path: &str) -> bool {
    path.split('/').any(|segment| match segment.len() {
        1 | 2 => segment.bytes().all(|byte| byte == b'.'),
        3..=6 if segment.contains('%') => {
            let plain = segment.replace("%2e", ".").replace("%2E", ".");
            plain == "." || plain == ".."
        }
        _ => false,
    })
}

/// An authority in the request line stands above the Host header (RFC 9112 §3.2.2); upstream there is
/// only the header.
fn adopt_authority(request: &mut Request<Incoming>) -> Result<(), Problem> {
    if let Some(authority) = request.uri().authority() {
        let bad = |_| Problem::BadRequest("the authority cannot be a Host");
        let host = HeaderValue::from_str(authority.as_str()).map_err(bad)?;
        request.headers_mut().insert(HOST, host);
        let path = request.uri().path_and_query().cloned();
        *request.uri_mut() = path.map_or_else(|| Uri::from_static("/"), Uri::from);
    } else if !request.headers().contains_key(HOST) && request.version() == Version::HTTP_11 {
        return Err(Problem::BadRequest("there is no Host"));
    }
    Ok(())
}

fn route<'a>(worker: &'a Worker, request: &Request<Incoming>) -> Result<&'a RoutePolicy, Problem> {
    let host = host_name(request.headers());
    let snapshot = &worker.snapshot;
    match snapshot.router.find(host.as_deref(), request.uri().path(), request.method().as_str()) {
        Routed::To(route) => Ok(snapshot.route(route).expect("the router names routes of its snapshot")),
        Routed::MethodNotAllowed(methods) => Err(Problem::MethodNotAllowed(methods)),
        Routed::NotFound => Err(Problem::NoRoute),
    }
}

/// The host without its port, in lower case.
fn host_name(headers: &HeaderMap) -> Option<std::borrow::Cow<'_, str>> {
    let host = headers.get(HOST)?.to_str().ok()?;
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let is_lower = !name.bytes().any(|byte| byte.is_ascii_uppercase());
    Some(if is_lower { name.into() } else { name.to_ascii_lowercase().into() })
}

fn key(client: IpAddr) -> u64 {
    match client.to_canonical() {
        IpAddr::V4(address) => hash_bytes(&address.octets()),
        IpAddr::V6(address) => hash_bytes(&address.octets()),
    }
}
