//! One request of a client: checked, routed, sent on, answered.

use std::net::IpAddr;
use std::rc::Rc;

use floodway_policy::ServiceId;
use floodway_policy::Time;
use floodway_policy::admission::Class;
use floodway_policy::balance::{Balance, HashKey, cookie};
use floodway_policy::fallback::StandIn;
use floodway_policy::rng::hash_bytes;
use floodway_policy::routing::{Methods, Routed};
use floodway_policy::snapshot::{Limits, Protocol, RoutePolicy};
use floodway_policy::sticky::Session;
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderValue, TRANSFER_ENCODING, UPGRADE};
use http::uri::PathAndQuery;
use http::{Method, Request, Response, StatusCode, Uri, Version};
use hyper::body::{Body as _, Incoming};

use crate::body::{RequestBody, ResponseBody};
use crate::cache;
use crate::connection::Client;
use crate::deadline;
use crate::head::{self, REQUEST_ID};
use crate::http1::is_authority;
use crate::idempotency;
use crate::in_flight::{self, InFlight};
use crate::perform::{Standing, is_idempotent, perform};
use crate::respond::{self, Problem};
use crate::sticky;
use crate::telemetry::{Asked, Beginning, Way};
use crate::tunnel::{self, Tunnel};
use crate::worker::Worker;

/// The path and query may have this part of the room that is there for the whole head.
pub(crate) const TARGET_SHARE: usize = 2;

/// What a service has to say.
pub(crate) struct Answer {
    pub(crate) response: Response<ResponseBody>,
    /// What follows the response where the protocol changes.
    pub(crate) tunnel: Option<Box<Tunnel>>,
}

/// Answers a request that came by HTTP/2, if need be with a problem. The request is in flight until its answer
/// was passed on.
pub(crate) async fn forward(
    client: &Rc<Client>,
    request: Request<Incoming>,
) -> (Response<ResponseBody>, InFlight) {
    let is_grpc = head::is_grpc(request.headers());
    let headers = request.headers();
    let mut in_flight = InFlight::begin(
        &client.worker,
        Beginning {
            id: headers.get(REQUEST_ID).map(HeaderValue::as_bytes),
            traceparent: in_flight::traceparent(headers),
            is_believed: client.peer.is_trusted,
        },
    );
    in_flight.note(|| Asked {
        method: request.method().to_string(),
        path: request.uri().path().to_owned(),
        host: request.uri().authority().map(ToString::to_string),
        way: Way::In { peer: client.peer.address, protocol: "HTTP/2", route: None },
    });
    let mut response = match try_forward(client, request, &in_flight).await {
        Ok(response) => {
            in_flight.answered(response.status());
            response
        }
        // What is always the same would be no answer of gRPC.
        Err(problem) if is_grpc => {
            in_flight.refused_grpc(problem);
            problem.grpc_response(&in_flight.id.value())
        }
        Err(problem) => {
            let id = in_flight.id.value();
            in_flight.refused(problem);
            match in_flight.fallback(problem) {
                Some(fallback) => respond::fallback(fallback, &id).map(Some).map(ResponseBody::Own),
                None => problem.response(&id),
            }
        }
    };
    in_flight.tell_allowance(response.headers_mut());
    (response, in_flight)
}

async fn try_forward(
    client: &Rc<Client>,
    mut request: Request<Incoming>,
    in_flight: &InFlight,
) -> Result<Response<ResponseBody>, Problem> {
    let worker = &client.worker;
    check(&request, worker.snapshot.limits)?;
    adopt_authority(&mut request)?;
    head::join_cookies(request.headers_mut());
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let route = route(worker, in_flight, host, request.uri().path(), request.method().as_str())?;
    let headers = request.headers();
    let route = part(worker, route, |name| headers.get(name).map(HeaderValue::as_bytes));
    if request.body().size_hint().lower() > route.body_max {
        return Err(Problem::BodyTooLarge);
    }
    if let Some(policy) = &route.rate_limit {
        let headers = request.headers();
        let header = |name: &str| headers.get(name).map(HeaderValue::as_bytes);
        in_flight.limit(policy, || head::who_asks(headers, client), header)?;
    }
    // HTTP/2 has no upgrades (RFC 9113 §8.6), and its flow control asks for the body.
    request.headers_mut().remove(UPGRADE);
    request.headers_mut().remove(EXPECT);
    let left = route.body_max;
    let request = request.map(|body| {
        if body.is_end_stream() { RequestBody::Empty } else { RequestBody::Client { body, left } }
    });
    let answer = send_on(client, request, route, in_flight).await?;
    if answer.tunnel.is_some() { Err(Problem::BadGateway) } else { Ok(answer.response) }
}

