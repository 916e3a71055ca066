//! One request that goes to a service as HTTP/1.1, as it came: its head is written anew, its body and the
//! answer's pass from one connection to the other.

use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::{Buf, BytesMut};
use floodway_policy::exchange::{Facts, Failure};
use floodway_policy::snapshot::RoutePolicy;
use floodway_policy::sticky::{Session, SetCookie, StickyPolicy};
use floodway_policy::{EndpointId, Time};

use super::parse::{Field, Framing, RequestHead, ResponseHead, find, parse_response};
use super::pump::{Broken, Pump};
use super::serve::path;
use super::side::{CONTINUE, READ_MAX, Side};
use super::write::{Behalf, Ending, Then};
use super::{Served, Taken, Unserved, Visit, write};
use crate::alarm::Alarm;
use crate::forward::{self, class};
use crate::in_flight::InFlight;
use crate::peer::Scheme;
use crate::perform::{Attempt, Carried, Carry, Life, connected, drive, is_idempotent};
use crate::pool::Keep;
use crate::respond::Problem;
use crate::sticky::{self, Binding};
use crate::upstream::dial;
use crate::worker::Worker;

/// A response head may have so many bytes, and so many headers.
const HEAD_MAX: usize = 64 << 10;
const FIELDS_MAX: u16 = 256;
/// Interim answers to one request; more are no answer.
const INTERIM_MAX: u8 = 16;

/// A connection to an endpoint.
#[derive(Debug)]
pub(crate) struct Upstream {
    side: Side,
    endpoint: EndpointId,
    is_used: bool,
}

/// The head of an answer and where it comes from.
struct Reply {
    upstream: Upstream,
    head: ResponseHead,
}

/// What a client takes beside an answer's head and body.
#[derive(Debug, Clone, Copy)]
struct Welcome {
    /// Interim answers: it speaks HTTP/1.1.
    interim: bool,
    trailers: bool,
}

/// Makes the attempts of one request.
struct Request<'a> {
    client: &'a mut Side,
    alarm: &'a mut Alarm,
    is_head: bool,
    /// What is sent first, and again with the next attempt.
    first: BytesMut,
    first_sent: usize,
    /// The time of this attempt is over then.
    until: Time,
    /// The body, as far as it does not stand in `first`.
    body: Pump,
    /// The client waits for a word before it sends the body.
    owes_100: bool,
    /// Interim answers that may still come.
    interim_left: u8,
    welcome: Welcome,
    /// Nothing more will be sent: all was, or nobody takes it.
    is_sent: bool,
    /// What is wrong with the body.
    body_problem: Option<Problem>,
    fields: Vec<Field>,
}

/// Serves one request.
///
/// # Errors
/// What to answer instead.
pub(super) async fn relay(
    visit: &mut Visit,
    head: &RequestHead,
    fields: &[Field],
    route: &RoutePolicy,
    in_flight: &InFlight,
) -> Result<Served, Unserved> {
    let Visit { client, side, alarm, .. } = visit;
    let worker = &Rc::clone(&client.worker);
    let idempotent = is_idempotent(head.method.text(&side.bytes));
    let class = class(route, |name| find(&side.bytes, fields, name));
    let mut first = worker.buffers.take();
    first.reserve(head.len + 256);
    let asker = write::asker(&side.bytes, fields, client);
    let sticky = sticky::policy(worker, route.call.service);
    let behalf = Behalf { client, asker: asker.as_ref(), sticky };
    write::request_head(&mut first, &side.bytes, head, fields, behalf, in_flight);
    let session = sticky.map_or(Session::None, |policy| session(policy, &side.bytes, fields));
    let is_secure = asker.as_ref().map_or(client.peer.scheme, |asker| asker.scheme) == Scheme::Https;
    let trailers = !head.is_http_1_0 && write::takes_trailers(&side.bytes, fields);
    let welcome = Welcome { interim: !head.is_http_1_0, trailers };
    let asker = asker.map_or(client.peer.address, |asker| asker.address);
    let key = {
        let bytes = &side.bytes[..];
        forward::key(worker, route.call.service, asker, path(head, bytes), |name| find(bytes, fields, name))
    };
    side.bytes.advance(head.len);
    let framing = take_whole_body(&mut first, &mut side.bytes, head.framing);
    let repeatable = framing == Framing::Empty;
    let facts = Facts { key, session, idempotent, repeatable, class, gives_up: Time::NEVER };
    let body = Pump::new(worker.buffers.take(), framing, framing == Framing::Chunked, route.body_max);
    let owes_100 = head.waits_for_100 && framing != Framing::Empty && side.bytes.is_empty();
    let mut request = Request {
        client: side,
        alarm,
        is_head: head.is_head,
        first,
        first_sent: 0,
        until: Time::NEVER,
        interim_left: INTERIM_MAX,
        welcome,
        is_sent: false,
        body,
        owes_100,
        body_problem: None,
        fields: worker.buffers.take_fields(),
    };
    match drive(worker, route.call, facts, &mut request).await {
        Ok((reply, life)) => {
            in_flight.answered(reply.head.status);
            in_flight.served_by(reply.upstream.endpoint);
            let bound = sticky.map(|policy| Binding { policy, is_secure }).zip(life.token());
            let cookie = bound.map(|(binding, token)| binding.cookie(token));
            let answer = request.into_answer(worker, head, in_flight, reply, life.ends_by(), cookie);
            Ok(answer.pass(worker, life).await)
        }
        Err(None) => Ok(Served::Over),
        Err(Some(why)) => {
            let problem = request.body_problem.unwrap_or_else(|| why.into());
            let taken = if request.body.has_read_all() { Taken::Whole } else { Taken::Part };
            Err(Unserved { problem, taken })
        }
    }
}

