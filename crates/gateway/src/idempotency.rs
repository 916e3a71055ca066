//! Requests that run once: those of routes with `idempotency` that have a key. What is done with one is
//! decided by `policy::idempotency`; here its body is collected, its key looked up, and its answer kept.
//!
//! ```text
//! collect ─▶ look ─▶ replay, wait and look again, or refuse
//!             └────▶ take the key ─▶ run, even if the client leaves ─▶ settle the key ─▶ answer
//! ```
//! The body must be there whole before the key is taken, as it is part of what the key stands for.

mod body;
mod keys;
mod run;

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use floodway_policy::Time;
use floodway_policy::idempotency::{self as policy, Answer, BadKey, IdempotencyPolicy, Record, Verdict};
use floodway_policy::snapshot::{CallPolicy, RoutePolicy};
use http::header::{CONTENT_LENGTH, EXPECT, HeaderName, HeaderValue, TRANSFER_ENCODING};
use http::{Request, Response, StatusCode, request};
use tokio::sync::oneshot;

use crate::body::{RequestBody, ResponseBody};
use crate::connection::Client;
use crate::perform::Standing;
use crate::respond::Problem;
use crate::worker::Worker;
use keys::{Keys, fingerprint};
use run::Run;

pub(crate) use body::Begun;
pub use keys::Stores;

/// Says that an answer is a kept one.
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// A request with a key.
pub(crate) struct Keyed {
    policy: Arc<IdempotencyPolicy>,
    call: CallPolicy,
    keys: Keys,
}

/// A request that is there whole.
struct Asking {
    keyed: Keyed,
    worker: Rc<Worker>,
    fingerprint: policy::Fingerprint,
}

/// What became of a request whose key was absent.
enum Ran {
    Answered(Response<ResponseBody>),
    /// Somebody else took the key first.
    TooLate(Asking, Request<RequestBody>),
}

/// Whether a request to this route may have a key that counts.
pub(crate) fn concerns(route: &RoutePolicy, method: &str) -> bool {
    route.idempotency.is_some() && IdempotencyPolicy::covers(method)
}

/// The request's key; nothing where it has none and needs none.
///
/// # Errors
/// It needs one and has none, or one that is none.
pub(crate) fn keyed(
    worker: &Worker,
    route: &RoutePolicy,
    request: &Request<RequestBody>,
) -> Result<Option<Keyed>, Problem> {
    let method = request.method().as_str();
    let Some(policy) = route.idempotency.as_ref().filter(|_| concerns(route, method)) else {
        return Ok(None);
    };
    let values = request.headers().get_all(policy.header.as_str());
    match policy::key(values.iter().map(HeaderValue::as_bytes)) {
        Ok(Some(key)) => {
            let keys = Keys::new(worker, policy, request.headers(), key).ok_or(Problem::StoreFails)?;
            Ok(Some(Keyed { policy: Arc::clone(policy), call: route.call, keys }))
        }
        Ok(None) if policy.needs_key(method) => {
            Err(Problem::BadKey("requests to this route need an idempotency key"))
        }
        Ok(None) => Ok(None),
        Err(BadKey(why)) => Err(Problem::BadKey(why)),
    }
}

impl Keyed {
    /// Answers the request. Dropping the future leaves a run that has begun to itself, and its answer to
    /// whoever comes next.
    pub(crate) async fn answer(
        self,
        client: &Rc<Client>,
        standing: Standing,
        request: Request<RequestBody>,
    ) -> Result<Response<ResponseBody>, Problem> {
        let worker = Rc::clone(&client.worker);
        let (head, body) = request.into_parts();
        let until = worker.clock.now().after(self.call.timeout);
        let body = body::collect(&worker, body, self.policy.body_max, until).await?;
        let fingerprint = fingerprint(&head, &body);
        let asking = Asking { keyed: self, worker, fingerprint };
        asking.answer(client, standing, whole(head, body)).await
    }
}