/// Sends a request to the service of its route, or where that cannot answer to the one that stands in for it.
pub(crate) async fn send_on(
    client: &Rc<Client>,
    request: Request<RequestBody>,
    route: &RoutePolicy,
    in_flight: &InFlight,
) -> Result<Answer, Problem> {
    let may_go = has_elsewhere(route) && request.body().is_empty();
    let Some(fallback) = route.fallback.as_deref().filter(|_| may_go) else {
        return send_to(client, request, route, in_flight).await;
    };
    let again = copy(&request);
    let problem = match send_to(client, request, route, in_flight).await {
        Err(problem) => problem,
        answered => return answered,
    };
    let idempotent = is_idempotent(again.method().as_str());
    match problem.refusal().and_then(|why| fallback.elsewhere(why, idempotent)) {
        Some(elsewhere) => {
            in_flight.goes_elsewhere(problem);
            // Boxed, as it is rare and would make every request's future as large.
            Box::pin(send_to(client, again, elsewhere, in_flight)).await
        }
        None => Err(problem),
    }
}

/// A request without a body, to be sent once more.
fn copy(request: &Request<RequestBody>) -> Request<RequestBody> {
    let mut copy = Request::new(RequestBody::Empty);
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.version_mut() = request.version();
    *copy.headers_mut() = request.headers().clone();
    copy
}

/// Whether another service stands in for the one of this route.
pub(crate) fn has_elsewhere(route: &RoutePolicy) -> bool {
    route.fallback.as_deref().is_some_and(|fallback| fallback.to.is_some())
}

/// Sends a request to the service of a route, and there to the endpoint of its session.
async fn send_to(
    client: &Rc<Client>,
    mut request: Request<RequestBody>,
    route: &RoutePolicy,
    in_flight: &InFlight,
) -> Result<Answer, Problem> {
    let (session, binding) = sticky::take(client, route.call.service, &mut request);
    let mut answer = ask(client, request, route, session, in_flight).await?;
    if let Some(binding) = binding {
        binding.bind(&mut answer);
    }
    Ok(answer)
}

