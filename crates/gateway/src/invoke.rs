//! Calls between services: the same exchange as a client's request, begun inside the node.

use std::rc::Rc;

use floodway_blocks::invoke::{Body, Invoke, InvokeError, LocalFuture};
use floodway_policy::admission::Class;
use floodway_policy::exchange::Refusal;
use http::{Request, Response};

use crate::body::RequestBody;
use crate::perform::{Standing, perform};
use crate::worker::Worker;

/// Calls the services of this system by one worker.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    worker: Rc<Worker>,
}

impl Caller {
    pub(crate) fn new(worker: Rc<Worker>) -> Self {
        Self { worker }
    }
}

impl Invoke for Caller {
    fn knows(&self, service: &str) -> bool {
        self.worker.snapshot.service(service).is_some()
    }

    fn is_ready(&self, service: &str) -> bool {
        self.worker.refresh();
        let id = self.worker.snapshot.service(service);
        id.is_some_and(|id| self.worker.cluster.borrow().is_ready(id))
    }

    fn invoke<'a>(
        &'a self,
        service: &'a str,
        request: Request<Body>,
    ) -> LocalFuture<'a, Result<Response<Body>, InvokeError>> {
        Box::pin(async move {
            let unknown = || InvokeError::UnknownService { service: service.to_owned() };
            let id = self.worker.snapshot.service(service).ok_or_else(unknown)?;
            let call = *self.worker.snapshot.call(id).ok_or_else(unknown)?;
            let standing = Standing { key: self.worker.random(), class: Class::NORMAL };
            let calls = &self.worker.counters.service(id).calls;
            match perform(&self.worker, call, standing, request.map(RequestBody::Caller)).await {
                Ok(response) => {
                    calls.count(response.status().as_u16());
                    Ok(response.map(Body::new))
                }
                Err(refused) => {
                    calls.count(0);
                    Err(error(refused.why, service, call.timeout))
                }
            }
        })
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
        Refusal::TimedOut => InvokeError::TimedOut { service, after },
    }
}