fn session(policy: &StickyPolicy, bytes: &[u8], fields: &[Field]) -> Session {
    let cookies = fields.iter().filter(|field| write::is_cookie(bytes, field));
    policy.session(cookies.map(|field| field.value.of(bytes)))
}

/// Puts a small body that is there already behind its head. Returns the framing of what is left.
fn take_whole_body(first: &mut BytesMut, bytes: &mut BytesMut, framing: Framing) -> Framing {
    match framing {
        Framing::Length(len) => match usize::try_from(len) {
            Ok(len) if len <= READ_MAX.min(bytes.len()) => {
                first.extend_from_slice(&bytes[..len]);
                bytes.advance(len);
                Framing::Empty
            }
            _ => framing,
        },
        _ => framing,
    }
}

impl Carry for Request<'_> {
    type Reply = Reply;

    async fn carry(&mut self, worker: &Rc<Worker>, attempt: &Attempt, until: Time) -> Carried<Reply> {
        let mut upstream = match connection(worker, attempt).await {
            Ok(upstream) => upstream,
            Err(failure) => return Carried::Failed(failure),
        };
        self.until = until;
        self.set_alarm(worker);
        (self.first_sent, self.is_sent, self.interim_left) = (0, false, INTERIM_MAX);
        let carried = poll_fn(|cx| self.poll(cx, worker, &mut upstream)).await;
        match carried {
            Carried::Replied(status, head) => Carried::Replied(status, Reply { upstream, head }),
            Carried::Failed(failure) => Carried::Failed(failure),
            Carried::Elapsed => Carried::Elapsed,
            Carried::Abandoned => Carried::Abandoned,
        }
    }
}

