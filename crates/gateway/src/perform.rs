//! Performs what `policy::exchange` decides for one request: connects, sends, waits, relays.

pub(crate) mod hedged;

use std::error::Error as _;
use std::fmt;
use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use floodway_blocks::invoke::BodyError;
use floodway_policy::admission::Class;
use floodway_policy::exchange::{Action, Actions, AttemptId, Event, Exchange, Facts, Failure, Refusal};
use floodway_policy::snapshot::{CallPolicy, Protocol};
use floodway_policy::sticky::{Session, Token};
use floodway_policy::{EndpointId, Time};
use http::header::UPGRADE;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Sleep;

use crate::body::{Outbound, RequestBody, Tied, TooLarge};
use crate::deadline;
use crate::head;
use crate::pool::{self, Connection, Sender};
use crate::upstream;
use crate::worker::Worker;

/// A request's exchange while it lasts. However it ends, what it holds is given back.
pub(crate) struct Life {
    worker: Rc<Worker>,
    exchange: Exchange,
}

/// A response on its way back. At its end its connection goes back to the pool; dropped before, the
/// connection is closed, as the rest of the response is still on it.
pub(crate) struct Relay {
    body: Incoming,
    connection: Option<Connection>,
    sending: Option<Rc<()>>,
    life: Life,
    /// It is cut off then.
    end: Option<Pin<Box<Sleep>>>,
}

/// A request that brought no response.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Refused {
    pub(crate) why: Refusal,
    /// The client's body grew beyond its limit.
    pub(crate) is_too_large: bool,
}

/// What decisions may know of who asks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Standing {
    /// The same for the same client.
    pub(crate) key: u64,
    /// Which endpoint its client comes back to.
    pub(crate) session: Session,
    /// How much the request matters.
    pub(crate) class: Class,
    /// Who asks waits no longer.
    pub(crate) gives_up: Time,
}

/// What an attempt needs.
pub(crate) struct Attempt {
    id: AttemptId,
    pub(crate) endpoint: EndpointId,
    pub(crate) connect_by: Time,
    /// Only a connection that was never used will do.
    pub(crate) fresh: bool,
    /// When the exchange has no more time.
    deadline: Time,
    /// The service is to know.
    tells_time: bool,
}

/// A request that may have to be sent more than once.
struct Outgoing {
    next: Option<Request<Outbound>>,
    /// The head again, where sending it again is safe.
    copy: Option<Request<()>>,
    /// Shared with the body, if there is one, until it was sent.
    sending: Option<Rc<()>>,
    is_too_large: bool,
}

/// What an attempt came to.
pub(crate) enum Carried<R> {
    /// The head of a response is there, with this status.
    Replied(u16, R),
    Failed(Failure),
    /// The time was up first.
    Elapsed,
    /// The client is gone.
    Abandoned,
}

/// Makes the attempts of one exchange.
pub(crate) trait Carry {
    type Reply;

    async fn carry(&mut self, worker: &Rc<Worker>, attempt: &Attempt, until: Time) -> Carried<Self::Reply>;
}

