//! A client's connection: one request after another.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use floodway_policy::snapshot::{Protocol, RoutePolicy};

use super::parse::{Field, Framing, Name, RequestHead, find, parse_request};
use super::side::Side;
use super::write::{self, Then};
use super::{Served, Taken, Unserved, Visit, adapt, hit, relay};
use crate::alarm::Alarm;
use crate::bells::Bell;
use crate::cache;
use crate::connection::{Client, PREFACE};
use crate::forward::{self, TARGET_SHARE};
use crate::idempotency;
use crate::in_flight::InFlight;
use crate::perform::hedged;
use crate::respond::Problem;
use crate::stream::Stream;
use crate::telemetry::{Asked, Beginning, Way};
use crate::tunnel::Tunnel;
use crate::worker::Worker;

/// How long a connection that we end is read on, so that its last answer arrives.
const LINGER: Duration = Duration::from_secs(2);

/// How long a connection must wait for a request before a drain closes it. One that is used more often ends with
/// an answer instead, and no request meets a connection that is being closed.
const QUIET: Duration = Duration::from_secs(1);

/// How a connection ends here.
pub(crate) enum End {
    Over,
    /// It speaks HTTP/2; nothing was taken of what was read.
    Http2(Side),
    /// It goes on in another protocol.
    Upgraded(Side, Box<Tunnel>),
}

/// Whether a connection waits for its next request.
enum Turn {
    Idle,
    Over,
    Http2,
    Upgraded(Box<Tunnel>),
}

/// Serves a connection until it ends, or is idle or slow for too long, or the worker drains.
pub(crate) async fn serve(client: Rc<Client>, stream: Stream) -> End {
    let alarm = Alarm::new(client.worker.clock);
    let bell = poll_fn(|cx| Poll::Ready(Bell::hang(&client.worker, cx))).await;
    let mut visit = Visit { client, side: Side::new(stream), alarm, is_new: true, _bell: bell };
    // A client that connects has something to say.
    let mut patience = visit.client.worker.snapshot.limits.header_timeout;
    loop {
        if !visit.wait(patience).await {
            return End::Over;
        }
        // Boxed, so that a connection that waits is small.
        match Box::pin(visit.serve_all()).await {
            Turn::Idle => patience = visit.client.worker.snapshot.limits.idle_timeout,
            Turn::Over => return End::Over,
            Turn::Http2 => return End::Http2(visit.side),
            Turn::Upgraded(tunnel) => return End::Upgraded(visit.side, tunnel),
        }
    }
}

impl Visit {
    /// Waits for a first byte; false where none will come.
    async fn wait(&mut self, patience: Duration) -> bool {
        let Self { client, side, alarm, .. } = self;
        let worker = &client.worker;
        let until = worker.clock.now().after(patience);
        alarm.set(until);
        let mut is_told = false;
        poll_fn(|cx| match side.poll_read(cx, worker) {
            Poll::Ready(read) => Poll::Ready(read.is_ok_and(|len| len > 0)),
            Poll::Pending => {
                if worker.is_draining() && !is_told {
                    is_told = true;
                    alarm.set(until.min(worker.clock.now().after(QUIET)));
                }
                alarm.poll(cx).map(|()| false)
            }
        })
        .await
    }

    /// Serves what has come, until nothing more has.
    async fn serve_all(&mut self) -> Turn {
        let mut fields = self.client.worker.buffers.take_fields();
        loop {
            let turn = self.serve_one(&mut fields).await;
            if turn.is_some() || self.side.bytes.is_empty() {
                self.client.worker.buffers.give_back_fields(fields);
                self.side.rest(&self.client.worker);
                return turn.unwrap_or(Turn::Idle);
            }
        }
    }

    /// Serves one request; nothing where the next may follow.
    async fn serve_one(&mut self, fields: &mut Vec<Field>) -> Option<Turn> {
        let head = match self.read_head(fields).await {
            Ok(Some(head)) => head,
            Ok(None) => return Some(Turn::Over),
            Err(None) => return Some(Turn::Http2),
            Err(Some(problem)) => {
                self.refuse_unread(problem).await;
                return Some(Turn::Over);
            }
        };
        let in_flight = self.begin(&head, fields);
        let served = match self.dispatch(&head, fields, &in_flight).await {
            Ok(served) => served,
            Err(unserved) => self.refuse(&head, unserved, &in_flight).await,
        };
        drop(in_flight);
        match served {
            Served::Answered(Then::Close) => {
                self.part().await;
                Some(Turn::Over)
            }
            Served::Answered(_) => None,
            Served::Over => Some(Turn::Over),
            Served::Upgraded(tunnel) => Some(Turn::Upgraded(tunnel)),
        }
    }

