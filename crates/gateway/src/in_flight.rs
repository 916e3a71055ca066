//! A request that is being answered: what names it, and what is counted and told of it when it is over.

use std::cell::Cell;
use std::net::IpAddr;
use std::rc::Rc;

use floodway_policy::fallback::{FallbackPolicy, FixedAnswer, StandIn};
use floodway_policy::rate_limit::RateLimitPolicy;
use floodway_policy::routing::RouteId;
use floodway_policy::trace::{Hop, TraceContext};
use floodway_policy::{EndpointId, Time};
use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};

use crate::head::RequestId;
use crate::rate_limits::Allowance;
use crate::respond::Problem;
use crate::telemetry::{Asked, Beginning, Note, Way};
use crate::worker::Worker;

pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Begun when the head was read, dropped when the answer was passed on or nobody is there to take it. Each
/// request is counted here and nowhere else, whichever way it goes.
#[derive(Debug)]
pub(crate) struct InFlight {
    worker: Rc<Worker>,
    pub(crate) id: RequestId,
    /// Where there is tracing.
    hop: Option<Hop>,
    pub(crate) began: Time,
    route: Cell<Option<RouteId>>,
    endpoint: Cell<Option<EndpointId>>,
    /// 0 until there is one.
    status: Cell<u16>,
    error: Cell<Option<&'static str>>,
    stand_in: Cell<Option<StandIn>>,
    /// What its client may do from now on, where that is bounded.
    allowance: Cell<Option<Allowance>>,
    is_logged: bool,
    /// Only of what is noted.
    asked: Option<Box<Asked>>,
}

impl InFlight {
    pub(crate) fn begin(worker: &Rc<Worker>, beginning: Beginning<'_>) -> Self {
        worker.counters.requests.add_one();
        worker.counters.in_flight.add_one();
        let is_logged = match &worker.telemetry {
            Some(telemetry) => telemetry.log.draw(&mut worker.rng.borrow_mut()),
            None => false,
        };
        Self {
            worker: Rc::clone(worker),
            id: RequestId::new(beginning.id, worker.random()),
            hop: hop(worker, beginning),
            began: worker.clock.now(),
            route: Cell::new(None),
            endpoint: Cell::new(None),
            status: Cell::new(0),
            error: Cell::new(None),
            stand_in: Cell::new(None),
            allowance: Cell::new(None),
            is_logged,
            asked: None,
        }
    }

    /// Keeps what was asked for, where it is told later.
    pub(crate) fn note(&mut self, asked: impl FnOnce() -> Asked) {
        if self.is_logged || self.hop.is_some_and(|hop| hop.is_recorded) {
            self.asked = Some(Box::new(asked()));
        }
    }

    /// Its route was found.
    pub(crate) fn routed(&self, route: RouteId) {
        self.route.set(Some(route));
        self.worker.counters.route(Some(route)).in_flight.add_one();
    }