impl Asking {
    async fn answer(
        mut self,
        client: &Rc<Client>,
        standing: Standing,
        mut request: Request<RequestBody>,
    ) -> Result<Response<ResponseBody>, Problem> {
        let began = self.now();
        let mut looks = 0;
        loop {
            let found = self.keyed.keys.look().await.map_err(|_said| Problem::StoreFails)?;
            let record = found.record()?;
            let waited = self.now().since(began);
            match self.keyed.policy.decide(record.as_ref(), &self.fingerprint, waited) {
                Verdict::Take => match self.take_and_run(client, standing, request).await? {
                    Ran::Answered(response) => return Ok(response),
                    Ran::TooLate(asking, again) => (self, request) = (asking, again),
                },
                Verdict::Replay(answer) => return replay(&answer),
                Verdict::Wait => {
                    looks += 1;
                    let pause = IdempotencyPolicy::LOOKS.wait(looks, &mut self.worker.rng.borrow_mut());
                    tokio::time::sleep(pause).await;
                }
                Verdict::InProgress => return Err(Problem::InProgress),
                Verdict::Mismatch => return Err(Problem::KeyMismatch),
                Verdict::NotKept(_) => return Err(Problem::NotKept),
            }
        }
    }

    /// Takes the key and runs the request to its end, whether or not its client waits for it: between the
    /// two, nobody else could.
    async fn take_and_run(
        self,
        client: &Rc<Client>,
        standing: Standing,
        request: Request<RequestBody>,
    ) -> Result<Ran, Problem> {
        let (sender, ran) = oneshot::channel();
        let tasks = self.worker.tasks.clone();
        // A client that has left counts as there, so that a drain waits for what it has begun.
        let client = Rc::clone(client);
        tasks.spawn(async move {
            // Nobody may be there to take it.
            drop(sender.send(self.taken(standing, request).await));
            drop(client);
        });
        ran.await.unwrap_or(Err(Problem::BadGateway))
    }

    async fn taken(self, standing: Standing, request: Request<RequestBody>) -> Result<Ran, Problem> {
        // The lease begins no earlier than this.
        let since = self.now();
        let me = policy::Taker(self.worker.random());
        let record = Record { fingerprint: self.fingerprint, state: policy::State::Taken(me) };
        let taken = self.keyed.keys.take(record.encode(), self.keyed.policy.lease).await;
        if !taken.map_err(|_said| Problem::StoreFails)? {
            return Ok(Ran::TooLate(self, request));
        }
        let run = Run { asking: self, me, since, standing };
        run.finish(request).await.map(Ran::Answered)
    }

    fn now(&self) -> Time {
        self.worker.clock.now()
    }
}

/// The request with its body in hand.
fn whole(mut head: request::Parts, body: Bytes) -> Request<RequestBody> {
    head.headers.remove(TRANSFER_ENCODING);
    head.headers.remove(EXPECT);
    head.headers.insert(CONTENT_LENGTH, body.len().into());
    let body = match body.len() {
        0 => RequestBody::Empty,
        _ => RequestBody::Caller(floodway_blocks::invoke::Body::full(body)),
    };
    Request::from_parts(head, body)
}

/// The answer that was kept.
fn replay(answer: &Answer<'_>) -> Result<Response<ResponseBody>, Problem> {
    let damaged = |what: &str| {
        tracing::error!(what, "a kept answer is none");
        Problem::StoreFails
    };
    let status = StatusCode::from_u16(answer.status).map_err(|_none| damaged("status"))?;
    let mut response = Response::new(ResponseBody::Own(None));
    *response.status_mut() = status;
    for (name, value) in answer.fields.iter() {
        let name = HeaderName::from_bytes(name).map_err(|_none| damaged("header name"))?;
        let value = HeaderValue::from_bytes(value).map_err(|_none| damaged("header value"))?;
        response.headers_mut().append(name, value);
    }
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    if !answer.body.is_empty() {
        *response.body_mut() = ResponseBody::Own(Some(Bytes::copy_from_slice(answer.body)));
    }
    body::tell_length(&mut response, answer.body.len());
    Ok(response)
}