async fn ask(
    client: &Rc<Client>,
    mut request: Request<RequestBody>,
    route: &RoutePolicy,
    session: Session,
    in_flight: &InFlight,
) -> Result<Answer, Problem> {
    let (worker, id) = (&client.worker, &in_flight.id);
    let keyed = idempotency::keyed(worker, route, &request)?;
    let upgrade = head::strip_hop_by_hop(request.headers_mut());
    // Nor has it any with services; and what runs once is answered once, in one protocol.
    let is_http2 = worker.protocol(route.call.service) == Protocol::Http2;
    let upgrade = upgrade.filter(|_| keyed.is_none() && !is_http2);
    let may_switch = upgrade.is_some();
    if let Some(protocol) = upgrade {
        request.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
        request.headers_mut().insert(UPGRADE, protocol);
    }
    if !request.body().is_empty() && !request.headers().contains_key(CONTENT_LENGTH) {
        request.headers_mut().insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    let asker = head::say_who_asks(request.headers_mut(), client, &id.value());
    if let Some(hop) = in_flight.hop() {
        in_flight::say_trace(request.headers_mut(), hop);
    }
    *request.version_mut() = Version::HTTP_11;
    let gives_up = deadline::gives_up(request.headers(), route.call, in_flight.began);
    let header = |name: &str| request.headers().get(name).map(HeaderValue::as_bytes);
    let key = key(worker, route.call.service, asker, request.uri().path(), header);
    let standing = Standing { key, session, class: class(route, header), gives_up };
    if let Some(keyed) = keyed {
        // What runs once runs to its end, whoever waits for it.
        let standing = Standing { gives_up: Time::NEVER, ..standing };
        // Boxed, as it would make the future of every request as large.
        let mut response = Box::pin(keyed.answer(client, standing, request)).await?;
        *response.version_mut() = Version::HTTP_11;
        response.headers_mut().insert(REQUEST_ID, id.value());
        return Ok(Answer { response, tunnel: None });
    }
    if let Some(policy) = route.cache.filter(|_| !may_switch) {
        // Boxed, as it would make the future of every request as large.
        let answer = Box::pin(cache::answer(worker, policy, route.call, standing, request));
        let mut response = answer.await?;
        if let Some(by) = response.extensions_mut().remove::<StandIn>() {
            in_flight.stood_in(by);
        }
        *response.version_mut() = Version::HTTP_11;
        response.headers_mut().insert(REQUEST_ID, id.value());
        return Ok(Answer { response, tunnel: None });
    }
    let change = cache::Change::of(worker, &request);
    let mut response = perform(worker, route.call, standing, request).await?;
    if let Some(endpoint) = response.body().endpoint() {
        in_flight.served_by(endpoint);
    }
    if let Some(change) = change {
        change.happened(response.status(), response.headers());
    }
    // The version is a matter of each connection (RFC 9110 §2.5).
    *response.version_mut() = Version::HTTP_11;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        if !may_switch {
            return Err(Problem::BadGateway);
        }
        let (response, tunnel) = tunnel::open(response);
        return Ok(Answer { response, tunnel: Some(Box::new(tunnel)) });
    }
    head::strip_hop_by_hop(response.headers_mut());
    response.headers_mut().insert(REQUEST_ID, id.value());
    Ok(Answer { response: response.map(ResponseBody::Relay), tunnel: None })
}

/// Refuses what is open to more than one reading, and what a gateway does not do: the rules of HTTP/1.1, as far
/// as HTTP/2 leaves room to break them.
fn check(request: &Request<Incoming>, limits: Limits) -> Result<(), Problem> {
    let (uri, headers) = (request.uri(), request.headers());
    let target = uri.path_and_query().map_or("", PathAndQuery::as_str);
    let has_two = |name| headers.get_all(name).iter().nth(1).is_some();
    let expects_other = |expect: &HeaderValue| !expect.as_bytes().eq_ignore_ascii_case(b"100-continue");
    let bad = |why| Err(Problem::BadRequest(why));
    if request.method() == Method::CONNECT {
        Err(Problem::ConnectRefused)
    } else if target.len() > limits.header_bytes_max as usize / TARGET_SHARE {
        Err(Problem::TargetTooLong)
    } else if !target.bytes().all(|byte| byte.is_ascii_graphic()) {
        bad("the target has a byte that no target has")
    } else if uri.authority().is_some() && !matches!(uri.scheme_str(), Some("http" | "https")) {
        bad("the scheme is not http")
    } else if has_two(HOST) {
        bad("more than one Host is given")
    } else if has_two(CONTENT_LENGTH) {
        bad("more than one Content-Length is given")
    } else if headers.get(CONTENT_LENGTH).is_some_and(|length| !is_length(length.as_bytes())) {
        bad("the Content-Length is no number")
    } else if headers.get_all(EXPECT).iter().any(expects_other) {
        Err(Problem::ExpectationFailed)
    } else if has_dot_segment(uri.path()) {
        bad("the path has a `.` or `..` segment")
    } else {
        Ok(())
    }
}

/// Whether a Content-Length is one, where nothing follows that would have been measured by it.
fn is_length(length: &[u8]) -> bool {
    !length.is_empty() && length.iter().all(u8::is_ascii_digit)
}

/// Whether a path could lead out of where it seems to, to anyone who resolves it, after decoding it or not, and
/// who takes a backslash for a slash or not.
pub(crate) fn has_dot_segment(path: &str) -> bool {
    let is_dots = |segment: &str| matches!(segment, "." | "..");
    if !path.contains(['%', '\\']) {
        return path.split('/').any(is_dots);
    }
    let mut plain = path.to_ascii_lowercase();
    for (encoded, byte) in [("%2e", "."), ("%2f", "/"), ("%5c", "/"), ("\\", "/")] {
        plain = plain.replace(encoded, byte);
    }
    plain.split('/').any(is_dots)
}