    /// Counts it where its route bounds how often a client may ask.
    ///
    /// # Errors
    /// The client has asked too often.
    pub(crate) fn limit<'a>(
        &self,
        policy: &RateLimitPolicy,
        address: impl FnOnce() -> IpAddr,
        header: impl FnOnce(&str) -> Option<&'a [u8]>,
    ) -> Result<(), Problem> {
        let Some(route) = self.route.get() else { return Ok(()) };
        let worker = &self.worker;
        let allowance = worker.rate_limits.take(route, policy, address, header, worker.clock.now());
        self.allowance.set(allowance);
        allowance.map_or(Ok(()), |allowance| allowance.check())
    }

    /// What the client is told of how often it may ask.
    pub(crate) const fn allowance(&self) -> Option<Allowance> {
        self.allowance.get()
    }

    /// The same, among the headers of an answer.
    pub(crate) fn tell_allowance(&self, headers: &mut HeaderMap) {
        if let Some(allowance) = self.allowance.get() {
            allowance.tell(headers);
        }
    }

    /// This endpoint answers it.
    pub(crate) fn served_by(&self, endpoint: EndpointId) {
        self.endpoint.set(Some(endpoint));
    }

    /// An answer begins.
    pub(crate) fn answered(&self, status: impl Into<u16>) {
        self.status.set(status.into());
    }

    /// Something else answers than its route's service.
    pub(crate) fn stood_in(&self, by: StandIn) {
        self.stand_in.set(Some(by));
    }

    /// Its route's service could not answer, and another one is asked.
    pub(crate) fn goes_elsewhere(&self, problem: Problem) {
        self.failed(problem);
        self.stood_in(StandIn::Service);
    }

    /// The gateway answers itself.
    pub(crate) fn refused(&self, problem: Problem) {
        self.failed(problem);
        let answer = self.fallback(problem);
        self.stand_in.set(answer.map(|_| StandIn::Answer));
        self.answered(answer.map_or_else(|| problem.status().as_u16(), |answer| answer.status));
    }

    /// The same by gRPC, which has a status of its own in the place of a fixed answer.
    pub(crate) fn refused_grpc(&self, problem: Problem) {
        self.failed(problem);
        self.stand_in.set(None);
        self.answered(problem.status());
    }

    fn failed(&self, problem: Problem) {
        self.worker.counters.refused(problem.code());
        self.error.set(Some(problem.code()));
    }

    /// What its route answers instead of this problem.
    pub(crate) fn fallback(&self, problem: Problem) -> Option<&FixedAnswer> {
        let route = self.worker.snapshot.route(self.route.get()?)?;
        let answer = route.fallback.as_deref()?.answer.as_ref()?;
        problem.refusal().is_some_and(FallbackPolicy::covers).then_some(answer)
    }

    /// What the service is told of the trace, where this gateway takes part in it.
    pub(crate) const fn hop(&self) -> Option<&Hop> {
        self.hop.as_ref()
    }

    fn tell(&mut self, took: std::time::Duration) {
        let Some(mut asked) = self.asked.take() else { return };
        if let Way::In { route, .. } = &mut asked.way {
            *route = self.route.get();
        }
        tell(
            &self.worker,
            Note {
                asked: *asked,
                is_logged: self.is_logged,
                hop: self.hop,
                began: self.worker.clock.since_1970().saturating_sub(took),
                took,
                request_id: String::from_utf8_lossy(self.id.as_bytes()).into_owned(),
                status: self.status.get(),
                error: self.error.get(),
                stand_in: self.stand_in.get(),
                endpoint: self.endpoint.get(),
            },
        );
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let took = self.worker.clock.now().since(self.began);
        let counters = &self.worker.counters;
        let route = counters.route(self.route.get());
        counters.in_flight.subtract_one();
        if self.route.get().is_some() {
            route.in_flight.subtract_one();
        }
        route.answers.count(self.status.get());
        if let Some(by) = self.stand_in.get() {
            route.stood_in(by);
        }
        route.seconds.observe(took);
        self.tell(took);
    }
}

/// The place of a request in its trace, where there is tracing.
pub(crate) fn hop(worker: &Worker, beginning: Beginning<'_>) -> Option<Hop> {
    let share = worker.telemetry.as_ref()?.traces?;
    let parent = beginning.traceparent.and_then(TraceContext::parse);
    Some(Hop::new(parent, beginning.is_believed, share, &mut worker.rng.borrow_mut()))
}

/// Says in the headers of a request what its next hop is told. A `tracestate` without a parent that can be read
/// says nothing (W3C Trace Context §3.3).
pub(crate) fn say_trace(headers: &mut HeaderMap, hop: &Hop) {
    let text = HeaderValue::from_bytes(&hop.told.text()).expect("digits and dashes");
    headers.insert(TRACEPARENT, text);
    if hop.parent.is_none() {
        headers.remove(TRACESTATE);
    }
}

/// The only `traceparent` of these headers; several say nothing.
pub(crate) fn traceparent(headers: &HeaderMap) -> Option<&[u8]> {
    let mut all = headers.get_all(TRACEPARENT).iter();
    let only = all.next()?;
    all.next().is_none().then_some(only.as_bytes())
}

/// Hands a note over, or counts that it could not be.
pub(crate) fn tell(worker: &Worker, note: Note) {
    let Some(telemetry) = &worker.telemetry else { return };
    if telemetry.notes.try_send(note).is_err() {
        worker.counters.notes_dropped.add_one();
    }
}