impl Request<'_> {
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        worker: &Worker,
        upstream: &mut Upstream,
    ) -> Poll<Carried<ResponseHead>> {
        if !self.is_sent
            && let Poll::Ready(sent) = self.poll_send(cx, worker, &mut upstream.side)
        {
            self.is_sent = true;
            match sent {
                Ok(()) => {}
                // It may have answered before it closed: that is read next.
                Err(Broken::Target(error)) if self.first_sent > 0 => {
                    tracing::debug!(%error, "an endpoint takes no more of a request");
                }
                Err(broken) => return Poll::Ready(self.unsent(broken, upstream)),
            }
        }
        if let Poll::Ready(replied) = self.poll_head(cx, worker, upstream) {
            return Poll::Ready(replied);
        }
        if self.poll_client_left(cx, worker).is_ready() {
            return Poll::Ready(Carried::Abandoned);
        }
        while self.alarm.poll(cx).is_ready() {
            if worker.clock.now() >= self.until {
                return Poll::Ready(Carried::Elapsed);
            }
            if self.client_stalls(worker) {
                self.body_problem = Some(Problem::BodyStalled);
                return Poll::Ready(Carried::Failed(Failure::RequestBody));
            }
            self.set_alarm(worker);
        }
        Poll::Pending
    }

    /// Goes off when the attempt has had its time, or a body stands still.
    fn set_alarm(&mut self, worker: &Worker) {
        let idle = worker.clock.now().after(worker.snapshot.limits.idle_timeout);
        self.alarm.set(if self.body.has_read_all() { self.until } else { self.until.min(idle) });
    }

    /// Whether the client has sent less of its body than it must since this was last asked.
    fn client_stalls(&mut self, worker: &Worker) -> bool {
        let is_slow = self.body.take_moved() < worker.snapshot.limits.body_bytes_min();
        is_slow && !self.is_sent && !self.body.has_read_all() && self.client.bytes.is_empty()
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        worker: &Worker,
        to: &mut Side,
    ) -> Poll<Result<(), Broken>> {
        while self.first_sent < self.first.len() {
            let rest = &self.first[self.first_sent..];
            match to.poll_write(cx, rest, &[]) {
                Poll::Ready(Ok(len)) => self.first_sent += len,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(Broken::Target(error))),
                Poll::Pending => return Poll::Pending,
            }
        }
        if std::mem::take(&mut self.owes_100) && self.client.poll_tell(cx, CONTINUE) != Poll::Ready(true) {
            return Poll::Ready(Err(Broken::Source(None)));
        }
        self.body.poll(cx, worker, self.client, to)
    }

    fn unsent(&mut self, broken: Broken, upstream: &Upstream) -> Carried<ResponseHead> {
        tracing::debug!(error = %broken, "a request could not be sent");
        match broken {
            Broken::Target(_) if upstream.is_used => Carried::Failed(Failure::StaleConnection),
            Broken::Target(_) => Carried::Failed(Failure::Broken),
            // Nobody is left to hear of it.
            Broken::Source(_) => Carried::Abandoned,
            Broken::TooLarge | Broken::Malformed(_) => {
                self.body_problem = Some(broken.into());
                Carried::Failed(Failure::RequestBody)
            }
        }
    }

    /// The head of the answer proper. Interim ones go on to the client, but for a 100: what asks for that is the
    /// gateway's own affair.
    fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        worker: &Worker,
        upstream: &mut Upstream,
    ) -> Poll<Carried<ResponseHead>> {
        let Upstream { side, is_used, .. } = upstream;
        loop {
            if !side.bytes.is_empty() {
                match parse_response(&side.bytes, self.is_head, FIELDS_MAX, &mut self.fields) {
                    Ok(Some(head)) if head.status == 101 || (head.status < 200 && self.interim_left == 0) => {
                        return Poll::Ready(Carried::Failed(Failure::Malformed));
                    }
                    Ok(Some(head)) if head.status < 200 => {
                        self.interim_left -= 1;
                        if self.welcome.interim && head.status != 100 {
                            let mut interim = worker.buffers.take();
                            write::interim(&mut interim, &side.bytes, &head, &self.fields);
                            let is_told = self.client.poll_tell(cx, &interim);
                            worker.buffers.give_back(interim);
                            if is_told == Poll::Ready(false) {
                                return Poll::Ready(Carried::Abandoned);
                            }
                        }
                        side.bytes.advance(head.len);
                        continue;
                    }
                    Ok(Some(head)) => return Poll::Ready(Carried::Replied(head.status, head)),
                    Ok(None) if side.bytes.len() < HEAD_MAX => {}
                    Ok(None) => return Poll::Ready(Carried::Failed(Failure::Malformed)),
                    Err(error) => {
                        tracing::debug!(%error, "an endpoint's answer is malformed");
                        return Poll::Ready(Carried::Failed(Failure::Malformed));
                    }
                }
            }
            match side.poll_read(cx, worker) {
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(ended) => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, "an endpoint broke off");
                    }
                    let was_kept = *is_used && side.bytes.is_empty();
                    let failure = if was_kept { Failure::KeptConnectionBroke } else { Failure::Broken };
                    return Poll::Ready(Carried::Failed(failure));
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn poll_client_left(&mut self, cx: &mut Context<'_>, worker: &Worker) -> Poll<()> {
        if self.body.has_read_all() { self.client.poll_left(cx, worker) } else { Poll::Pending }
    }
}

/// An answer on its way to the client.
struct Answer<'a> {
    client: &'a mut Side,
    alarm: &'a mut Alarm,
    /// It is cut off then.
    ends_by: Time,
    upstream: Upstream,
    keeps_upstream: bool,
    body: Pump,
    /// What is left of the request, which nobody may want any more.
    request: Option<Pump>,
    then: Then,
}