    /// Reads a head; nothing where the connection ends before.
    ///
    /// # Errors
    /// What is wrong with it; nothing where it is the beginning of HTTP/2.
    async fn read_head(&mut self, fields: &mut Vec<Field>) -> Result<Option<RequestHead>, Option<Problem>> {
        let Self { client, side, alarm, is_new, .. } = self;
        let worker = &client.worker;
        let limits = worker.snapshot.limits;
        let mut is_timed = false;
        // Only a new line can change what the bytes before it say.
        let mut seen = 0;
        loop {
            let is_news = memchr::memchr(b'\n', &side.bytes[seen..]).is_some();
            seen = side.bytes.len();
            let len_max = limits.header_bytes_max as usize;
            let head =
                if is_news { parse_request(&side.bytes, limits.headers_max, fields) } else { Ok(None) };
            match head {
                Ok(Some(head)) if head.len > len_max => return Err(Some(Problem::HeadTooLarge)),
                Ok(Some(head)) => {
                    *is_new = false;
                    return Ok(Some(head));
                }
                Ok(None) if seen > len_max => return Err(Some(too_long(&side.bytes))),
                Ok(None) => {}
                Err(_) if *is_new && PREFACE.starts_with(&side.bytes[..seen.min(PREFACE.len())]) => {
                    if seen >= PREFACE.len() {
                        return Err(None);
                    }
                }
                Err(malformed) => return Err(Some(malformed.into())),
            }
            if !is_timed {
                is_timed = true;
                alarm.set(worker.clock.now().after(limits.header_timeout));
            }
            let read = poll_fn(|cx| match side.poll_read(cx, worker) {
                Poll::Ready(read) => Poll::Ready(read.is_ok_and(|len| len > 0)),
                Poll::Pending => alarm.poll(cx).map(|()| false),
            });
            if !read.await {
                return Ok(None);
            }
        }
    }

    fn begin(&self, head: &RequestHead, fields: &[Field]) -> InFlight {
        let Self { client, side, .. } = self;
        let bytes = &side.bytes[..];
        let traces = client.worker.telemetry.as_ref().is_some_and(|telemetry| telemetry.traces.is_some());
        let mut parents = fields.iter().filter(|field| traces && field.known == Name::TraceParent);
        let parent = parents.next().filter(|_| parents.next().is_none());
        let mut in_flight = InFlight::begin(
            &client.worker,
            Beginning {
                id: head.request_id.map(|id| id.of(bytes)),
                traceparent: parent.map(|parent| parent.value.of(bytes)),
                is_believed: client.peer.is_trusted,
            },
        );
        in_flight.note(|| Asked {
            method: head.method.text(bytes).to_owned(),
            path: path(head, bytes).to_owned(),
            host: head.target.authority.or(head.host).map(|host| host.text(bytes).to_owned()),
            way: Way::In { peer: client.peer.address, protocol: "HTTP/1.1", route: None },
        });
        in_flight
    }

    async fn dispatch(
        &mut self,
        head: &RequestHead,
        fields: &[Field],
        in_flight: &InFlight,
    ) -> Result<Served, Unserved> {
        let worker = Rc::clone(&self.client.worker);
        let route = find_route(&worker, in_flight, &self.side.bytes, head)
            .map_err(|problem| Unserved { problem, taken: Taken::Nothing })?;
        let route = forward::part(&worker, route, |name| find(&self.side.bytes, fields, name));
        if let Some(policy) = &route.rate_limit {
            let Self { client, side, .. } = self;
            let address = || {
                write::asker(&side.bytes, fields, client).map_or(client.peer.address, |asker| asker.address)
            };
            in_flight
                .limit(policy, address, |name| find(&side.bytes, fields, name))
                .map_err(|problem| Unserved { problem, taken: Taken::Nothing })?;
        }
        if let Some(policy) = &route.cache
            && let Some(served) = hit::serve(self, head, fields, policy, in_flight).await
        {
            return Ok(served);
        }
        let is_http2 = worker.protocol(route.call.service) == Protocol::Http2;
        let method = head.method.text(&self.side.bytes);
        let is_more = cache::concerns(&worker, route, method)
            || idempotency::concerns(route, method)
            || hedged::concerns(route.call, method, head.framing == Framing::Empty)
            || forward::has_elsewhere(route);
        if head.upgrade || is_http2 || is_more || route.call.tells_time {
            return adapt::serve(self, head, fields, route, in_flight).await;
        }
        relay::relay(self, head, fields, route, in_flight).await
    }

