//! Calls between services: the same exchange as a client's request, begun inside the node.

use std::rc::Rc;

use floodway_blocks::invoke::{Body, Invoke, InvokeError, LocalFuture};
use floodway_policy::admission::Class;
use floodway_policy::exchange::Refusal;
use floodway_policy::sticky::Session;
use floodway_policy::trace::Hop;
use floodway_policy::{ServiceId, Time};
use http::{Request, Response};

use crate::body::RequestBody;
use crate::generations::Generations;
use crate::in_flight;
use crate::perform::{Standing, perform};
use crate::telemetry::{Asked, Beginning, Note, Way};
use crate::worker::Worker;

/// Calls the services of this system by the worker of a thread.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    generations: Rc<Generations>,
}

impl Caller {
    pub(crate) fn new(generations: Rc<Generations>) -> Self {
        Self { generations }
    }
}

impl Invoke for Caller {
    fn knows(&self, service: &str) -> bool {
        self.generations.present().snapshot.service(service).is_some()
    }

    fn is_ready(&self, service: &str) -> bool {
        let worker = self.generations.present();
        worker.refresh();
        let id = worker.snapshot.service(service);
        id.is_some_and(|id| worker.cluster.borrow().is_ready(id))
    }

    fn roster(&self, service: &str) -> u64 {
        let worker = self.generations.present();
        worker.refresh();
        worker.snapshot.service(service).map_or(0, |id| worker.cluster.borrow().roster(id))
    }

    fn invoke<'a>(
        &'a self,
        service: &'a str,
        mut request: Request<Body>,
    ) -> LocalFuture<'a, Result<Response<Body>, InvokeError>> {
        Box::pin(async move {
            let worker = &self.generations.present();
            let unknown = || InvokeError::UnknownService { service: service.to_owned() };
            let id = worker.snapshot.service(service).ok_or_else(unknown)?;
            let call = *worker.snapshot.call(id).ok_or_else(unknown)?;
            let standing = Standing {
                key: worker.random(),
                session: Session::None,
                class: Class::NORMAL,
                gives_up: Time::NEVER,
            };
            let span = Span::begin(worker, id, &mut request);
            let calls = &worker.counters.service(id).calls;
            match perform(worker, call, standing, request.map(RequestBody::Caller)).await {
                Ok(response) => {
                    calls.count(response.status().as_u16());
                    span.end(worker, response.status().as_u16());
                    Ok(response.map(Body::new))
                }
                Err(refused) => {
                    calls.count(0);
                    span.end(worker, 0);
                    Err(error(refused.why, service, call.timeout))
                }
            }
        })
    }
}

/// A call as its trace sees it, up to the head of its answer.
struct Span {
    began: Time,
    recorded: Option<(Asked, Hop)>,
}

impl Span {
    fn begin(worker: &Worker, service: ServiceId, request: &mut Request<Body>) -> Self {
        // Services are ours: what they say of their traces is believed.
        let traceparent = in_flight::traceparent(request.headers());
        let hop = in_flight::hop(worker, Beginning { id: None, traceparent, is_believed: true });
        if let Some(hop) = &hop {
            in_flight::say_trace(request.headers_mut(), hop);
        }
        let asked = |hop| {
            let (method, path) = (request.method().to_string(), request.uri().path().to_owned());
            (Asked { method, path, host: None, way: Way::Call(service) }, hop)
        };
        Self { began: worker.clock.now(), recorded: hop.filter(|hop| hop.is_recorded).map(asked) }
    }

    /// `status` is 0 where there is no answer.
    fn end(self, worker: &Worker, status: u16) {
        let Some((asked, hop)) = self.recorded else { return };
        let took = worker.clock.now().since(self.began);
        let began = worker.clock.since_1970().saturating_sub(took);
        in_flight::tell(
            worker,
            Note {
                asked,
                is_logged: false,
                hop: Some(hop),
                began,
                took,
                request_id: String::new(),
                status,
                stand_in: None,
                error: None,
                endpoint: None,
            },
        );
    }
}

fn error(why: Refusal, service: &str, after: std::time::Duration) -> InvokeError {
    let service = service.to_owned();
    match why {
        Refusal::NoEndpoint => InvokeError::NoEndpoint { service },
        Refusal::Overloaded => {
            InvokeError::Unreachable { service, detail: "it has more to do than it can".to_owned() }
        }
        Refusal::BreakerOpen => {
            InvokeError::Unreachable { service, detail: "it fails, and is left alone for a while".to_owned() }
        }
        Refusal::Unreachable => {
            InvokeError::Unreachable { service, detail: "no connection could be made".to_owned() }
        }
        Refusal::BadGateway => {
            InvokeError::Broken { service, detail: "the connection broke or what came is no HTTP".to_owned() }
        }
        Refusal::RequestBody => {
            InvokeError::Broken { service, detail: "the request body broke off".to_owned() }
        }
        Refusal::TimedOut | Refusal::TooLate => InvokeError::TimedOut { service, after },
    }
}