impl<'a> Request<'a> {
    fn into_answer(
        self,
        worker: &Rc<Worker>,
        asked: &RequestHead,
        in_flight: &InFlight,
        reply: Reply,
        ends_by: Time,
        cookie: Option<SetCookie<'_>>,
    ) -> Answer<'a> {
        let Reply { mut upstream, head } = reply;
        let Self { client, alarm, mut first, fields, body, is_sent, welcome, .. } = self;
        let request_is_read = body.has_read_all();
        let has_length = matches!(head.framing, Framing::Length(_) | Framing::Empty);
        let then = match asked {
            _ if asked.wants_close || worker.is_leaving() || !request_is_read => Then::Close,
            // HTTP/1.0 knows no other end of a body without a length.
            RequestHead { is_http_1_0: true, .. } if !has_length => Then::Close,
            asked => Then::stay(asked),
        };
        let ending = Ending { in_chunks: !has_length && !asked.is_http_1_0, then };
        first.clear();
        write::response_head(&mut first, &upstream.side.bytes, &head, &fields, in_flight, ending, cookie);
        upstream.side.bytes.advance(head.len);
        worker.buffers.give_back_fields(fields);
        let request = (!is_sent).then_some(body);
        let keeps_upstream = head.keeps_alive && request.is_none() && request_is_read;
        let mut body = Pump::new(first, head.framing, ending.in_chunks, u64::MAX);
        if welcome.trailers {
            body.pass_trailers();
        }
        Answer { client, alarm, ends_by, upstream, keeps_upstream, body, request, then }
    }
}

impl Answer<'_> {
    async fn pass(mut self, worker: &Rc<Worker>, mut life: Life) -> Served {
        self.set_alarm(worker);
        let passed = poll_fn(|cx| self.poll(cx, worker)).await;
        let Self { upstream, keeps_upstream, body, then, .. } = self;
        worker.buffers.give_back(body.into_buffer());
        match passed {
            Ok(()) => {
                life.finish();
                if keeps_upstream {
                    upstream.keep(worker);
                }
                Served::Answered(then)
            }
            Err(error) => {
                tracing::debug!(%error, "an answer did not arrive whole");
                Served::Over
            }
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>, worker: &Worker) -> Poll<Result<(), Broken>> {
        let Self { client, upstream, body, request, .. } = self;
        if let Some(rest) = request
            && rest.poll(cx, worker, client, &mut upstream.side).is_ready()
        {
            *request = None;
        }
        if let Poll::Ready(passed) = body.poll(cx, worker, &mut upstream.side, client) {
            return Poll::Ready(passed);
        }
        if request.is_none() && client.poll_left(cx, worker).is_ready() {
            return Poll::Ready(Err(Broken::Target(io::ErrorKind::ConnectionAborted.into())));
        }
        while self.alarm.poll(cx).is_ready() {
            if self.body.take_moved() == 0 || worker.clock.now() >= self.ends_by {
                return Poll::Ready(Err(Broken::Target(io::ErrorKind::TimedOut.into())));
            }
            self.set_alarm(worker);
        }
        Poll::Pending
    }

    /// Goes off when nothing has moved for too long, or it is all too long.
    fn set_alarm(&mut self, worker: &Worker) {
        let idle = worker.clock.now().after(worker.snapshot.limits.idle_timeout);
        self.alarm.set(idle.min(self.ends_by));
    }
}

// === impl Upstream ===

impl Upstream {
    fn keep(mut self, worker: &Worker) {
        // What was not asked for is nobody's answer.
        if self.side.bytes.is_empty() {
            self.side.rest(worker);
            worker.upstreams.borrow_mut().put(self.endpoint, self.side, worker.clock.now());
        }
    }
}

impl Keep for Side {
    fn is_closed(&mut self) -> bool {
        self.poll_any(&mut Context::from_waker(Waker::noop())).is_ready()
    }
}

async fn connection(worker: &Worker, attempt: &Attempt) -> Result<Upstream, Failure> {
    let endpoint = attempt.endpoint;
    if !attempt.fresh {
        let kept = worker.upstreams.borrow_mut().take(endpoint, worker.clock.now());
        if let Some(side) = kept {
            return Ok(Upstream { side, endpoint, is_used: true });
        }
    }
    // Boxed, as it is rare and would make every request's future as large.
    let address = worker.address(endpoint).ok_or(Failure::ConnectRefused)?;
    let io = connected(worker, attempt, Box::pin(dial(worker, endpoint, address))).await?;
    worker.counters.service(endpoint.service).connections.add_one();
    Ok(Upstream { side: Side::new(io), endpoint, is_used: false })
}