/// The authority stands above the Host header (RFC 9113 §8.3.1); upstream there is only the header.
fn adopt_authority(request: &mut Request<Incoming>) -> Result<(), Problem> {
    let bad = Problem::BadRequest("there is no Host, or none that can be one");
    if let Some(authority) = request.uri().authority() {
        let host = HeaderValue::from_str(authority.as_str()).map_err(|_not_text| bad)?;
        request.headers_mut().insert(HOST, host);
        let path = request.uri().path_and_query().cloned();
        *request.uri_mut() = path.map_or_else(|| Uri::from_static("/"), Uri::from);
    }
    let is_well = request.headers().get(HOST).is_some_and(|host| is_authority(host.as_bytes()));
    if is_well { Ok(()) } else { Err(bad) }
}

/// How much a request matters, by its headers.
pub(crate) fn class<'a>(route: &RoutePolicy, header: impl Fn(&str) -> Option<&'a [u8]>) -> Class {
    route.priority.as_ref().map_or(Class::NORMAL, |priority| priority.class(header(&priority.header)))
}

/// The route of a request, which is told that it has one.
pub(crate) fn route<'a>(
    worker: &'a Worker,
    in_flight: &InFlight,
    host: Option<&str>,
    path: &str,
    method: &str,
) -> Result<&'a RoutePolicy, Problem> {
    let host = host.map(host_name);
    let snapshot = &worker.snapshot;
    let find = |method| snapshot.router.find(host.as_deref(), path, method);
    match find(method) {
        // TRACE shows what a client cannot see otherwise, so it passes only where it is named. A route
        // that takes a method that does not exist takes all of them, and names none.
        to @ Routed::To(_) if method == "TRACE" && find("*") == to => {
            Err(Problem::MethodNotAllowed(Methods::ALL_BUT_TRACE))
        }
        Routed::To(route) => {
            in_flight.routed(route);
            Ok(snapshot.route(route).expect("the router names routes of its snapshot"))
        }
        Routed::MethodNotAllowed(methods) => Err(Problem::MethodNotAllowed(methods)),
        Routed::NotFound => Err(Problem::NoRoute),
    }
}

/// The route, or the part of it that a request belongs to.
pub(crate) fn part<'a, 'h>(
    worker: &Worker,
    route: &'a RoutePolicy,
    header: impl Fn(&str) -> Option<&'h [u8]>,
) -> &'a RoutePolicy {
    let Some(split) = &route.split else { return route };
    split.choose(header, &mut worker.rng.borrow_mut()).unwrap_or(route)
}

/// The host without its port, in lower case.
pub(crate) fn host_name(host: &str) -> std::borrow::Cow<'_, str> {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let is_lower = !name.bytes().any(|byte| byte.is_ascii_uppercase());
    if is_lower { name.into() } else { name.to_ascii_lowercase().into() }
}

/// What tells a request from those that may go to another endpoint than it.
pub(crate) fn key<'a>(
    worker: &Worker,
    service: ServiceId,
    client: IpAddr,
    path: &str,
    header: impl Fn(&str) -> Option<&'a [u8]>,
) -> u64 {
    let of_client = || match client.to_canonical() {
        IpAddr::V4(address) => hash_bytes(&address.octets()),
        IpAddr::V6(address) => hash_bytes(&address.octets()),
    };
    let service = worker.snapshot.services.get(usize::from(service.0));
    let Some(service) = service.filter(|service| service.balance == Balance::Hash) else {
        return of_client();
    };
    let value = match &service.hash.by {
        HashKey::ClientIp => None,
        HashKey::Path => return hash_bytes(path.as_bytes()),
        HashKey::Header(name) => header(name),
        HashKey::Cookie(name) => header("cookie").and_then(|cookies| cookie(cookies, name)),
    };
    value.map_or_else(of_client, hash_bytes)
}
