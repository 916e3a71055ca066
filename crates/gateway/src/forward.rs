//! One request of a client: checked, routed, sent on, answered.

use std::net::IpAddr;
use std::rc::Rc;

use floodway_policy::rng::hash_bytes;
use floodway_policy::routing::{Methods, Routed};
use floodway_policy::snapshot::{Limits, RoutePolicy};
use http::header::{CONNECTION, HOST, HeaderMap, HeaderValue, UPGRADE};
use http::{Method, Request, Response, StatusCode, Uri, Version};
use hyper::body::{Body as _, Incoming};

use crate::body::{RequestBody, ResponseBody};
use crate::connection::Client;
use crate::head::{self, REQUEST_ID};
use crate::perform::perform;
use crate::respond::Problem;
use crate::tunnel;
use crate::worker::Worker;

/// The path and query may have this part of the room that is there for the whole head.
const TARGET_SHARE: usize = 2;

/// Answers a request, if need be with a problem.
pub(crate) async fn forward(client: &Rc<Client>, request: Request<Incoming>) -> Response<ResponseBody> {
    let worker = &client.worker;
    let id = head::request_id(request.headers(), worker.random());
    worker.counters.requests.add_one();
    worker.counters.in_flight.add_one();
    let _in_flight = InFlight(worker);
    let response = match try_forward(client, request, &id).await {
        Ok(response) => response,
        Err(problem) => {
            worker.counters.refusals.add_one();
            problem.response(&id)
        }
    };
    worker.counters.answered(response.status());
    response
}

/// The whole answer to bytes that are no request, or too many: there is nothing else to go by than the
/// status that hyper has for them.
pub(crate) fn refuse_unread(worker: &Worker, status: u16) -> Vec<u8> {
    let problem = match status {
        414 => Problem::TargetTooLong,
        431 => Problem::HeadTooLarge,
        _ => Problem::BadRequest("this is no HTTP request"),
    };
    worker.counters.refusals.add_one();
    worker.counters.answered(problem.status());
    problem.bytes(&head::fresh_request_id(worker.random()))
}

struct InFlight<'a>(&'a Worker);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.counters.in_flight.subtract_one();
    }
}

async fn try_forward(
    client: &Rc<Client>,
    mut request: Request<Incoming>,
    id: &HeaderValue,
) -> Result<Response<ResponseBody>, Problem> {
    let worker = &client.worker;
    check(&request, worker.snapshot.limits)?;
    adopt_authority(&mut request)?;
    head::join_cookies(request.headers_mut());
    let route = route(worker, &request)?;
    if request.body().size_hint().lower() > route.body_max {
        return Err(Problem::BodyTooLarge);
    }
    let call = route.call;
    let left = route.body_max;
    let upgrade = head::strip_hop_by_hop(request.headers_mut());
    head::say_who_asks(request.headers_mut(), client.address, id);
    *request.version_mut() = Version::HTTP_11;
    let client_side = upgrade.map(|protocol| {
        request.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
        request.headers_mut().insert(UPGRADE, protocol);
        hyper::upgrade::on(&mut request)
    });
    let request = request.map(|body| {
        if body.is_end_stream() { RequestBody::Empty } else { RequestBody::Client { body, left } }
    });
    let mut response = perform(worker, call, key(client.address), request).await?;
    // The version is a matter of each connection (RFC 9110 §2.5).
    *response.version_mut() = Version::HTTP_11;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        let client_side = client_side.ok_or(Problem::BadGateway)?;
        return Ok(tunnel::open(client, client_side, response));
    }
    head::strip_hop_by_hop(response.headers_mut());
    response.headers_mut().insert(REQUEST_ID, id.clone());
    Ok(response.map(ResponseBody::Relay))
}

/// Refuses what is open to more than one reading, and what a gateway does not do.
fn check(request: &Request<Incoming>, limits: Limits) -> Result<(), Problem> {
    let headers = request.headers();
    let target_len = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    if target_len > limits.header_bytes_max as usize / TARGET_SHARE {
        return Err(Problem::TargetTooLong);
    }
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
    } else if !request.headers().contains_key(HOST) {
        if request.version() != Version::HTTP_10 {
            return Err(Problem::BadRequest("there is no Host"));
        }
        // Upstream there is one, even if it says nothing (RFC 9112 §3.2).
        request.headers_mut().insert(HOST, HeaderValue::from_static(""));
    }
    Ok(())
}

fn route<'a>(worker: &'a Worker, request: &Request<Incoming>) -> Result<&'a RoutePolicy, Problem> {
    let host = host_name(request.headers());
    let snapshot = &worker.snapshot;
    let find = |method| snapshot.router.find(host.as_deref(), request.uri().path(), method);
    match find(request.method().as_str()) {
        // TRACE shows what a client cannot see otherwise, so it passes only where it is named. A route
        // that takes a method that does not exist takes all of them, and names none.
        to @ Routed::To(_) if request.method() == Method::TRACE && find("*") == to => {
            Err(Problem::MethodNotAllowed(Methods::ALL_BUT_TRACE))
        }
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