/// Lives an exchange up to the head of its response, one try at a time. Dropping the future abandons the request.
///
/// # Errors
/// Why there is no response; nothing where the client is gone.
pub(crate) async fn drive<C: Carry>(
    worker: &Rc<Worker>,
    call: CallPolicy,
    facts: Facts,
    carrier: &mut C,
) -> Result<(C::Reply, Life), Option<Refusal>> {
    let call = CallPolicy { hedge: None, ..call };
    let mut life = Life { worker: Rc::clone(worker), exchange: Exchange::new(call, facts) };
    let counters = worker.counters.service(call.service);
    let began = worker.clock.now();
    worker.refresh();
    let mut event = Event::Arrived;
    let mut until = Time::NEVER;
    let mut ticket = None;
    // A reply is kept until it is decided upon: it may be dropped for another try.
    let mut reply = None;
    loop {
        let mut attempt = None;
        let actions = life.step(event);
        let deadline = life.exchange.deadline();
        for action in actions {
            match action {
                Action::Send { attempt: id, endpoint, connect_by, fresh } => {
                    attempt = Some(Attempt {
                        id,
                        endpoint,
                        connect_by,
                        fresh,
                        deadline,
                        tells_time: call.tells_time,
                    });
                }
                Action::WakeAt(time) => until = time,
                Action::Queue(called) => ticket = Some(called),
                Action::Relay(_) => {
                    counters.response_seconds.observe(worker.clock.now().since(began));
                    return Ok((reply.expect("a reply is relayed once it is there"), life));
                }
                Action::Answer(why) => {
                    if why == Refusal::TimedOut {
                        counters.timeouts.add_one();
                    }
                    return Err(Some(why));
                }
                // An attempt is given up by dropping its future, which has happened by now.
                Action::Cancel(_) => reply = None,
            }
        }
        let Some(attempt) = attempt else {
            worker.wait(ticket.map(|ticket| (call.service, ticket)), until).await;
            event = Event::Woke;
            continue;
        };
        let id = attempt.id;
        counters.attempts.add_one();
        if id.0 > 0 {
            counters.retries.add_one();
        }
        event = match carrier.carry(worker, &attempt, until).await {
            Carried::Replied(status, replied) => {
                reply = Some(replied);
                Event::Replied { attempt: id, status }
            }
            Carried::Failed(failure) => {
                counters.failed(failure);
                Event::Failed { attempt: id, failure }
            }
            Carried::Elapsed => Event::Woke,
            Carried::Abandoned => return Err(None),
        };
    }
}

/// Carries a request to a service and brings the head of the response; its body follows as a stream.
/// Dropping the future abandons the request.
pub(crate) async fn perform(
    worker: &Rc<Worker>,
    call: CallPolicy,
    standing: Standing,
    request: Request<RequestBody>,
) -> Result<Response<Relay>, Refused> {
    let facts = Facts {
        key: standing.key,
        session: standing.session,
        class: standing.class,
        gives_up: standing.gives_up,
        idempotent: is_idempotent(request.method().as_str()),
        repeatable: request.body().is_empty(),
    };
    let may_switch = request.headers().contains_key(UPGRADE);
    if hedged::concerns(call, request.method().as_str(), facts.repeatable) && !may_switch {
        // Boxed, as it would make the future of every request as large.
        return Box::pin(hedged::perform(worker, call, facts, request)).await;
    }
    let mut outgoing = Outgoing::new(request, facts, call);
    match drive(worker, call, facts, &mut outgoing).await {
        Ok(((response, connection), life)) => {
            let response = life.name_endpoint(response);
            let (connection, sending) = (Some(connection), outgoing.sending);
            Ok(response.map(|body| Relay::new(body, connection, sending, life)))
        }
        Err(why) => {
            let why = why.expect("whoever waits for this drops it when the client is gone");
            Err(Refused { why, is_too_large: outgoing.is_too_large })
        }
    }
}

impl Carry for Outgoing {
    type Reply = (Response<Incoming>, Connection);

    async fn carry(&mut self, worker: &Rc<Worker>, attempt: &Attempt, until: Time) -> Carried<Self::Reply> {
        let until = worker.clock.instant(until);
        match tokio::time::timeout_at(until, send(worker, attempt, self)).await {
            Ok(Ok(reply)) => Carried::Replied(reply.0.status().as_u16(), reply),
            Ok(Err(failure)) => Carried::Failed(failure),
            Err(_elapsed) => Carried::Elapsed,
        }
    }
}

/// One attempt: a connection, the request, the head of the response.
async fn send(
    worker: &Worker,
    attempt: &Attempt,
    outgoing: &mut Outgoing,
) -> Result<(Response<Incoming>, Connection), Failure> {
    let mut connection = connection(worker, attempt).await?;
    let mut request = outgoing.take();
    if matches!(connection.sender, Sender::Http2(_)) {
        upstream::to_http2(&mut request, worker, attempt.endpoint.service);
    }
    deadline::tell(request.headers_mut(), attempt.tells_time, attempt.deadline.since(worker.clock.now()));
    let may_switch = request.headers().contains_key(UPGRADE);
    match connection.sender.try_send(request).await {
        // hyper takes these, but another reader of the answer could end its body elsewhere.
        Ok(response) if !head::has_one_framing(response.headers()) => Err(Failure::Malformed),
        Ok(response) if response.status() == StatusCode::SWITCHING_PROTOCOLS && !may_switch => {
            Err(Failure::Malformed)
        }
        Ok(response) => Ok((response, connection)),
        Err(mut error) => Err(match error.take_message() {
            Some(unsent) => {
                outgoing.next = Some(unsent);
                if connection.is_used { Failure::StaleConnection } else { Failure::ConnectRefused }
            }
            None => outgoing.failure(&error.into_error(), connection.is_used),
        }),
    }
}

