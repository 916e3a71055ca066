//! A request that is being answered: what names it, and what is counted of it when it is over.

use std::cell::Cell;
use std::rc::Rc;

use floodway_policy::Time;
use floodway_policy::routing::RouteId;

use crate::head::RequestId;
use crate::respond::Problem;
use crate::worker::Worker;

/// Begun when the head was read, dropped when the answer was passed on or nobody is there to take it. Each
/// request is counted here and nowhere else, whichever way it goes.
#[derive(Debug)]
pub(crate) struct InFlight {
    worker: Rc<Worker>,
    pub(crate) id: RequestId,
    began: Time,
    route: Cell<Option<RouteId>>,
    /// 0 until there is one.
    status: Cell<u16>,
}

impl InFlight {
    /// `given` is the id that the client has for the request.
    pub(crate) fn begin(worker: &Rc<Worker>, given: Option<&[u8]>) -> Self {
        worker.counters.requests.add_one();
        worker.counters.in_flight.add_one();
        Self {
            worker: Rc::clone(worker),
            id: RequestId::new(given, worker.random()),
            began: worker.clock.now(),
            route: Cell::new(None),
            status: Cell::new(0),
        }
    }

    /// Its route was found.
    pub(crate) fn routed(&self, route: RouteId) {
        self.route.set(Some(route));
        self.worker.counters.route(Some(route)).in_flight.add_one();
    }

    /// An answer begins.
    pub(crate) fn answered(&self, status: impl Into<u16>) {
        self.status.set(status.into());
    }

    /// The gateway answers itself.
    pub(crate) fn refused(&self, problem: Problem) {
        self.worker.counters.refused(problem.code());
        self.answered(problem.status());
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let counters = &self.worker.counters;
        let route = counters.route(self.route.get());
        counters.in_flight.subtract_one();
        if self.route.get().is_some() {
            route.in_flight.subtract_one();
        }
        route.answers.count(self.status.get());
        route.seconds.observe(self.worker.clock.now().since(self.began));
    }
}