    /// Answers a request that was read with a problem.
    async fn refuse(&mut self, head: &RequestHead, unserved: Unserved, in_flight: &InFlight) -> Served {
        let worker = Rc::clone(&self.client.worker);
        let Unserved { problem, taken } = unserved;
        let is_over = match taken {
            Taken::Nothing => take_message(&mut self.side.bytes, head),
            Taken::Part => false,
            Taken::Whole => true,
        };
        let ends = !is_over || problem.ends_connection() || head.wants_close || worker.is_leaving();
        let then = if ends { Then::Close } else { Then::stay(head) };
        if self.answer(problem, in_flight, head.is_head, then).await {
            Served::Answered(then)
        } else {
            Served::Over
        }
    }

    /// Answers what is no request.
    async fn refuse_unread(&mut self, problem: Problem) {
        let worker = Rc::clone(&self.client.worker);
        let beginning = Beginning { id: None, traceparent: None, is_believed: false };
        let in_flight = InFlight::begin(&worker, beginning);
        if self.answer(problem, &in_flight, false, Then::Close).await {
            self.part().await;
        }
    }

    /// Writes a problem; false where nobody is there to read it.
    async fn answer(&mut self, problem: Problem, in_flight: &InFlight, is_head: bool, then: Then) -> bool {
        let worker = Rc::clone(&self.client.worker);
        in_flight.refused(problem);
        let mut out = worker.buffers.take();
        write::problem(&mut out, problem, in_flight, is_head, then);
        let idle = worker.snapshot.limits.idle_timeout;
        self.alarm.set(worker.clock.now().after(idle));
        let written = poll_fn(|cx| {
            while !out.is_empty() {
                match self.side.poll_write(cx, &out, &[]) {
                    Poll::Ready(Ok(len)) => out.advance(len),
                    Poll::Ready(Err(_)) => return Poll::Ready(false),
                    Poll::Pending => return self.alarm.poll(cx).map(|()| false),
                }
            }
            Poll::Ready(true)
        });
        let is_written = written.await;
        worker.buffers.give_back(out);
        is_written
    }

    /// Ends a connection whose last answer was written. Closing a socket with bytes unread would reset it,
    /// and a client that is still sending would lose the answer (RFC 9112 §9.6).
    async fn part(&mut self) {
        let Self { client, side, alarm, .. } = self;
        let worker = &client.worker;
        alarm.set(worker.clock.now().after(LINGER));
        if poll_fn(|cx| side.poll_shutdown(cx)).await.is_err() {
            return;
        }
        poll_fn(|cx| {
            loop {
                side.bytes.clear();
                match side.poll_read(cx, worker) {
                    Poll::Ready(Ok(1..)) => {}
                    Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(()),
                    Poll::Pending if worker.is_draining() => return Poll::Ready(()),
                    Poll::Pending => return alarm.poll(cx),
                }
            }
        })
        .await;
    }
}

/// Checks what is asked for, and finds its route.
fn find_route<'a>(
    worker: &'a Worker,
    in_flight: &InFlight,
    bytes: &[u8],
    head: &RequestHead,
) -> Result<&'a RoutePolicy, Problem> {
    let method = head.method.text(bytes);
    if method == "CONNECT" {
        return Err(Problem::ConnectRefused);
    }
    if head.target.path_and_query.len() > worker.snapshot.limits.header_bytes_max as usize / TARGET_SHARE {
        return Err(Problem::TargetTooLong);
    }
    let path = path(head, bytes);
    if forward::has_dot_segment(path) {
        return Err(Problem::BadRequest("the path has a `.` or `..` segment"));
    }
    let host = head.target.authority.or(head.host).map(|host| host.text(bytes));
    let route = forward::route(worker, in_flight, host, path, method)?;
    if matches!(head.framing, Framing::Length(length) if length > route.body_max) {
        return Err(Problem::BodyTooLarge);
    }
    Ok(route)
}

/// What is asked for, without its query.
pub(super) fn path<'a>(head: &RequestHead, bytes: &'a [u8]) -> &'a str {
    let target = head.target.path_and_query.text(bytes);
    target.split('?').next().filter(|path| !path.is_empty()).unwrap_or("/")
}

/// Takes a request off that needs nothing more than what was read. Whether it was so.
fn take_message(bytes: &mut BytesMut, head: &RequestHead) -> bool {
    let body_len = match head.framing {
        Framing::Empty => Some(0),
        Framing::Length(len) => usize::try_from(len).ok(),
        Framing::Chunked | Framing::UntilClose => None,
    };
    let len = body_len.and_then(|len| len.checked_add(head.len)).filter(|len| *len <= bytes.len());
    if let Some(len) = len {
        bytes.advance(len);
    }
    len.is_some()
}

/// What a head that grew too large has too much of.
fn too_long(bytes: &[u8]) -> Problem {
    let first_line = memchr::memchr(b'\n', bytes).unwrap_or(bytes.len());
    if first_line > bytes.len() / TARGET_SHARE { Problem::TargetTooLong } else { Problem::HeadTooLarge }
}