async fn connection(worker: &Worker, attempt: &Attempt) -> Result<Connection, Failure> {
    let endpoint = attempt.endpoint;
    if worker.protocol(endpoint.service) == Protocol::Http2 {
        return shared_connection(worker, attempt).await;
    }
    if !attempt.fresh {
        let kept = worker.pool.borrow_mut().take(endpoint, worker.clock.now());
        if let Some(mut sender) = kept {
            // Its last request was sent and the response read to the end; it takes a moment at most to be
            // ready again.
            return match sender.ready().await {
                Ok(()) => Ok(Connection { sender: Sender::Http1(sender), endpoint, is_used: true }),
                Err(_closed) => Err(Failure::StaleConnection),
            };
        }
    }
    let address = worker.address(endpoint).ok_or(Failure::ConnectRefused)?;
    // Boxed, as it is rare and would make every request's future as large.
    let connect = Box::pin(pool::connect(worker, endpoint, address));
    let sender = Sender::Http1(connected(worker, attempt, connect).await?);
    worker.counters.service(endpoint.service).connections.add_one();
    Ok(Connection { sender, endpoint, is_used: false })
}

/// A connection that carries other requests too.
async fn shared_connection(worker: &Worker, attempt: &Attempt) -> Result<Connection, Failure> {
    let endpoint = attempt.endpoint;
    let kept = || worker.streams.borrow_mut().take(endpoint).filter(|_| !attempt.fresh);
    let used = |shared| Connection { sender: Sender::Http2(shared), endpoint, is_used: true };
    if let Some(shared) = kept() {
        return Ok(used(shared));
    }
    let address = worker.address(endpoint).ok_or(Failure::ConnectRefused)?;
    let making = worker.streams.borrow_mut().making(endpoint);
    let connect = Box::pin(async {
        // Whoever comes meanwhile waits for this connection instead of making another.
        let _turn = making.lock().await;
        if let Some(shared) = kept() {
            return Ok(used(shared));
        }
        let shared = pool::connect_http2(worker, endpoint, address).await?;
        worker.counters.service(endpoint.service).connections.add_one();
        worker.streams.borrow_mut().put(endpoint, shared.clone());
        Ok(Connection { sender: Sender::Http2(shared), endpoint, is_used: false })
    });
    connected(worker, attempt, connect).await
}

/// What a connection comes to in the time that there is for it.
pub(crate) async fn connected<C>(
    worker: &Worker,
    attempt: &Attempt,
    connect: impl Future<Output = io::Result<C>>,
) -> Result<C, Failure> {
    match tokio::time::timeout_at(worker.clock.instant(attempt.connect_by), connect).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(error)) => {
            tracing::debug!(%error, endpoint = ?attempt.endpoint, "could not connect to an endpoint");
            Err(Failure::ConnectRefused)
        }
        Err(_elapsed) => Err(Failure::ConnectTimedOut),
    }
}

/// RFC 9110 §9.2.2.
pub(crate) fn is_idempotent(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "PUT" | "DELETE" | "OPTIONS" | "TRACE")
}

// === impl Outgoing ===

impl Outgoing {
    fn new(request: Request<RequestBody>, facts: Facts, call: CallPolicy) -> Self {
        let may_repeat = facts.idempotent && facts.repeatable && call.retry.max > 0;
        let copy = may_repeat.then(|| head_of(&request));
        let sending = (!request.body().is_empty()).then(Rc::default);
        let next = request.map(|body| Tied::new(body, sending.clone()));
        Self { next: Some(next), copy, sending, is_too_large: false }
    }

    fn take(&mut self) -> Request<Outbound> {
        let again = || {
            let head = self.copy.as_ref().expect("only what may be repeated is sent again");
            head_of(head).map(|()| Tied::new(RequestBody::Empty, None))
        };
        self.next.take().unwrap_or_else(again)
    }

