//! Performs an exchange that may have two tries at once: that of a request without a body that may happen
//! twice, on a route with `hedge`. Each try has a head of its own, so that neither waits for the other.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};

use floodway_policy::Time;
use floodway_policy::exchange::{Action, AttemptId, Event, Exchange, Facts, Failure, Refusal};
use floodway_policy::snapshot::CallPolicy;
use http::{Request, Response};
use hyper::body::Incoming;

use super::{Attempt, Life, Outgoing, Refused, Relay, head_of, is_idempotent, send};
use crate::body::{RequestBody, Tied};
use crate::pool::Connection;
use crate::worker::Worker;

type Sending = Pin<Box<dyn Future<Output = Sent>>>;
type Sent = Result<(Response<Incoming>, Connection), Failure>;

/// The tries that are under way. Dropping one closes its connection.
#[derive(Default)]
struct Running {
    tries: [Option<(AttemptId, Sending)>; 2],
}

/// Whether a request may have two tries at once.
pub(crate) fn concerns(call: CallPolicy, method: &str, has_no_body: bool) -> bool {
    call.hedge.is_some() && has_no_body && is_idempotent(method)
}

/// Like [`super::perform`]. Dropping the future abandons the request and both tries.
pub(super) async fn perform(
    worker: &Rc<Worker>,
    call: CallPolicy,
    facts: Facts,
    request: Request<RequestBody>,
) -> Result<Response<Relay>, Refused> {
    let head = head_of(&request);
    let counters = worker.counters.service(call.service);
    let began = worker.clock.now();
    worker.refresh();
    let mut life = Life { worker: Rc::clone(worker), exchange: Exchange::new(call, facts) };
    let mut running = Running::default();
    let (mut event, mut until, mut ticket, mut reply) = (Event::Arrived, Time::NEVER, None, None);
    loop {
        let actions = life.step(event);
        let deadline = life.exchange.deadline();
        for action in actions {
            match action {
                Action::Send { attempt: id, endpoint, connect_by, fresh } => {
                    ticket = None;
                    counters.attempts.add_one();
                    match id.0 {
                        0 => {}
                        _ if running.is_empty() => counters.retries.add_one(),
                        _ => counters.hedges.add_one(),
                    }
                    running.start(
                        worker,
                        Attempt { id, endpoint, connect_by, fresh, deadline, tells_time: call.tells_time },
                        &head,
                    );
                }
                Action::WakeAt(time) => until = time,
                Action::Queue(called) => ticket = Some(called),
                Action::Relay(_) => {
                    counters.response_seconds.observe(worker.clock.now().since(began));
                    let (response, connection): (Response<_>, _) =
                        reply.expect("a reply is relayed once it is there");
                    let (response, connection) = (life.name_endpoint(response), Some(connection));
                    return Ok(response.map(|body| Relay::new(body, connection, None, life)));
                }
                Action::Answer(why) => {
                    if why == Refusal::TimedOut {
                        counters.timeouts.add_one();
                    }
                    return Err(Refused { why, is_too_large: false });
                }
                // Of one that runs no more there may be a reply, which nobody wants.
                Action::Cancel(id) if running.cancel(id) => {}
                Action::Cancel(_) => reply = None,
            }
        }
        let mut wake = pin!(worker.wait(ticket.map(|ticket| (call.service, ticket)), until));
        let ended = poll_fn(|cx| match running.poll(cx) {
            Poll::Ready(ended) => Poll::Ready(Some(ended)),
            Poll::Pending => wake.as_mut().poll(cx).map(|()| None),
        });
        event = match ended.await {
            None => Event::Woke,
            Some((attempt, Ok(came))) => {
                let status = came.0.status().as_u16();
                reply = Some(came);
                Event::Replied { attempt, status }
            }
            Some((attempt, Err(failure))) => {
                counters.failed(failure);
                Event::Failed { attempt, failure }
            }
        };
    }
}

// === impl Running ===

impl Running {
    fn start(&mut self, worker: &Rc<Worker>, attempt: Attempt, head: &Request<()>) {
        let request = head_of(head).map(|()| Tied::new(RequestBody::Empty, None));
        let mut outgoing = Outgoing { next: Some(request), copy: None, sending: None, is_too_large: false };
        let (worker, id) = (Rc::clone(worker), attempt.id);
        let place = self.tries.iter_mut().find(|place| place.is_none());
        let place = place.expect("an exchange has two tries at once at most");
        *place = Some((id, Box::pin(async move { send(&worker, &attempt, &mut outgoing).await })));
    }

    fn is_empty(&self) -> bool {
        self.tries.iter().all(Option::is_none)
    }

    /// Whether it was under way.
    fn cancel(&mut self, id: AttemptId) -> bool {
        let is_it = |place: &&mut Option<(AttemptId, _)>| place.as_ref().is_some_and(|(of, _)| *of == id);
        self.tries.iter_mut().find(is_it).and_then(Option::take).is_some()
    }

    /// The next that ends; pending while there is none.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<(AttemptId, Sent)> {
        for place in &mut self.tries {
            if let Some((id, sending)) = place
                && let Poll::Ready(sent) = sending.as_mut().poll(cx)
            {
                let id = *id;
                *place = None;
                return Poll::Ready((id, sent));
            }
        }
        Poll::Pending
    }
}