    fn failure(&mut self, error: &hyper::Error, was_kept: bool) -> Failure {
        let too_large =
            |error: &hyper::Error| error.source().is_some_and(<dyn std::error::Error>::is::<TooLarge>);
        if error.is_user() {
            self.is_too_large = too_large(error);
            return Failure::RequestBody;
        }
        tracing::debug!(%error, "an endpoint did not answer");
        match was_kept {
            _ if error.is_parse() => Failure::Malformed,
            true => Failure::KeptConnectionBroke,
            false => Failure::Broken,
        }
    }
}

fn head_of<T>(request: &Request<T>) -> Request<()> {
    let mut head = Request::new(());
    *head.method_mut() = request.method().clone();
    *head.uri_mut() = request.uri().clone();
    *head.headers_mut() = request.headers().clone();
    head
}

// === impl Life ===

impl Life {
    fn step(&mut self, event: Event) -> Actions {
        let worker = &*self.worker;
        let mut cluster = worker.cluster.borrow_mut();
        let now = worker.clock.now();
        let actions = self.exchange.step(event, now, &mut worker.rng.borrow_mut(), &mut cluster);
        let service = self.exchange.service();
        for ticket in cluster.take_called(service) {
            worker.queue.call(service, ticket);
        }
        let ejections = cluster.take_ejections(service);
        if ejections > 0 {
            worker.counters.service(service).ejections.add(ejections.into());
        }
        actions
    }

    /// When the response must have been passed on.
    pub(crate) const fn ends_by(&self) -> Time {
        self.exchange.ends_by()
    }

    /// What the client comes back by to the endpoint that answers, where it is to be told.
    pub(crate) const fn token(&self) -> Option<Token> {
        self.exchange.token()
    }

    /// The same beside the headers of a response: not among them, as others may get those.
    fn name_endpoint<B>(&self, mut response: Response<B>) -> Response<B> {
        if let Some(token) = self.token() {
            response.extensions_mut().insert(token);
        }
        response
    }

    /// The response was passed on.
    pub(crate) fn finish(&mut self) {
        self.end(Event::Finished);
    }

    /// A last event, after which there is nothing left to do.
    fn end(&mut self, event: Event) {
        self.step(event).for_each(|action| debug_assert!(matches!(action, Action::Cancel(_))));
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        if !self.exchange.is_over() {
            self.end(Event::Abandoned);
        }
    }
}

// === impl Relay ===

impl Relay {
    fn new(body: Incoming, connection: Option<Connection>, sending: Option<Rc<()>>, life: Life) -> Self {
        let ends_by = life.ends_by();
        let sleep = || Box::pin(tokio::time::sleep_until(life.worker.clock.instant(ends_by)));
        let end = (ends_by != Time::NEVER).then(sleep);
        Self { body, connection, sending, life, end }
    }

    /// Where it comes from, until it is over.
    pub(crate) fn endpoint(&self) -> Option<EndpointId> {
        self.connection.as_ref().map(|connection| connection.endpoint)
    }

    fn finish(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        self.life.finish();
        // An answer may be over before its request is. Then who knows when the connection is free.
        let was_sent = self.sending.take().is_none_or(|sending| Rc::strong_count(&sending) == 1);
        let Connection { sender, endpoint, .. } = connection;
        if let Sender::Http1(sender) = sender
            && was_sent
            && !sender.is_closed()
        {
            let worker = &self.life.worker;
            worker.pool.borrow_mut().put(endpoint, sender, worker.clock.now());
        }
    }
}

impl Body for Relay {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let relay = self.get_mut();
        if relay.end.as_mut().is_some_and(|end| end.as_mut().poll(cx).is_ready()) {
            return Poll::Ready(Some(Err(io::Error::from(io::ErrorKind::TimedOut).into())));
        }
        match ready!(Pin::new(&mut relay.body).poll_frame(cx)) {
            Some(Ok(frame)) => {
                if relay.body.is_end_stream() {
                    relay.finish();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(error)) => Poll::Ready(Some(Err(error.into()))),
            None => {
                relay.finish();
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // A body that has nothing (left) is never polled to its end.
        if self.body.is_end_stream() {
            self.finish();
        }
    }
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay").field("body", &self.body).finish_non_exhaustive()
    }
}
